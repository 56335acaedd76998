"""DICOM: a folder tree of series read and written; masks exported as SEG or RTSTRUCT."""

from tumorboard.core.registry import Layout

LAYOUTS = (
    Layout(
        name="dicom",
        title="A folder tree of DICOM series",
        summary=(
            "CT and PT series (single slices or multi-frame), RTSTRUCT, SEG and RTDOSE in any folders under any names, "
            "grouped by the identifiers in their headers; PET as SUV body weight, masks on the image they refer to."
        ),
        read="tumorboard.datasets.dicom.reader:read",
        write="tumorboard.datasets.dicom.writer:write",
    ),
    Layout(
        name="dicom-seg",
        title="DICOM segmentations of a run",
        summary="Every mask of a run as a DICOM SEG with coded labels, referring to the series it was made on.",
        write="tumorboard.datasets.dicom.export:write_segmentations",
    ),
    Layout(
        name="rtstruct",
        title="RT structure sets of a run",
        summary="Every mask of a run as an RTSTRUCT, referring to the series it was made on.",
        write="tumorboard.datasets.dicom.export:write_structure_sets",
    ),
)
