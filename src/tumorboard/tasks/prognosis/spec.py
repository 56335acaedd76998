"""What prognosis needs, adds and measures."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="prognosis",
    title="Time to event from clinical variables",
    summary="Survival models on baseline variables, out of fold by patient, beside Kaplan-Meier and ridge Cox.",
    needs=("an endpoint with times and events", "baseline variables in the data dictionary"),
    adds=("outcomes with a risk score and a survival curve per patient and model",),
    metrics=("c_index", "uno_c", "ibs", "ipa", "auc", "bound_missed"),
    missing="tumorboard.tasks.prognosis.data:missing",
    config="tumorboard.tasks.prognosis.config:PrognosisConfig",
    benchmark="tumorboard.tasks.prognosis.benchmark:benchmark",
    train="tumorboard.tasks.prognosis.train:train",
    predict="tumorboard.tasks.prognosis.predict:predict",
    baselines=("kaplan-meier", "ridge-cox"),
)
