"""Any folder of CT, PET and mask files per patient."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="pairs",
    title="CT / PET / mask files per patient",
    summary=(
        "A folder per patient (`<ID>/CT_image.nii.gz`, `PET_image`, `CT_mask`, `PET_mask`) or flat files "
        "(`<ID>_CT.nii.gz`); roles are read from the names, `cuts.csv` beside the patients is kept."
    ),
    read="tumorboard.datasets.pairs.reader:read",
    write="tumorboard.datasets.pairs.writer:write",
)
