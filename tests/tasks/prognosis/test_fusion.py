"""Models of whatever a patient has: gaps, traps of the reference, and what is kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.metrics.concordance import concordance
from tumorboard.tasks.features.blocks import IMAGE_FEATURE, WITHHELD, known_blocks
from tumorboard.tasks.features.modalities import MODALITIES
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.kept import PrognosisModel
from tumorboard.tasks.prognosis.missingness import difference, missingness, paired_draws, withholding
from tumorboard.tasks.prognosis.models.ensemble import Blend
from tumorboard.tasks.prognosis.models.fusion import fit_pattern_cox
from tumorboard.tasks.prognosis.models.registry import fit_model
from tumorboard.tasks.prognosis.patients import Patients, Training
from tumorboard.tasks.prognosis.predict import predict
from tumorboard.tasks.prognosis.train import train

VARIABLES = (
    Variable("age_years", Kind.NUMERIC, baseline=True),
    Variable("mask_volume_ml", Kind.NUMERIC, note=IMAGE_FEATURE, baseline=True),
    Variable("pet_maximum", Kind.NUMERIC, note=IMAGE_FEATURE, baseline=True),
)
CONFIG = PrognosisConfig(inner_folds=3, resamples=100)


def people(n: int = 300, *, seed: int = 0, gaps: bool = True) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Age, volume and uptake with a log hazard of 0.8, 0.8 and 0; a fifth have no PET, another tenth no image."""
    random = np.random.default_rng(seed)
    z = random.standard_normal((n, 3))
    time = random.exponential(1000 * np.exp(-0.8 * z[:, 0] - 0.8 * z[:, 1]))
    censored = random.exponential(1500, n)
    rows = []
    for i in range(n):
        row = {"patient_id": f"p{i}", "age_years": 60 + 10 * z[i, 0], "mask_volume_ml": z[i, 1], "pet_maximum": z[i, 2]}
        if gaps and i % 5 == 0:
            row["pet_maximum"] = None
        if gaps and i % 10 == 5:
            row["pet_maximum"] = row["mask_volume_ml"] = None
        rows.append(row)
    return rows, time <= censored, np.minimum(time, censored) + 1


@pytest.fixture(scope="module")
def fitted():
    rows, event, time = people()
    training = Training.of(rows, event, time, variables=VARIABLES, config=CONFIG)
    return training, fit_pattern_cox(training)


def patients(training: Training, rows: list[dict[str, Any]]) -> Patients:
    return Patients.encoded(rows, training.encoder)


def test_every_subset_of_modalities_has_an_answer_and_nothing_has_none(fitted) -> None:
    training, model = fitted
    whole = {"patient_id": "x", "age_years": 70.0, "mask_volume_ml": 1.0, "pet_maximum": 2.0}
    empty = dict.fromkeys(whole, None) | {"patient_id": "x"}
    for gone in ((), ("age_years",), ("mask_volume_ml",), ("pet_maximum",), ("age_years", "pet_maximum")):
        row = whole | dict.fromkeys(gone)
        assert np.isfinite(model.risk(patients(training, [row]))).all(), gone
    assert np.isnan(model.risk(patients(training, [empty]))).all()
    assert np.isnan(model.survival(patients(training, [empty]), np.array([100.0]))).all()


def test_trap_absent_null_withheld_and_missing_key_are_the_same(fitted) -> None:
    """Reference, trap 9: identical result whether the value is absent, null, or may not be used."""
    training, model = fitted
    row = {"patient_id": "x", "age_years": 70.0, "mask_volume_ml": 1.0, "pet_maximum": 2.0}
    null = row | {"pet_maximum": None}
    without = {key: value for key, value in row.items() if key != "pet_maximum"}
    held = row | {WITHHELD: "PET"}
    nan = row | {"pet_maximum": float("nan")}
    risks = [float(model.risk(patients(training, [one]))[0]) for one in (null, without, held, nan)]
    assert len(set(risks)) == 1


def test_trap_what_stands_in_a_withheld_cell_does_not_matter(fitted) -> None:
    """Reference A.d, trap 3: bit-equal whatever value stands in a missing cell."""
    training, model = fitted
    rows = [
        {"patient_id": "x", "age_years": 55.0, "mask_volume_ml": v, "pet_maximum": v, WITHHELD: "PET mask"}
        for v in (0.0, 1e9, -3.0)
    ]
    assert len(set(model.risk(patients(training, rows)).tolist())) == 1


