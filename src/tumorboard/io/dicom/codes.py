"""Codes of the DICOM readers and writers."""

from tumorboard.core.errors import define

# ---- files ------------------------------------------------------------------------------------------
NOT_DICOM = define(
    "DCM101",
    "A file that is not DICOM",
    why="Guessing structure into other bytes ends in wrong voxels.",
    fix="leave the file out of the folder; notes and pictures beside the series do no harm",
)
DAMAGED = define(
    "DCM102",
    "A DICOM file that cannot be read to its end",
    why="A cut or altered element shifts everything behind it; half-read headers give half-true geometry.",
    fix="fetch the file again from the archive (PACS) it came from",
)
TAG_MISSING = define(
    "DCM103",
    "A DICOM attribute that is needed and absent",
    why="Position, spacing, units or identity would have to be guessed.",
    fix="export the series again with its full header, or state the value with the option named in the message",
)
TAG_VALUE = define(
    "DCM104",
    "A DICOM attribute with an impossible value",
    why="NaN, negative sizes or text in place of a number would silently distort the image.",
    fix="fetch the file again, or repair the attribute from the original",
)
NO_SERIES = define(
    "DCM105",
    "No image series, or not the one that was asked for",
    why="An empty result without a word would drop a patient.",
    fix="list the series of the folder with scan_folder",
)
MIXED_SERIES = define(
    "DCM106",
    "Several series where one is expected",
    why="Slices of two reconstructions interleaved look like one scan and are none.",
    fix="say which one: series_uid=...",
)
PIXELS_SIZE = define(
    "DCM107",
    "Pixel data of another length than the header says",
    why="Some readers fill the missing rows with zeros, or drop rows, and say nothing.",
    fix="fetch the file again from its source",
)
PIXELS_FORM = define(
    "DCM108",
    "Pixels that are not one grey value each, or of a form that no scanner writes",
    why="Colour pictures and screen captures are not measurements.",
    fix="leave secondary captures out of the series",
)
TRANSFER_SYNTAX = define(
    "DCM109",
    "A compressed transfer syntax that cannot be decoded here",
    why="Without the right decoder the voxels are not available; a wrong one delivers noise.",
    fix="install the decoder that the message names, or decompress the files (dcmdjpeg, gdcmconv --raw)",
)
TOO_LARGE = define(
    "DCM110",
    "DICOM data that claims more memory than it may have",
    why="A few kilobytes can claim gigabytes; the claim is checked before memory is taken.",
    fix="if the size is right, raise `max_bytes`; otherwise fetch the file again",
)
REFERENCE_OUTSIDE = define(
    "DCM111",
    "A DICOMDIR entry or link that leaves its folder",
    why="A directory file from elsewhere can name any file of this computer (CVE-2026-32711).",
    fix="remove the DICOMDIR or the link; the folder is read without it",
)

# ---- geometry of a series -----------------------------------------------------------------------------
SLICES_GAP = define(
    "DCM121",
    "A series with missing slices",
    why="Stacking the rest as if it were whole squeezes the patient; every position behind the gap is wrong.",
    fix="fetch the missing slices from the archive",
)
SLICES_DUPLICATE = define(
    "DCM122",
    "Two different slices at one position",
    why="Phases, time points or reconstructions under one series UID: taking either is a guess.",
    fix='choose by a header attribute, e.g. select={"AcquisitionNumber": "2"}',
)
SLICES_UNEVEN = define(
    "DCM123",
    "Slices at uneven distances",
    why="One affine cannot say where such slices are.",
    fix="resample from the original slices with a tool made for it, or select the evenly spaced part",
)
SLICES_MIXED = define(
    "DCM124",
    "Slices of different orientation, size or pixel spacing in one series",
    why="A localizer or a second stack among the slices; they do not form one volume.",
    fix='choose by a header attribute, e.g. select={"ImageType": "ORIGINAL\\\\PRIMARY\\\\AXIAL"}',
)
SHEARED = define(
    "DCM125",
    "A sheared stack: tilted gantry",
    why="Slices shifted against each other read as an upright box put anatomy in the wrong place.",
    fix="read with allow_shear=True to get the exact sheared affine, then resample onto an upright grid",
)
ORIENTATION = define(
    "DCM126",
    "Direction cosines that are no right-angled unit vectors",
    why="Rows and columns would have no definite direction.",
    fix="fetch the file again, or repair ImageOrientationPatient from the original",
)

# ---- values ------------------------------------------------------------------------------------------
UNIT_CASE = define(
    "DCM131",
    "Stored values that are not in the unit asked for",
    why="HU, SUV, Bq/ml and counts look alike and differ by factors of thousands.",
    fix="ask for the unit that the header states",
)

