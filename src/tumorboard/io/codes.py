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
QUERY = define(
    "STO106",
    "A question to the tables that cannot be answered",
    why="A question may only read: the tables of a cohort change by whole, checked writes.",
    fix="write one SELECT over patients, exams, images, findings, outcomes, relations, texts, runs",
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
FILE_TRUNCATED = define(
    "FIL104",
    "A file that is shorter than its own header says",
    why="Some readers fill the missing part with zeros and say nothing: half of the patient becomes air.",
    fix="fetch the file again from its source and compare checksums",
)
FILE_TOO_LARGE = define(
    "FIL105",
    "A file that would need more memory than it may have",
    why="A few megabytes can claim, or inflate to, many gigabytes; the claim is checked before memory is taken.",
    fix="if the size is right, raise `max_bytes`; otherwise fetch the file again",
)
FILE_DAMAGED = define(
    "FIL106",
    "A compressed file whose checksum or stream is broken",
    why="One flipped bit changes voxels that many readers then deliver without a word.",
    fix="fetch the file again from its source and compare checksums",
)
FILE_HEADER = define(
    "FIL107",
    "A header that cannot be true",
    why="Sizes, types or offsets that contradict each other would place the wrong bytes in the wrong voxels.",
    fix="convert the image again from its DICOM series",
)
FILE_NAME = define(
    "FIL108",
    "A file that is not what its name says",
    why="A plain file under a compressed name, or the reverse, went through a tool that renamed instead of converting.",
    fix="rename the file to what it is, after finding out why it was misnamed",
)
FILE_TRAILING = define(
    "FIL109",
    "Bytes behind the last voxel",
    why="The header describes less than the file holds: an edited header, or two files joined.",
    fix="compare the shape with the source; write the image again if the shape is right",
)
FILE_PICKLE = define(
    "FIL110",
    "A file that could run code when it is read",
    why="A pickle from elsewhere executes whatever its maker put into it.",
    fix="ask for the weights as safetensors and for arrays as plain .npy without objects, or as NIfTI",
)
ARCHIVE_REFUSED = define(
    "FIL111",
    "An archive with an entry that is not a plain, modest file",
    why="Links, encrypted or doubled entries and extreme compression are how archives hide what they should not hold.",
    fix="ask for a plain archive; do not extract this one by hand",
)
JSON_INVALID = define(
    "FIL112",
    "Text that is not JSON",
    why="A half-read record would lose fields without a word.",
    fix="correct the file where the message points",
)
JSON_COMMA = define(
    "FIL113",
    "JSON with a comma before a closing bracket",
    why="The sample record of HECKTOR's container has one; strict readers fail on it. Nothing else is forgiven.",
    fix="remove the comma",
)
SYSTEM_REFUSES = define(
    "FIL114",
    "The system refuses to read or write",
    why="A full disk, a read-only folder or a missing right: nothing is half-written, the old state is still there.",
    fix="make room, or choose a folder that may be written; then repeat the command: finished work is taken over",
)
AFFINE_ABSENT = define(
    "IMG104",
    "A file that does not say where the patient lies",
    why="Without origin and axes (NIfTI: both form codes 0) readers invent them: left and right may be exchanged.",
    fix="convert again from DICOM",
)
AFFINE_CONFLICT = define(
    "NIF101",
    "A NIfTI file with two different places for its voxels",
    why="Some tools follow the sform, others the qform: the same mask lies in two places.",
    fix='find out which is right and read with affine="sform" or affine="qform"',
)
AFFINE_SHEARED = define(
    "IMG103",
    "Voxel axes that do not stand at right angles",
    why="ITK-based tools refuse such a grid, and some others drop the shear without a word.",
    fix="resample onto an orthogonal grid, or repair the sform from the original DICOM",
)
PIXDIM_CONFLICT = define(
    "NIF102",
    "Voxel sizes in the header that contradict the affine",
    why="Tools that read only the sizes measure other volumes than tools that read the affine.",
    fix="write the file again with both right, after finding out which is true",
)
SCALE_CONFLICT = define(
    "NIF103",
    "An intercept without a slope",
    why="With slope 0 the standard says: unscaled. One common reader adds the intercept all the same.",
    fix="write the file again with slope 1 if the intercept is meant, with intercept 0 if not",
)
LENGTH_UNIT = define(
    "NIF104",
    "Lengths in another unit than millimetres",
    why="A grid in metres or micrometres read as millimetres is a thousand times too small or too large.",
    fix='find out which it is and read with length_unit="mm", "m" or "um"',
)
FRAMES = define(
    "IMG101",
    "More than one frame where one volume is expected",
    why="A fourth axis is time, gate or channel; taking the first in silence would analyse an arbitrary one.",
    fix="say which one to read: frame=0, 1, ...",
)
VOXELS_NOT_FINITE = define(
    "IMG102",
    "Voxels that are not numbers",
    why="One NaN spreads through every filter, sum and interpolation that touches it.",
    fix="find out what they stand for and read with nan_as=VALUE",
)
PICTURE_COLOURED = define(
    "IMG105",
    "A picture in colour, or with transparent parts, where grey values are expected",
    why="Annotations burned in as colours, or a screenshot of a viewer, are no measurement.",
    fix="export the image again without annotations; a mask needs one grey value per structure",
)
PICTURE_TURNED = define(
    "IMG106",
    "A picture that says it is to be turned for display",
    why="Some programs obey the EXIF orientation, others ignore it: boxes and masks made with one miss in the other.",
    fix='find out which is meant and read with exif="apply" or exif="ignore"',
)
