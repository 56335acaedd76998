"""Masked cross-modality learning as a model: gaps, folds, endpoints together, explanations. Tiny networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.variables import Kind, Variable
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.metrics.concordance import concordance
from tumorboard.phantom.cohort import make_cohort
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.features.blocks import WITHHELD
from tumorboard.tasks.features.slab import SlabSettings, slabs_of
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.kept import PrognosisModel
from tumorboard.tasks.prognosis.masked_pictures import draw_graph, draw_looks
from tumorboard.tasks.prognosis.models.masked import MaskedModel, fit_masked, settings_of
from tumorboard.tasks.prognosis.models.masked_inputs import Cells, Inputs, _patches, inputs_of
from tumorboard.tasks.prognosis.models.masked_training import MaskedSettings, hidden_tokens, random_lattice
from tumorboard.tasks.prognosis.models.registry import fit_model, lacks
from tumorboard.tasks.prognosis.patients import Patients, Training
from tumorboard.tasks.prognosis.predict import predict
from tumorboard.tasks.prognosis.train import train

SLAB = SlabSettings(shape=(6, 16, 16), spacing_mm=(6.0, 6.0, 6.0))
TINY = MaskedSettings(
    slab=SLAB, patch=(2, 8, 8), width=8, depth=1, heads=2, pretraining_steps=4, table_steps=3, steps=6, batch=12,
    predicted_patches=4,
)  # fmt: skip
CONFIG = PrognosisConfig(masked_pretraining=3, masked_steps=4)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("ici") / "c", patients=30, seed=3, region="lung-ici")


def training(cohort: Cohort, keep: slice = slice(0, 24), *, endpoint: str = "PFS", **rows: Any) -> Training:
    outcome = cohort.outcome(endpoint)
    records = rows.get("rows") or rows_of(cohort, outcome.patient_ids)
    return Training.of(
        records[keep], outcome.event[keep], outcome.time_days[keep],
        variables=covariates_of(cohort), config=CONFIG, cohort=cohort, endpoint=endpoint,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(cohort) -> tuple[Training, MaskedModel]:
    given = training(cohort)
    return given, fit_masked(given, TINY)


def patients(given: Training, rows: list[dict[str, Any]]) -> Patients:
    return Patients.encoded(rows, given.encoder, given.patients.cohort)


GRID = np.array([60.0, 200.0, 500.0, 900.0])


def test_both_endpoints_are_learned_together_and_pfs_is_never_above_os(cohort, fitted) -> None:
    given, model = fitted
    assert model.endpoints.names == ("PFS", "OS") and model.endpoints.chained == "PFS"
    assert set(given.others) == {"OS"}
    rows = rows_of(cohort, cohort.patient_ids)[24:]
    curves = model.curves(patients(given, rows), GRID)
    assert (curves["PFS"] <= curves["OS"] + 1e-9).all()
    np.testing.assert_array_equal(model.of("OS").survival(patients(given, rows), GRID), curves["OS"])
    with pytest.raises(KeyError):
        model.of("LRR")


def test_other_endpoints_are_those_of_the_training_patients_alone(cohort) -> None:
    given = training(cohort, slice(0, 10))
    death = cohort.outcome("OS")
    event, time = given.others["OS"]
    np.testing.assert_array_equal(time, death.time_days[:10])
    np.testing.assert_array_equal(event, death.event[:10])
    assert given.part(np.array([3, 1])).others["OS"][1].tolist() == time[[3, 1]].tolist()


def test_prediction_with_either_modality_missing_and_none_without_both(cohort, fitted) -> None:
    given, model = fitted
    rows = rows_of(cohort, cohort.patient_ids)[24:27]
    found = {
        gone: model.risk(patients(given, [{**r, WITHHELD: gone} for r in rows])) for gone in ("", "CT", "clinical")
    }
    assert all(np.isfinite(risk).all() for risk in found.values())
    assert not np.allclose(found[""], found["CT"]) and not np.allclose(found[""], found["clinical"])
    nothing = patients(given, [{**r, WITHHELD: "CT clinical"} for r in rows])
    assert np.isnan(model.risk(nothing)).all() and np.isnan(model.survival(nothing, GRID)).all()
    whole = model.risk(patients(given, rows))
    alone = [model.risk(patients(given, [row]))[0] for row in rows]
    np.testing.assert_allclose(whole, alone, atol=1e-5)  # nobody's risk depends on who else is there


def test_trap_a_withheld_or_missing_cell_is_never_looked_at(cohort, fitted) -> None:
    """Reference A.d, trap 3: bit-equal risks, and nothing of it in what is fitted."""
    given, model = fitted
    row = rows_of(cohort, cohort.patient_ids)[25]
    missing = [model.risk(patients(given, [{**row, "pdl1_percent": cell}])) for cell in (None, float("nan"))]
    spoilt = [{**row, WITHHELD: "clinical", "pdl1_percent": cell, "nlr": cell} for cell in (0.0, 1e9, -5.0)]
    held = [model.risk(patients(given, [one])) for one in spoilt]
    assert missing[0] == missing[1] and held[0] == held[1] == held[2]


def test_trap_missing_cells_do_not_enter_means(cohort) -> None:
    variables = [Variable("a", Kind.NUMERIC, baseline=True), Variable("h", Kind.CATEGORICAL, baseline=True)]
    rows = [{"a": a, "h": h} for a, h in ((1.0, "x"), (3.0, "y"), (None, None), (float("nan"), "x"))]
    cells = Cells.fit(rows, variables, rare_below=1)
    assert cells.cells[0].mean == 2.0 and cells.cells[0].scale == 1.0
    values, states = cells.read([*rows, {"a": 1e9, "h": "never seen"}])
    assert states.tolist() == [[0, 0], [0, 0], [1, 1], [1, 0], [0, 1]]
    assert values[4, 0] == 4.0 and (values[states == 1] == 0).all()
    again = Cells.from_json(cells.to_json())
    assert again == cells


def test_trap_poisoned_test_patients_change_nothing_that_is_fitted(cohort, fitted) -> None:
    """Reference A.d, trap 10: pretraining and scaling are functions of the training fold."""
    _, model = fitted
    rows = rows_of(cohort, cohort.patient_ids)
    for row in rows[24:]:
        row |= {"pdl1_percent": 1e6, "nlr": -1e6, "histology": "other"}
    again = fit_masked(training(cohort, rows=rows), TINY)
    assert again.scaling == model.scaling and again.cells == model.cells
    for name, value in model.weights.items():
        np.testing.assert_array_equal(value, again.weights[name])


def test_transductive_learning_sees_the_tested_and_says_so(cohort, fitted) -> None:
    given, model = fitted
    also = rows_of(cohort, cohort.patient_ids)
    seen = fit_masked(given, TINY, also=also)
    assert seen.scaling != model.scaling
    from tumorboard.tasks.prognosis.models.registry import summaries

    assert "TRANSDUCTIVE" in summaries()["masked-crossmodal-transductive"]
    assert not lacks("masked-crossmodal-transductive", given)


def test_image_alone_table_alone_and_cox(cohort, fitted) -> None:
    given, _ = fitted
    rows = rows_of(cohort, cohort.patient_ids)[24:]
    quick = replace(TINY, pretraining_steps=2, steps=3)
    image = fit_masked(given, replace(quick, table=False))
    assert image.cells.names == () and image.network().network.pair.table is None
    table = fit_masked(given, replace(quick, image=False, pairing="none"))
    assert table.scaling is None and np.isfinite(table.risk(patients(given, rows))).all()
    cox = fit_masked(given, replace(quick, likelihood="cox", pairing="shuffled"))
    curves = cox.curves(patients(given, rows), GRID)
    assert (curves["PFS"] <= curves["OS"]).all() and (np.diff(curves["OS"], axis=1) <= 0).all()
    np.testing.assert_array_equal(np.isfinite(cox.risk(patients(given, rows))), True)


def test_what_a_prediction_rests_on(cohort, fitted) -> None:
    given, model = fitted
    rows = rows_of(cohort, cohort.patient_ids)[24:27]
    rows[1] = {**rows[1], WITHHELD: "CT"}
    told = model.explain(patients(given, rows))
    assert told.looks.shape == (3, 3, 2, 2) and told.edges.shape[1] == len(told.names) + 1
    np.testing.assert_allclose(told.looks.sum(axis=(1, 2, 3)), [1, 0, 1], atol=1e-5)
    np.testing.assert_allclose(
        told.risks[:, 0], np.where([1, 0, 1], model.risk(patients(given, rows)), np.nan), atol=1e-6
    )
    assert np.isfinite(told.risks[:, 2]).all() and np.isnan(told.risks[1, 1])


def petct(folder: Path) -> Cohort:
    """Twelve patients with a small CT; all but two with a PET on another grid, in SUV."""
    random, images = np.random.default_rng(4), []
    for i in range(12):
        for kind, modality, unit, n in (("CT", Modality.CT, Unit.HU, 12), ("PT", Modality.PT, Unit.SUVBW, 8)):
            if kind == "PT" and i < 2:
                continue
            path = folder / f"{i}.{kind}.nii.gz"
            array = random.gamma(2.0, 1.0 if kind == "PT" else 100.0, (n, n, n)).astype(np.float32)
            write_nifti(Volume(array, np.diag([48 / n, 48 / n, 48 / n, 1.0]), unit), path)
            more = {"modality": modality, "role": Role.IMAGE, "unit": unit}
            images.append(describe_image(path, image_id=f"{i}.0.{kind}", exam_id=f"{i}.0", **more))
    patients = [{"patient_id": str(i), "age_years": 50.0 + i} for i in range(12)]
    exams = [{"exam_id": f"{i}.0", "patient_id": str(i), "order": 0} for i in range(12)]
    return Cohort.build("petct", loader=load_image, patients=patients, exams=exams, images=images)


def test_pet_and_ct_and_a_table(tmp_path) -> None:
    cohort = petct(tmp_path)
    rows, time = rows_of(cohort, cohort.patient_ids), np.random.default_rng(0).exponential(300, 12) + 1
    variables = [Variable("age_years", Kind.NUMERIC, baseline=True)]
    given = Training.of(rows, np.ones(12, bool), time, variables=variables, config=CONFIG, cohort=cohort)
    model = fit_masked(given, replace(TINY, slab=replace(SLAB, rule="whole")))
    assert model.scaling is not None and model.scaling.channels == (0, 1)
    found = {}
    for gone in ("", "PET", "CT", "CT PET"):
        mine = patients(given, [{**row, WITHHELD: gone} for row in rows])
        found[gone] = model.risk(mine)
        assert model.inputs(mine).channels[5].tolist() == [float("CT" not in gone), float("PET" not in gone)]
        assert np.isfinite(found[gone]).all()
    assert (found[""][:2] == found["PET"][:2]).all()  # they have none
    assert (found[""][2:] != found["PET"][2:]).any() and (found["CT"] != found["CT PET"])[2:].any()


def test_a_kept_model_predicts_the_same_and_abstains_by_code(cohort, tmp_path) -> None:
    for likelihood in ("hazard", "cox"):
        config = PrognosisConfig(
            models=("masked-crossmodal",), masked_pretraining=2, masked_steps=2, masked_likelihood=likelihood
        )
        folder = tmp_path / likelihood
        model = train(cohort, folder, config=config)
        assert isinstance(model, MaskedModel) and model.endpoints.names == ("PFS", "OS")
        assert model.facts["steps"] == 2 + 8 + 2 and len(model.facts["patients"]) == 30
        nobody = {"patient_id": "nobody"}
        new = cohort.subset(cohort.patient_ids[:2]).with_rows(patients=[nobody])
        found = predict(folder, new, run_id="m")
        new.with_rows(**found.rows)  # the rows fit the tables
        rows = [r for r in found.rows["outcomes"] if r["endpoint"] == "OS"]
        assert [r.get("problem") for r in rows] == [None, None, "FEA103"] and "score" not in rows[2]
        mine = Patients(np.zeros((2, 0)), tuple(rows_of(cohort, cohort.patient_ids[:2])), (), (), cohort)
        np.testing.assert_allclose([r["score"] for r in rows[:2]], model.of("OS").risk(mine), atol=1e-5)
    with pytest.raises(TumorboardError, match="PRG151"):
        PrognosisModel.load(folder)


def test_the_graph_and_the_looks_can_be_drawn(cohort, fitted) -> None:
    given, model = fitted
    rows = rows_of(cohort, cohort.patient_ids)[24:26]
    told = model.explain(patients(given, rows))
    figure = draw_graph(told)
    words = {text.get_text() for text in figure.axes[0].texts}
    assert {*told.names, "prediction"} <= words
    arrows = [text for text in figure.axes[0].texts if not text.get_text()]
    assert len(arrows) == min(60, int((told.readings.mean(axis=0) > 0.02).sum()))
    slab = slabs_of(cohort, [row["patient_id"] for row in rows], SLAB).values[1, 0]
    shown = draw_looks(told, slab, patient=1)
    assert sum(bool(axes.images) for axes in shown.axes) >= 3


def test_a_table_learns_what_a_table_can_teach() -> None:
    random = np.random.default_rng(0)
    z = random.standard_normal((160, 3))
    time = random.exponential(300 * np.exp(-1.2 * z[:, 0] + 0.8 * z[:, 1])) + 1
    rows = [{"patient_id": str(i), "a": a, "b": b, "c": c} for i, (a, b, c) in enumerate(z)]
    variables = [Variable(name, Kind.NUMERIC, baseline=True) for name in "abc"]
    given = Training.of(rows[:120], np.ones(120, bool), time[:120], variables=variables, config=PrognosisConfig())
    settings = MaskedSettings(width=16, depth=1, heads=2, pretraining_steps=30, steps=80, learning_rate=3e-3)
    model = fit_masked(given, settings)
    risk = model.risk(Patients.encoded(rows[120:], given.encoder))
    assert concordance(np.ones(40, bool), time[120:], risk).value > 0.7


def test_other_tables_with_other_columns_may_be_completed_too() -> None:
    random = np.random.default_rng(1)
    rows = [{"patient_id": f"a{i}", "a": random.normal(), "b": random.normal()} for i in range(40)]
    foreign = [{"patient_id": f"b{i}", "a": random.normal(), "c": random.normal()} for i in range(30)]
    variables = [Variable(name, Kind.NUMERIC, baseline=True) for name in "abc"]
    given = Training.of(rows, np.ones(40, bool), random.exponential(100, 40), variables=variables, config=CONFIG)
    model = fit_masked(given, TINY, also=foreign)
    assert model.cells.names == ("a", "b", "c")  # c is known of the other cohort alone
    assert fit_masked(given, TINY).cells.names == ("a", "b")


def test_the_registered_model_takes_the_task_s_settings(cohort) -> None:
    given = training(cohort)
    told = settings_of(given)
    assert (told.pretraining_steps, told.steps, told.slab.rule) == (3, 4, "lesion")
    no_images = replace(given, patients=replace(given.patients, cohort=None))
    model = fit_model("masked-crossmodal", no_images)
    assert isinstance(model, MaskedModel) and model.scaling is None


@pytest.mark.parametrize("fate", ["nobody", "one", "everybody"])
@pytest.mark.parametrize("likelihood", ["hazard", "cox"])
def test_trap_9_training_patients_of_one_fate_give_values_or_a_named_refusal(fate: str, likelihood: Any) -> None:
    """Reference A.d, trap 9: events in nobody, in one, in everybody."""
    random = np.random.default_rng(2)
    rows = [{"patient_id": str(i), "a": random.normal()} for i in range(20)]
    event = {"nobody": np.zeros(20, bool), "one": np.arange(20) == 3, "everybody": np.ones(20, bool)}[fate]
    variables = [Variable("a", Kind.NUMERIC, baseline=True)]
    given = Training.of(rows, event, random.exponential(300, 20) + 1, variables=variables, config=CONFIG)
    settings = replace(TINY, likelihood=likelihood)
    if fate == "nobody":
        with pytest.raises(TumorboardError, match="PRG103"):
            fit_masked(given, settings)
        return
    tested = Patients.encoded(rows, given.encoder)
    model = fit_masked(given, settings)
    curves = model.survival(tested, GRID)
    assert np.isfinite(model.risk(tested)).all() and np.isfinite(curves).all()
    assert ((curves >= 0) & (curves <= 1)).all() and (np.diff(curves, axis=1) <= 1e-12).all()


def test_lattices_and_what_they_hide() -> None:
    random = np.random.default_rng(0)
    lattice = random_lattice(random, 5, grid=(6, 8), shares=(0.5, 0.25))
    assert lattice.slices.shape == (5, 3) and lattice.places.shape == (5, 2)
    slices, places = hidden_tokens(random, lattice, grid=(6, 8), count=100)
    assert slices.shape == (5, 48 - 6)
    for n in range(5):
        shown = {(int(s), int(p)) for s in lattice.slices[n] for p in lattice.places[n]}
        hidden = {(int(s), int(p)) for s, p in zip(slices[n], places[n], strict=True)}
        assert not shown & hidden and len(shown | hidden) == 48


def test_a_withheld_channel_is_not_the_image() -> None:
    rows = [{"patient_id": "a", "x": 1.0}]
    cells = Cells.fit([{"x": 1.0}, {"x": 2.0}], [Variable("x", Kind.NUMERIC)], rare_below=1)
    inputs, scaling = inputs_of(rows, None, cells=cells, slab=None)
    assert inputs.has.tolist() == [[0.0, 1.0]] and scaling is None


def test_mirrored_images_are_the_same_voxels_the_other_way_round() -> None:
    random, grid, patch = np.random.default_rng(0), (3, 2, 2), (2, 4, 4)
    volumes = random.normal(size=(40, 1, 6, 8, 8)).astype(np.float16)
    inside = np.tile([False, True, True], (40, 1))
    blank = np.zeros((40, 1), np.float32)
    given = Inputs(
        _patches(volumes, patch), inside, blank, blank, blank.astype(np.int64), np.zeros((40, 2), np.float32)
    )
    turned = given.mirrored(np.random.default_rng(5), grid, patch)
    again = given.mirrored(np.random.default_rng(5), grid, patch)
    assert turned.patches is not None and np.array_equal(turned.patches, again.patches)
    seen = set()
    for i in range(40):
        ways = {(a, b, c): volumes[i : i + 1, :, ::a, ::b, ::c] for a in (1, -1) for b in (1, -1) for c in (1, -1)}
        mine = [way for way, volume in ways.items() if np.array_equal(_patches(volume, patch)[0], turned.patches[i])]
        assert len(mine) == 1
        assert turned.inside[i].tolist() == inside[i, :: mine[0][0]].tolist()
        seen.add(mine[0])
    assert len(seen) == 8 and given.inside.tolist() == inside.tolist()
