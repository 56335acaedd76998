"""Stages by size, number and side against the tables of the manuals (7th and 8th edition, oropharynx)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.fitting import fit_models
from tumorboard.tasks.classification.models.registry import fit_model, lacks, restore_model
from tumorboard.tasks.classification.patients import Patients, Training
from tumorboard.tasks.classification.staging import n_stage, stage_of, t_stage
from tumorboard.tasks.features.blocks import IMAGE_FEATURE, WITHHELD


@pytest.mark.parametrize(("mm", "stage"), [(1, "T1"), (20, "T1"), (20.1, "T2"), (40, "T2"), (40.1, "T3"), (90, "T3")])
def test_t_by_size(mm: float, stage: str) -> None:
    found = t_stage(mm)
    assert found.value == stage and "T4" in found.open
    assert t_stage(0).value is None and t_stage(None).value is None


# count, largest mm, opposite, both sides -> 7th edition, 8th with p16, 8th without
NECKS = [
    ((0, 0, False, False), ("N0", "N0", "N0")),
    ((1, 30, False, False), ("N1", "N1", "N1")),
    ((1, 31, False, False), ("N2a", "N1", "N2a")),
    ((1, 60, False, False), ("N2a", "N1", "N2a")),
    ((4, 25, False, False), ("N2b", "N1", "N2b")),
    ((1, 15, True, False), ("N2c", "N2", "N2c")),
    ((3, 50, False, True), ("N2c", "N2", "N2c")),
    ((1, 61, False, False), ("N3", "N3", "N3a")),
    ((5, 70, True, True), ("N3", "N3", "N3a")),
]


@pytest.mark.parametrize(("neck", "stages"), NECKS)
def test_n_by_edition_and_p16(neck, stages) -> None:
    count, mm, opposite, both = neck
    for (edition, hpv), expected in zip([(7, None), (8, True), (8, False)], stages, strict=True):
        found = n_stage(count, mm, opposite=opposite, both_sides=both, edition=edition, hpv=hpv)
        assert found.value == expected
    unknown = n_stage(count, mm, opposite=opposite, both_sides=both, edition=8, hpv=None)
    same = stages[1][:2] == stages[2][:2]
    assert unknown.value == (stages[1][:2] if same else None)
    assert same or "not known" in unknown.open


def test_what_masks_cannot_tell_is_said() -> None:
    stages = stage_of({"primary_diameter_mm": 50, "node_count": 2, "node_diameter_mm": 20}, edition=8, hpv=False)
    assert stages["N stage"].value == "N2b"
    assert "sides not known" in stages["N stage"].open and "capsule" in stages["N stage"].open
    with pytest.raises(TumorboardError) as error:
        n_stage(1, 10, opposite=None, both_sides=None, edition=6, hpv=None)
    assert error.value.code.id == "MET107"


def staged(n: int, *, seed: int = 0) -> Training:
    """Primaries of 5 to 60 mm and none to four nodes, with the stage by the 7th edition; a third of T3 invade (T4),
    which no mask shows."""
    random = np.random.default_rng(seed)
    names = ["primary_diameter_mm", "node_count", "node_diameter_mm"]
    variables = [Variable(f"mask_{name}", Kind.NUMERIC, note=IMAGE_FEATURE, baseline=True) for name in names]
    rows, stages = [], []
    for _ in range(n):
        row = dict(
            zip(names, (random.uniform(5, 60), float(random.integers(0, 5)), random.uniform(8, 25)), strict=True)
        )
        stage = stage_of(row, edition=7)["T stage"].value
        stages.append("T4" if stage == "T3" and random.random() < 1 / 3 else stage)
        rows.append({f"mask_{name}": value for name, value in row.items()})
    classes = ("T1", "T2", "T3", "T4")
    y = np.array([classes.index(stage) for stage in stages])
    return Training.of(rows, y, classes, variables=variables, config=ClassificationConfig(trees=10, inner_folds=2))


def test_rules_are_a_model_that_knows_what_masks_do_not_show() -> None:
    given = staged(300)
    model = fit_model("geometry-rules", given)
    p = model.probabilities(given.patients)
    small = given.y < 2
    assert (p.argmax(axis=1) == given.y)[small].all() and p[small].max(axis=1).min() > 0.9
    large = p[~small]
    assert np.abs(large[:, 2] - large[:, 3]).max() < 0.02, "T3 or T4: the rule says the same of both"
    nothing = Patients.encoded([{WITHHELD: "mask", **given.patients.rows[0]}, {}], given.encoder)
    assert np.allclose(model.probabilities(nothing), 0.25, atol=1e-9), "without a mask every class is as likely"
    again = restore_model("geometry-rules", *model.state())
    assert again is not None and np.array_equal(again.probabilities(given.patients), p)
    fitted, lacking = fit_models(given, ())
    assert "geometry-rules" in fitted and not lacking
    assert "geometry-rules" in [name for name, _, _ in fitted["ensemble"].members]


def test_rules_are_not_missed_where_there_are_no_stages() -> None:
    given = staged(60)
    other = replace(given, classes=("a", "b", "c", "d"))
    assert lacks("geometry-rules", other) == "T or N stages to tell"
    assert "geometry-rules" not in fit_models(other, ("majority",))[1]
    assert "geometry-rules" in fit_models(other, ("geometry-rules",))[1], "asked for by name, it is said"