def test_trap_higher_risk_means_earlier_event_in_every_set(fitted) -> None:
    """Reference, trap 6 and 8: the sign, per set of modalities."""
    training, model = fitted
    rows, event, time = people(seed=1, gaps=False)
    for gone, least in (((), 0.68), (("PET",), 0.68), (("PET", "mask"), 0.58), (("clinical",), 0.58)):
        held = [row | {WITHHELD: " ".join(gone)} for row in rows]
        risk = model.risk(patients(training, held))
        assert concordance(event, time, risk).value > least, gone
        curves = model.survival(patients(training, held), np.array([300.0, 900.0]))
        assert (curves[:, 0] >= curves[:, 1]).all()
        assert np.corrcoef(risk, -curves[:, 1])[0, 1] > 0.8


def test_more_modalities_are_not_worse_than_the_best_one_alone(fitted) -> None:
    training, model = fitted
    rows, event, time = people(n=600, seed=2, gaps=False)
    value = {}
    for gone in ("", "clinical", "PET mask"):
        risk = model.risk(patients(training, [row | {WITHHELD: gone} for row in rows]))
        value[gone] = concordance(event, time, risk).value
    assert value[""] > max(value["clinical"], value["PET mask"]) + 0.03


def test_a_modality_that_few_have_does_not_cost_the_others() -> None:
    """Uptake is noise and known of a quarter only: patients with it are still predicted by what all have."""
    rows, event, time = people(gaps=False)
    for i, row in enumerate(rows):
        if i % 4:
            row["pet_maximum"] = None
    training = Training.of(rows, event, time, variables=VARIABLES, config=CONFIG)
    model = fit_pattern_cox(training)
    number = model.choices[frozenset({"clinical", "PET", "mask"})]
    assert model.submodels[number].modalities == ("clinical", "mask")


def test_trap_poisoned_test_rows_change_nothing_that_is_fitted() -> None:
    """Reference, trap 8: the fit is a function of the training part alone."""
    rows, event, time = people(n=200)
    training = Training.of(rows[:150], event[:150], time[:150], variables=VARIABLES, config=CONFIG)
    again = Training.of([dict(row) for row in rows[:150]], event[:150], time[:150], variables=VARIABLES, config=CONFIG)
    poisoned = [row | {"age_years": 1e6, "mask_volume_ml": -1e6} for row in rows[150:]]
    first = fit_pattern_cox(training)
    patients(again, poisoned)
    second = fit_pattern_cox(again)
    probe = patients(training, rows[150:160])
    np.testing.assert_array_equal(first.risk(probe), second.risk(probe))


def test_trap_missing_is_a_modality_state_of_its_own_not_a_number() -> None:
    rows = [{"age_years": 0.0, "mask_volume_ml": 0.0, "pet_maximum": None}, {"age_years": float("nan")}]
    known = known_blocks(rows, VARIABLES)
    assert known[0, [MODALITIES.index(m) for m in ("clinical", "mask", "PET")]].tolist() == [True, True, False]
    assert not known[1].any()  # zero is known, NaN is not


# ---- curves of missingness ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["ridge-cox", "boosted-hazard", "best-by-inner-folds"])
def test_trap_no_model_sees_what_is_withheld(model: str) -> None:
    rows, event, time = people(n=150, gaps=False)
    given = Training.of(rows, event, time, variables=VARIABLES, config=CONFIG.model_copy(update={"trees": 20}))
    fitted = fit_model(model, given)
    for gone, column in (("PET", "pet_maximum"), ("clinical", "age_years")):
        held = [row | {WITHHELD: gone} for row in rows[:20]]
        other = [row | {WITHHELD: gone, column: 1e6} for row in rows[:20]]
        null = [row | {column: None} for row in rows[:20]]
        risks = [fitted.risk(patients(given, some)).tobytes() for some in (held, other, null)]
        assert risks[0] == risks[1] == risks[2], gone


def test_the_blend_asks_the_anchor_alone_where_a_modality_is_missing() -> None:
    rows, event, time = people(n=240)
    given = Training.of(rows, event, time, variables=VARIABLES, config=CONFIG.model_copy(update={"trees": 20}))
    blend, fusion = fit_model("best-by-inner-folds", given), fit_model("fusion-cox", given)
    assert isinstance(blend, Blend) and blend.common == {"clinical", "mask", "PET"}
    grid = np.array([200.0, 900.0])
    for gone in ("PET", "mask", "clinical"):
        held = patients(given, [row | {WITHHELD: gone} for row in people(n=20, gaps=False)[0]])
        assert np.array_equal(blend.survival(held, grid), fusion.survival(held, grid))
    assert np.isnan(blend.risk(patients(given, [{"patient_id": "x"}]))).all(), "no answer, rather than an average"


