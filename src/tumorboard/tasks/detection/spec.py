"""What detection needs, adds and measures."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="detection",
    title="Lesion detection in CT",
    summary=(
        "A heat map of lesion centres from filters of many sizes (or by a network on slices with their neighbours, "
        "or a RetinaNet, also on volumes), trained and scored on different patients beside intensity blobs; boxes of "
        "other programs are scored by the same rules."
    ),
    needs=("CT in HU", "lesions marked with 3-D boxes"),
    adds=("findings of kind 'box' with a score, in RAS mm",),
    metrics=("froc_sensitivity", "froc_mean_sensitivity"),
    missing="tumorboard.tasks.detection.cases:missing",
    config="tumorboard.tasks.detection.config:DetectionConfig",
    benchmark="tumorboard.tasks.detection.benchmark:benchmark",
    train="tumorboard.tasks.detection.train:train",
    predict="tumorboard.tasks.detection.predict:predict",
    evaluate="tumorboard.tasks.detection.evaluate:evaluate",
    baselines=("intensity blobs",),
)
