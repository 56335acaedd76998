"""What anatomical boxes need, add and are measured by."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="anatomy",
    title="Anatomical boxes on chest X-rays",
    summary=(
        "Lung fields and the 36 boxes of Chest ImaGenome's pipeline on frontal X-rays, cross-validated by patient "
        "beside a "
        "constant box and boxes placed by parts of the lungs."
    ),
    needs=("frontal chest X-rays", "lung masks or anatomical boxes of an expert"),
    adds=("findings of kind 'anatomical location' with a box in source pixels",),
    metrics=("box_iou", "mask_iou", "centre_distance_px", "centre_distance_share"),
    missing="tumorboard.tasks.anatomy.cases:missing",
    config="tumorboard.tasks.anatomy.config:AnatomyConfig",
    benchmark="tumorboard.tasks.anatomy.benchmark:benchmark",
    train="tumorboard.tasks.anatomy.train:train",
    predict="tumorboard.tasks.anatomy.predict:predict",
    evaluate="tumorboard.tasks.anatomy.evaluate:evaluate",
    baselines=("constant box", "lung fractions"),
)
