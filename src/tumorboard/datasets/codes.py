"""Codes of the layouts: what can be wrong with a published data set's files, tables and names."""

from tumorboard.core.errors import define

LAYOUT_NOT_FOUND = define(
    "LAY101",
    "The folder does not hold this layout",
    why="A reader that finds nothing and says nothing leaves an empty cohort behind.",
    fix="give the folder that holds the patients; `tumorboard info layouts` describes each layout",
)
FILE_ROLE = define(
    "LAY102",
    "A file whose name does not say, or says twice, what it is",
    why="A PET read as a CT, or one of two CT images picked by chance, is a wrong image that looks right.",
    fix="rename the file, or state the role with a pattern, e.g. --set ct='*_ct.nii.gz' --set ignore='*_old*'",
)
TABLE_FORM = define(
    "LAY103",
    "A table that cannot be read as one table",
    why="A wrong separator, encoding or heading moves or loses values without a word.",
    fix="save it as UTF-8 CSV with one heading row, or as XLSX",
)
TABLE_VALUE = define(
    "LAY104",
    "A cell that is not a value of its column",
    why="A code outside the data dictionary, or a date in a column of numbers, has no known meaning.",
    fix="correct the cell, or state the code's meaning with the layout's option",
)
COPIES_DISAGREE = define(
    "LAY105",
    "Two copies of the same patient disagree",
    why="The same patient in several folders is one patient; if the copies differ, one of them is wrong.",
    fix="remove the wrong copy, or take the first on purpose with --set conflicts=first",
)
PATIENT_ID = define(
    "LAY106",
    "A patient id that cannot name a file or a row",
    why="Ids become file names and keys; an empty id, or one with a path in it, is refused.",
    fix="give the patient an id of letters, digits, dots, dashes and underscores",
)
MASK_WITHOUT_GRID = define(
    "LAY107",
    "A mask that shares its grid with no image of its exam",
    why="Voxel (i, j, k) of such a mask is another place than voxel (i, j, k) of any image.",
    fix="add the image it was drawn on, or resample the mask in physical space",
)
EVALUATION_CUT = define(
    "LAY108",
    "An evaluation cut that does not fit its image",
    why="A score on the cut sub-volume is only fair if the cut lies inside the image and keeps the mask whole.",
    fix="correct the row of the table of cuts; counts are voxels to remove at both ends of each array axis",
)
OUTCOME_INCOMPLETE = define(
    "LAY109",
    "An outcome with an event but no usable time, or a time without an event",
    why="Survival analyses need both; zero and negative times have no place on a time axis.",
    fix="look the patient up at the source; the published cells are kept in the column `raw`",
)
LABELS = define(
    "LAY110",
    "Mask labels that this layout cannot hold",
    why="nnU-Net needs labels 0, 1, 2 ... without a gap and with one meaning each.",
    fix="renumber the labels, or leave structures out with the layout's option",
)
NOT_WRITABLE = define(
    "LAY111",
    "The cohort holds something that this layout cannot say",
    why="A file written without it would come back as another cohort.",
    fix="choose another layout, or leave it out on purpose with the layout's option",
)
TARGET_OCCUPIED = define(
    "LAY112",
    "The folder to write to is not empty",
    why="Files of two exports mixed in one folder cannot be told apart afterwards.",
    fix="choose a new folder",
)
OPTION = define(
    "LAY113",
    "An option value outside its choices",
    why="A mistyped option would silently fall back to something else.",
    fix="choose one of the expected values",
)
SUBMISSION_VALUE = define(
    "LAY121",
    "A prediction that the challenge's format cannot hold",
    why="A missing or infinite prediction is scored as a tie, as a failure or not at all, by rules nobody printed.",
    fix="predict the patient from what he has, or leave the file unwritten and say so",
)
