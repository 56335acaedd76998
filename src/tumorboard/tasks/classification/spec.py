"""What classification needs, adds and measures."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="classification",
    title="Classes from clinical variables",
    summary="HPV status, stages and other classes from baseline variables, calibrated, with abstention, out of fold "
    "and across centres, beside the class shares and logistic regression.",
    needs=("an endpoint with two classes of 10 or more patients", "baseline variables in the data dictionary"),
    adds=("outcomes with a class, probabilities, sureness and its reasons per patient and model",),
    metrics=("auc", "balanced_accuracy", "average_precision", "mcc", "f1_macro", "brier", "log_loss", "ece"),
    missing="tumorboard.tasks.classification.data:missing",
    config="tumorboard.tasks.classification.config:ClassificationConfig",
    benchmark="tumorboard.tasks.classification.benchmark:benchmark",
    train="tumorboard.tasks.classification.train:train",
    predict="tumorboard.tasks.classification.predict:predict",
    evaluate="tumorboard.tasks.classification.evaluate:evaluate",
    baselines=("majority", "logistic"),
)
