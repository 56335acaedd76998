"""A folder of X-ray images, with masks and a table where there are any."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="radiographs",
    title="A folder of X-ray images",
    summary=(
        "PNG, JPEG or DICOM (CR, DX) files; optional lung masks of the same names in a folder beside them (PNG), "
        "optional "
        "table with one row per image (file, patient, exam, day, view, sex, age, pixel spacing). Lung boxes are "
        "derived "
        "from the masks."
    ),
    read="tumorboard.datasets.radiographs.reader:read",
)
