"""nnU-Net's raw data folder."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="nnunet",
    title="nnU-Net raw data (v2; v1 is read)",
    summary=(
        "`imagesTr/<case>_0000.nii.gz` (one file per channel on one grid), `labelsTr/<case>.nii.gz`, `imagesTs`, "
        "`dataset.json`; the PET is resampled onto the CT grid when written, region labels both ways."
    ),
    read="tumorboard.datasets.nnunet.reader:read",
    write="tumorboard.datasets.nnunet.writer:write",
)