# ---- SUV ---------------------------------------------------------------------------------------------
SUV_UNITS = define(
    "SUV101",
    "PET units that cannot be turned into SUV body weight",
    why="Proportional counts and the like have no known relation to activity; SUV of another type is another number.",
    fix="reconstruct or export the series in BQML (or GML of type BW)",
)
SUV_WEIGHT = define(
    "SUV102",
    "Patient weight missing or implausible",
    why="SUV is proportional to it; a weight in grams makes every SUV a thousand times too high.",
    fix="look the weight up and state it: assume_weight_kg=...",
)
SUV_DOSE = define(
    "SUV103",
    "Injected activity missing or implausible",
    why="SUV is inversely proportional to it; MBq in place of Bq makes every SUV a million times too high.",
    fix="look the injected activity up and state it: assume_dose_bq=...",
)
SUV_HALF_LIFE = define(
    "SUV104",
    "Half-life missing, or not that of the stated nuclide",
    why="The dose is decayed from injection to scan with it.",
    fix="state it: assume_half_life_s=... (18F 6586.2, 68Ga 4062.6, 11C 1221.8)",
)
SUV_TIME = define(
    "SUV105",
    "Injection or scan time missing or contradictory",
    why="An hour of error in the decay time of 18F changes SUV by a third.",
    fix="state them: assume_injection_time=... or assume_scan_start=series|acquisition",
)
SUV_MIDNIGHT = define(
    "SUV106",
    "The injection seems to come after the scan",
    why="An injection before midnight, a shifted date or swapped times: the decay time would be negative.",
    fix="if the injection was on the day before, say so: assume_midnight=True",
)
SUV_DELAY = define(
    "SUV107",
    "An implausibly long time between injection and scan",
    why="De-identification often shifts one date and leaves the other.",
    fix="if only the dates are wrong, say so: assume_same_day=True",
)
SUV_DECAY = define(
    "SUV108",
    "Decay correction not stated",
    why="START, ADMIN and NONE differ by the decay between injection and scan (a third for 18F after an hour).",
    fix="look it up in the vendor's conformance statement and state it: assume_decay_correction=START|ADMIN|NONE",
)
SUV_CORRECTED = define(
    "SUV109",
    "Images that are not said to be corrected for attenuation",
    why="Without attenuation correction the deep tissue reads too low: no SUV.",
    fix="use the attenuation-corrected series; if the header merely lost the statement: assume_corrected=True",
)
SUV_PHILIPS = define(
    "SUV110",
    "Philips counts without the private factors",
    why="CNTS values become SUV only through (7053,1000) or (7053,1009); de-identification often strips them.",
    fix="export again with the Philips private group kept, or in BQML",
)
SUV_OPTION = define(
    "SUV111",
    "An SUV assumption that cannot be true or is not known",
    why="A mistyped assumption would otherwise be ignored, or change every value.",
    fix="correct the option",
)

# ---- RTSTRUCT, SEG, RTDOSE -----------------------------------------------------------------------------
RT_STRUCTURE = define(
    "RTS101",
    "A structure that does not exist, or has no area",
    why="A structure set names structures that were never drawn; an empty mask would pass for a finding.",
    fix="choose among the structures that the message lists",
)
RT_CONTOUR = define(
    "RTS102",
    "A contour whose points cannot be true",
    why="A wrong count, NaN or a broken triple shifts every coordinate behind it.",
    fix="export the structure set again",
)
RT_OBLIQUE = define(
    "RTS103",
    "A contour that does not lie in a slice plane of this image",
    why="Filling it slice by slice would put the structure elsewhere.",
    fix="use the image that the contour was drawn on",
)
RT_BETWEEN = define(
    "RTS104",
    "A contour between the slices of this image",
    why="Moving it to the nearest slice shifts the structure by up to half a slice without a word.",
    fix='use the image it was drawn on, or place="slab": each contour then stands for half the way to its neighbours',
)
RT_OUTSIDE = define(
    "RTS105",
    "A contour outside the image",
    why="The structure would lose a part without a word.",
    fix='use the whole image series, or outside="drop"',
)
RT_SPARSE = define(
    "RTS106",
    "A structure drawn on every second slice or fewer",
    why="Read as it is, every other slice would be empty; the planning system interpolates between them.",
    fix='place="slab" lets each contour stand for half the way to its neighbours',
)
RT_REFERENCE = define(
    "RTS107",
    "A structure set, segmentation or dose of another image or frame of reference",
    why="Coordinates of another frame of reference are other places in the patient.",
    fix="find the image that it refers to; if the frames are the same, say so with the option of the message",
)
SEG_FORM = define(
    "SEG101",
    "A segmentation of a form that this reader does not know",
    why="Frames without a segment number or position cannot be placed.",
    fix="export it as a BINARY or LABELMAP segmentation",
)
SEG_FRACTIONAL = define(
    "SEG102",
    "A fractional segmentation where a mask is expected",
    why="Probability or occupancy becomes a mask only through a threshold, and that is a choice.",
    fix="state it: threshold=0.5",
)
SEG_GRID = define(
    "SEG103",
    "A segmentation that is not on the grid of this image",
    why="Frames placed by their number instead of their position end up in the wrong slice.",
    fix="read it on its own grid and resample in physical space, or give the image it was made on",
)
SEG_OVERLAP = define(
    "SEG104",
    "Structures that overlap, put into one label map",
    why="A voxel holds one value; the structure drawn first loses what it shares.",
    fix='read the structures one by one, or say overlap="last"',
)
LABEL_TERM = define(
    "SEG105",
    "A mask value without a name",
    why="A segment needs a label that other systems can show.",
    fix="name the value in the mask's `labels`",
)
DOSE_FORM = define(
    "RTD101",
    "A dose that is not in Gray, or not placed in the patient",
    why="Relative dose is percent of something that the file does not say.",
    fix="export the physical dose in GY from the planning system",
)
SOURCE_SERIES = define(
    "DCM141",
    "No DICOM series to refer to",
    why="SEG and RTSTRUCT point to the slices they were made on; without them no viewer can show them.",
    fix="export from a cohort whose images came from DICOM, or let a derived CT series be written (derived=True)",
)
SR_FORM = define(
    "SRD101",
    "A structured report without the parts of TID 1500",
    why="Findings are read from measurement groups; free text in a report belongs to nobody's box.",
    fix="give a structured report of measurements and evaluations (template 1500)",
)
