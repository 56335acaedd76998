"""Masks that other programs predicted, as a run of a cohort, to be scored and seen beside ours."""

from tumorboard.core.registry import Layout

LAYOUTS = (
    Layout(
        name="nnunet-predictions",
        title="Predictions of nnU-Net v2",
        summary=(
            "What `nnUNetv2_predict` writes: `<case>.nii.gz` and the `dataset.json` that names its labels. The "
            "masks become a run of a cohort (`--set onto=COHORT`), found by patient, exam or image, checked against "
            "its grids."
        ),
        read="tumorboard.datasets.predicted_masks.nnunet:read",
    ),
    Layout(
        name="totalsegmentator",
        title="Results of TotalSegmentator",
        summary=(
            "A folder of masks per case (`<case>/spleen.nii.gz`), or one file of all labels (`<case>.nii.gz`, names in "
            "its header); they become a run of a cohort (`--set onto=COHORT`)."
        ),
        read="tumorboard.datasets.predicted_masks.totalsegmentator:read",
    ),
)
