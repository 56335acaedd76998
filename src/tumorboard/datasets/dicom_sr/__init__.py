"""DICOM structured reports of template 1500."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="dicom-sr",
    title="DICOM structured reports (TID 1500)",
    summary=(
        "One report per exam: a measurement group per box and per statement, with image region, finding sites "
        "and laterality, presence, change and severity; `images.csv` names the images. Read back from any such reports."
    ),
    read="tumorboard.datasets.dicom_sr.reader:read",
    write="tumorboard.datasets.dicom_sr.writer:write",
)
