"""What masks from marks need, add and measure."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="weakmask",
    title="Lesion masks from RECIST marks",
    summary="A random walker started from the two axes, refined by a small network that learns from the walker's masks "
    "and never from true ones, beside the plain ellipse of the axes.",
    needs=("RECIST pairs in CT", "expert masks of those lesions, to score (not to train or predict)"),
    adds=("lesion masks on the CT grid", "findings with volume_ml, long_axis_mm, short_axis_mm"),
    metrics=("dice", "dice_key_slice"),
    missing="tumorboard.tasks.weakmask.marks:missing",
    config="tumorboard.tasks.weakmask.config:WeakMaskConfig",
    benchmark="tumorboard.tasks.weakmask.benchmark:benchmark",
    train="tumorboard.tasks.weakmask.train:train",
    predict="tumorboard.tasks.weakmask.predict:predict",
    evaluate="tumorboard.tasks.weakmask.evaluate:evaluate",
    baselines=("plain ellipse", "random walk"),
)
