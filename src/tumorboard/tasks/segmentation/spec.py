"""What segmentation needs, adds and measures."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="segmentation",
    title="Tumour segmentation in PET/CT",
    summary="A U-Net on CT and SUV, cross-validated by patient beside fixed thresholds and an image-blind ellipsoid.",
    needs=("CT in HU", "PET in SUVbw", "expert masks on the CT grid"),
    adds=("masks on the CT grid", "findings with volume_ml, mtv_ml, tlg_ml, suv_max, suv_mean, suv_peak"),
    metrics=("dice", "hd95_mm", "volume_error_ml", "lesion_f1"),
    missing="tumorboard.tasks.segmentation.cases:missing",
    config="tumorboard.tasks.segmentation.config:SegmentationConfig",
    benchmark="tumorboard.tasks.segmentation.benchmark:benchmark",
    train="tumorboard.tasks.segmentation.train:train",
    predict="tumorboard.tasks.segmentation.predict:predict",
    evaluate="tumorboard.tasks.segmentation.evaluate:evaluate",
    baselines=("SUV>2.5", "SUV>4", "SUV>41% of max", "image-blind ellipsoid"),
)
