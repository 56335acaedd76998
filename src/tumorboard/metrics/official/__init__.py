"""Challenges' own rules. This list is light: the modules are imported when a set of rules is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import resolve
from tumorboard.metrics import codes

__all__ = ["RULE_SETS", "RuleSet", "load_rules"]


@dataclass(frozen=True)
class RuleSet:
    """One set of rules: name on the command line, task it scores, class that holds its options."""

    name: str
    title: str
    task: str
    rules: str
    metrics: tuple[str, ...]
    source: str


_HECKTOR = "hecktor.grand-challenge.org"
_HERE = "tumorboard.metrics.official"

RULE_SETS: dict[str, RuleSet] = {
    rules.name: rules
    for rules in (
        RuleSet(
            "hecktor2022",
            "HECKTOR 2022 task 1: aggregated Dice of GTVp and GTVn, and their mean",
            "segmentation",
            f"{_HERE}.hecktor2022:SegmentationRules2022",
            ("aggregated_dice",),
            "organisers' evaluation notebook of 2022; Andrearczyk et al. 2023, LNCS 13626",
        ),
        RuleSet(
            "hecktor2022-rfs",
            "HECKTOR 2022 task 2: concordance index, missing predictions as ties",
            "prognosis",
            f"{_HERE}.hecktor2022:PrognosisRules2022",
            ("c_index",),
            "organisers' evaluator of 2021 and 2022",
        ),
        RuleSet(
            "hecktor2025",
            "HECKTOR 2025 task 1: mean Dice of GTVp, aggregated Dice and aggregated F1 of GTVn",
            "segmentation",
            f"{_HERE}.hecktor2025:SegmentationRules2025",
            ("dice", "aggregated_dice", "aggregated_lesion_f1"),
            f"{_HECKTOR}, evaluation page of 2025",
        ),
        RuleSet(
            "hecktor2025-rfs",
            "HECKTOR 2025 task 2: concordance index of a risk",
            "prognosis",
            f"{_HERE}.hecktor2025:PrognosisRules2025",
            ("c_index",),
            f"{_HECKTOR}, evaluation page of 2025",
        ),
        RuleSet(
            "hecktor2025-hpv",
            "HECKTOR 2025 task 3: balanced accuracy of the HPV status",
            "classification",
            f"{_HERE}.hecktor2025:ClassificationRules2025",
            ("balanced_accuracy", "sensitivity", "specificity"),
            f"{_HECKTOR}, evaluation page of 2025",
        ),
        RuleSet(
            "hecktor2026",
            "HECKTOR 2026 segmentation: mean of the per-patient Dice of GTVp and of GTVn",
            "segmentation",
            f"{_HERE}.hecktor2026:SegmentationRules2026",
            ("dice",),
            f"{_HECKTOR}, evaluation page of 2026",
        ),
        RuleSet(
            "hecktor2026-rfs",
            "HECKTOR 2026 prognosis: concordance index (sign stated by option)",
            "prognosis",
            f"{_HERE}.hecktor2026:PrognosisRules2026",
            ("c_index",),
            f"{_HECKTOR}, evaluation page and template of 2026",
        ),
        RuleSet(
            "hecktor2026-tn",
            "HECKTOR 2026 staging: mean of the balanced accuracies of T and N",
            "classification",
            f"{_HERE}.hecktor2026:StagingRules2026",
            ("balanced_accuracy",),
            f"{_HECKTOR}, evaluation page of 2026",
        ),
        RuleSet(
            "autopet",
            "autoPET: Dice, false positive volume, false negative volume of all lesions",
            "segmentation",
            f"{_HERE}.autopet:AutopetRules",
            ("dice", "fpv_ml", "fnv_ml"),
            "autopet.grand-challenge.org, evaluation page; organisers' val_script.py",
        ),
        RuleSet(
            "froc",
            "Sensitivity against false boxes per volume or slice, with every rule an option",
            "detection",
            "tumorboard.metrics.detection:DetectionRules",
            ("froc_sensitivity", "froc_mean_sensitivity"),
            "Bunch et al. 1978 (FROC)",
        ),
        RuleSet(
            "deeplesion",
            "DeepLesion key slices: 2-D IoU of 0.5 in inclusive pixels, 0.5 to 16 false boxes per slice",
            "detection",
            f"{_HERE}.deeplesion:KeySliceRules",
            ("froc_sensitivity", "froc_mean_sensitivity"),
            "Yan et al. 2018, MICCAI (3DCE), and the scorers of 3DCE and MULAN",
        ),
        RuleSet(
            "deeplesion-3d",
            "DeepLesion sub-volumes: 3-D intersection over the predicted box of 0.3, 0.125 to 8 false boxes each",
            "detection",
            f"{_HERE}.deeplesion:SubVolumeRules",
            ("froc_sensitivity", "froc_mean_sensitivity"),
            "Yan et al. 2020, IEEE TMI (LENS), manually boxed sub-volumes",
        ),
    )
}


def load_rules(name: str, *, task: str | None = None, **options: Any) -> Any:
    """The rules of that name with the given options. MET107 for a name, a task or an option that does not fit."""
    offered = [rules for rules in RULE_SETS.values() if task in (None, rules.task)]
    if name not in {rules.name for rules in offered}:
        expected = ", ".join(rules.name for rules in offered)
        raise TumorboardError(codes.OPTION_UNKNOWN, "rules", found=repr(name), expected=expected)
    rules = resolve(RULE_SETS[name].rules)
    try:
        return rules(**options)
    except TypeError as error:
        raise TumorboardError(
            codes.OPTION_UNKNOWN, name, found=str(error), expected="options of these rules"
        ) from error
