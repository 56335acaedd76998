"""Anatomical masks of chest X-rays that other programs drew, as boxes on the X-rays of a cohort."""

from tumorboard.core.registry import Layout

LAYOUTS = (
    Layout(
        name="chexmask",
        title="CheXmask's table of lung and heart masks",
        summary=(
            "CSV (or `.csv.gz`) with one row per image and run-length coded masks of left lung, right lung and "
            "heart; boxes "
            "are added to the X-rays of a cohort (`--set onto=COHORT`), with the published quality estimate as score."
        ),
        read="tumorboard.datasets.chest_masks.chexmask:read",
    ),
    Layout(
        name="cxas",
        title="Masks of CXAS (159 classes)",
        summary=(
            "What `cxas_segment` writes: a folder of PNG per image, `<image>.npy` or COCO `<image>.json`; boxes of "
            "the 22 "
            "classes that are locations of Chest ImaGenome are added to the X-rays of a cohort (`--set onto=COHORT`)."
        ),
        read="tumorboard.datasets.chest_masks.cxas:read",
    ),
    Layout(
        name="pspnet",
        title="Masks of torchxrayvision's PSPNet (14 classes)",
        summary=(
            "`<image>.npy` with 14 channels on the centre square that torchxrayvision cuts out; boxes of nine "
            "locations are added to the X-rays of a cohort (`--set onto=COHORT`)."
        ),
        read="tumorboard.datasets.chest_masks.pspnet:read",
    ),
)
