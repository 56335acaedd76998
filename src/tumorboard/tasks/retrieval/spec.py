"""What retrieval needs, adds and is measured by."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="retrieval",
    title="Similar lesions of other patients",
    summary="Marked lesions as vectors learnt from type, place and size, searched exactly among other patients; types "
    "of lesions from the same network; cross-validated by patient beside chance, place and size, and raw pixels.",
    needs=("marked lesions (RECIST pairs) of two or more coarse types in six or more patients",),
    adds=("vectors per lesion in the run's folder", "findings of kind 'lesion type' with probabilities"),
    metrics=(
        "precision@1",
        "precision@9",
        "mean_average_precision",
        "location_error",
        "size_error_mm",
        "purity",
        "nmi",
        "f1_macro",
        "type_f1",
        "errors_to_neighbours",
        "ece",
    ),
    missing="tumorboard.tasks.retrieval.lesions:missing",
    config="tumorboard.tasks.retrieval.config:RetrievalConfig",
    benchmark="tumorboard.tasks.retrieval.benchmark:benchmark",
    train="tumorboard.tasks.retrieval.train:train",
    predict="tumorboard.tasks.retrieval.predict:predict",
    evaluate="tumorboard.tasks.retrieval.evaluate:evaluate",
    baselines=("random", "location-size", "raw-features", "raw-pixels"),
)
