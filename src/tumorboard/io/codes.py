"""Codes of the readers and writers."""

from tumorboard.core.errors import define

STORE_MISSING = define(
    "STO101",
    "Not a cohort folder",
    why="A cohort is a folder with `cohort.json` and one Parquet file per table.",
    fix="make one with `tumorboard import LAYOUT SOURCE COHORT`",
)
STORE_DAMAGED = define(
    "STO102",
    "A cohort folder whose files do not match its checksums",
    why="A table that was edited or cut short by hand no longer says what was imported.",
    fix="import again, or restore the folder from a copy",
)
STORE_VERSION = define(
    "STO103",
    "A cohort of another schema version",
    why="Columns change their meaning between versions; guessing would misread them.",
    fix="open it with the version that wrote it, or import again",
)
STORE_CONFLICT = define(
    "STO104",
    "The cohort was changed by somebody else since it was opened",
    why="Saving now would undo the other writer's rows.",
    fix="open the cohort again and repeat the change",
)
STORE_OCCUPIED = define(
    "STO105",
    "There is another cohort in this folder",
    why="Writing over it would lose its runs and corrections.",
    fix="choose an empty folder, or say that it may be replaced",
)
FILE_MISSING = define(
    "FIL101",
    "A file that is named does not exist",
    why="An image that is not there cannot be analysed, and must not be skipped in silence.",
    fix="restore the file, or import again from where the images are now",
)
FILE_FORMAT = define(
    "FIL102",
    "A file of an unknown or unexpected format",
    why="Guessing a format from bytes that do not say it ends in wrong voxels.",
    fix="convert the file to NIfTI, MetaImage or DICOM",
)
FILE_OUTSIDE = define(
    "FIL103",
    "A path that leaves the folder it belongs to",
    why="Archives and tables from elsewhere can name paths such as ../../etc to read or overwrite other files.",
    fix="remove the entry; do not extract the archive by hand",
)
