"""What tracking needs, adds and is measured by."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="tracking",
    title="The same lesion over exams",
    summary=(
        "Marked lesions of a patient joined over exams by place, size and type (or by an embedding): the lesion graph "
        "with its threshold, and an assignment with at most one lesion per exam, beside nothing aligned."
    ),
    needs=("marked lesions at two or more exams of a patient",),
    adds=("relations 'same lesion' between findings",),
    metrics=(
        "pair_f1",
        "pair_precision",
        "pair_recall",
        "track_purity",
        "track_nmi",
        "track_ari",
        "cpm_10mm",
        "cpm_radius",
        "centre_error_mm",
        "centre_error_x_mm",
        "centre_error_y_mm",
        "centre_error_z_mm",
    ),
    missing="tumorboard.tasks.tracking.marks:missing",
    config="tumorboard.tasks.tracking.config:TrackingConfig",
    benchmark="tumorboard.tasks.tracking.benchmark:benchmark",
    evaluate="tumorboard.tasks.tracking.evaluate:evaluate",
    baselines=("lesion graph", "assignment, nothing aligned"),
)
