"""What anomaly detection needs, adds and measures."""

from tumorboard.core.registry import TaskSpec

SPEC = TaskSpec(
    name="anomaly",
    title="Abnormal uptake in PET/CT",
    summary=(
        "An autoencoder with a CT and a PET branch learns normal uptake from tumour-free slices; suspicious uptake is "
        "hidden from it, and what it does not expect is the anomaly. Cross-validated by patient beside smoothed SUV, "
        "thresholds, statistics of normal tissue and a map that looks at no image."
    ),
    needs=("CT in HU", "PET in SUVbw", "expert masks (of training patients; an empty one says: no tumour)"),
    adds=("maps of z-scores on the PET grid", "findings of kind 'box': candidates with volume_ml and probability"),
    metrics=(
        "voxel_auprc",
        "voxel_auroc",
        "voxel_auprc_pooled",
        "voxel_auroc_pooled",
        "slice_auroc",
        "slice_auprc",
        "slice_auroc_within",
        "dice",
        "oracle_dice",
        "fpv_ml",
        "fnv_ml",
        "hot_normal_flagged",
        "voxel_prevalence",
        "froc_sensitivity",
        "froc_mean_sensitivity",
        "inserted_sensitivity",
    ),
    missing="tumorboard.tasks.anomaly.exam:missing",
    config="tumorboard.tasks.anomaly.config:AnomalyConfig",
    benchmark="tumorboard.tasks.anomaly.benchmark:benchmark",
    train="tumorboard.tasks.anomaly.train:train",
    predict="tumorboard.tasks.anomaly.predict:predict",
    evaluate="tumorboard.tasks.anomaly.evaluate:evaluate",
    baselines=(
        "SUV",
        "smoothed SUV",
        "SUV>2.5",
        "SUV>4",
        "SUV>41% of max",
        "SUV over reference",
        "Gaussian by HU",
        "patch Gaussian",
        "image-blind ellipsoid",
    ),
)