def test_who_loses_a_modality_is_nested_and_counted() -> None:
    rows = [{"patient_id": str(i), WITHHELD: "CT" if i == 0 else None} for i in range(40)]
    losers = []
    for share in (0.0, 0.25, 0.5, 1.0):
        changed = withholding(rows, ("PET",), share=share, seed=3)
        losers.append({row["patient_id"] for row in changed if "PET" in (row[WITHHELD] or "")})
        assert len(losers[-1]) == round(40 * share)
        assert "CT" in changed[0][WITHHELD]
    assert losers[1] < losers[2] < losers[3]
    assert rows[1][WITHHELD] is None  # the records given are left alone


def test_the_curve_falls_from_both_modalities_to_one_and_a_difference_is_paired() -> None:
    from tumorboard.core.outcome import Survival

    rows, event, time = people(n=240, gaps=False)
    outcome = Survival("RFS", tuple(row["patient_id"] for row in rows), event, time)
    folds = [np.arange(0, 240, 2), np.arange(1, 240, 2)]
    points = missingness(
        ["fusion-cox"], rows, outcome, variables=VARIABLES, folds=folds, config=CONFIG,
        withheld=[("mask", "PET")], shares=(0.0, 0.5, 1.0),
    )  # fmt: skip
    whole, half, none = points
    assert whole.value > half.value > none.value > 0.5
    off, low, high = difference(whole, none)
    assert low > 0 and low < off < high
    same = difference(whole, whole)
    assert same == (0.0, 0.0, 0.0)


def test_trap_patients_without_an_answer_are_left_out_and_counted_never_scored_as_average() -> None:
    from tumorboard.core.outcome import Survival

    event, time = np.array([True] * 4), np.array([1.0, 2.0, 3.0, 4.0])
    outcome = Survival("RFS", tuple("abcd"), event, time)
    value, _ = paired_draws(outcome, [np.arange(4)], [np.array([3.0, np.nan, 2.0, 1.0])], seed=0, resamples=3)
    assert value == 1.0
    value, draws = paired_draws(outcome, [np.arange(4)], [np.full(4, np.nan)], seed=0, resamples=3)
    assert np.isnan(value) and np.isnan(draws).all()


# ---- kept on disk ---------------------------------------------------------------------------------------------------
def cohort_of(rows: list[dict[str, Any]], event: np.ndarray, time: np.ndarray) -> Cohort:
    outcomes = [
        {"patient_id": r["patient_id"], "endpoint": "RFS", "run_id": "expert",
         "survival": {"event": bool(e), "time_days": float(t)}}
        for r, e, t in zip(rows, event, time, strict=True)
    ]  # fmt: skip
    return Cohort.build("people", dictionary=VARIABLES, patients=rows, outcomes=outcomes)


def test_a_kept_model_predicts_the_same_and_abstains_by_code(tmp_path: Path) -> None:
    rows, event, time = people(n=150)
    cohort = cohort_of(rows, event, time)
    model = train(cohort, tmp_path / "run", config=CONFIG)
    loaded = PrognosisModel.load(tmp_path / "run")
    probe = Patients.encoded(rows[:20], loaded.endpoints[0].encoder)
    np.testing.assert_array_equal(loaded.endpoints[0].model.risk(probe), model.endpoints[0].model.risk(probe))
    nobody = {"patient_id": "nobody", "age_years": None, "mask_volume_ml": None, "pet_maximum": None}
    new = Cohort.build("new", dictionary=VARIABLES, patients=[*rows[:5], nobody])
    result = predict(tmp_path / "run", new, run_id="m")
    assert [row.get("problem") for row in result.rows["outcomes"]] == [None] * 5 + ["FEA103"]
    assert "score" not in result.rows["outcomes"][-1]
    new.with_rows(**result.rows)  # the rows fit the tables
    alone = predict(tmp_path / "run", new.subset([rows[2]["patient_id"]]), run_id="m").rows["outcomes"][0]
    assert alone["score"] == result.rows["outcomes"][2]["score"]  # nobody's prediction depends on who else is there


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    from tumorboard.engine.checkpoints import write_checkpoint

    write_checkpoint(tmp_path / "model.safetensors", tensors={}, state={"kind": "segmentation"})
    with pytest.raises(TumorboardError, match="PRG151"):
        PrognosisModel.load(tmp_path)
