"""Codes of DeepLesion: its table, slices and companion sets."""

from tumorboard.core.errors import define

TABLE_COLUMNS = define(
    "DPL101",
    "A table without the columns of DL_info.csv",
    why="A lesion is only known with its slice, ends, box, spacing and split.",
    fix="give DL_info.csv, or parts of it with the same heading",
)
TABLE_CELL = define(
    "DPL102",
    "A cell of DL_info.csv that is not what its column holds",
    why="A list with a number too few moves every coordinate behind it.",
    fix="fetch the table again; spreadsheet programs cut lists and turn them into dates",
)
ROWS_TWICE = define(
    "DPL103",
    "The same lesion in two tables",
    why="A lesion counted twice changes every statistic and puts a patient into two splits.",
    fix="name the tables to read, e.g. --set tables=DL_info.csv",
)
INDEX_TABLE = define(
    "DPL104",
    "A table of row numbers that does not fit the lesions",
    why="Companion sets name a lesion by its row in the whole DL_info.csv; one row off labels the wrong lesion.",
    fix="use the row numbers made for these tables, or leave them out with --set index=none",
)
NO_SPACING = define(
    "DPL105",
    "A sub-volume whose spacing or slice interval is missing, zero, negative or stated twice",
    why="Without it no place in millimetres is known; a made-up one would give wrong volumes and distances.",
    fix="look the interval up in the DICOM headers; until then its lesions keep pixels and slice numbers only",
)
NIFTI_CONVENTION = define(
    "DPL106",
    "A NIfTI sub-volume of which the z convention is not clear",
    why="Public conversions of DeepLesion store the slices in opposite orders under the same file names.",
    fix="state it: --set convention=official, reversed, exclusive or frame",
)
COMPANION_FORM = define(
    "DPL107",
    "A companion file of DeepLesion in another form than published",
    why="Labels, pairs and boxes are joined by row number, slice and place; what cannot be joined must not be guessed.",
    fix="fetch the file again; turn pickles into JSON before",
)
SLICE_NAME = define(
    "DPL108",
    "A slice name that is not of the form PPPPPP_SS_RR_NNN.png, or disagrees with its row",
    why="Patient, study, series and slice are read from it; the slice's pixels are found by it.",
    fix="correct the row; names have patient, study, series and slice number, joined by underscores",
)
