"""What response to treatment needs, adds and is measured by."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="response",
    title="Response to treatment",
    summary=(
        "Lesions followed over exams, measured as marked and in masks, judged by RECIST 1.1: sums, nadir, growth, "
        "response of each exam."
    ),
    needs=("lesions with axes or masks", "relations 'same lesion' over two or more exams"),
    adds=("outcomes with the response of each exam", "findings with axes measured in masks"),
    metrics=("response_agreement", "axis_difference_mm"),
    missing="tumorboard.tasks.response.benchmark:missing",
    config="tumorboard.tasks.response.config:ResponseConfig",
    benchmark="tumorboard.tasks.response.benchmark:benchmark",
    baselines=("always SD",),
)
