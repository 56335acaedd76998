"""What body-part regression needs, adds and is measured by."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="bodypart",
    title="Body part of CT slices",
    summary=(
        "A score per axial slice that grows from head to feet, learnt without labels from the order of slices; "
        "regions, landmarks, relative z of lesions, and flags for reversed and wrongly spaced volumes; "
        "cross-validated by patient beside the place in the volume and a constant."
    ),
    needs=("CT volumes in HU",),
    adds=("findings of kind 'body part' with the scores of all slices", "points: landmarks, places of lesions"),
    metrics=(
        "slice_order",
        "region_accuracy",
        "landmark_error_mm",
        "landmark_missed",
        "landmark_spread",
        "flag_sensitivity",
        "false_flags",
    ),
    missing="tumorboard.tasks.bodypart.cases:missing",
    config="tumorboard.tasks.bodypart.config:BodyPartConfig",
    benchmark="tumorboard.tasks.bodypart.benchmark:benchmark",
    train="tumorboard.tasks.bodypart.train:train",
    predict="tumorboard.tasks.bodypart.predict:predict",
    evaluate="tumorboard.tasks.bodypart.evaluate:evaluate",
    baselines=("fraction of the volume", "constant"),
)
