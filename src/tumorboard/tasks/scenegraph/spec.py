"""What scene graphs need, add and measure."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="scenegraph",
    title="Report text to scene graph",
    summary="Findings of a report with place, polarity, change and evidence, beside keywords and a negation window.",
    needs=("texts of exams",),
    adds=("relations: one statement per row with its sentence; changes against the exam before",),
    metrics=(
        "triple_f1",
        "triple_precision",
        "triple_recall",
        "closed_triple_f1",
        "sentence_f1",
        "attribute_f1",
        "location_f1",
        "comparison_f1",
        "percent_agreement",
        "kappa",
        "statements_per_report",
    ),
    missing="tumorboard.tasks.scenegraph.reading:missing",
    config="tumorboard.tasks.scenegraph.config:SceneGraphConfig",
    benchmark="tumorboard.tasks.scenegraph.benchmark:benchmark",
    evaluate="tumorboard.tasks.scenegraph.evaluate:evaluate",
    baselines=("keywords", "negation-window"),
)
