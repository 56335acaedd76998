"""Runs and folders scored against a cohort: figures by hand, and every way in which masks may not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.metrics.lesions import LesionRules
from tumorboard.metrics.official import load_rules
from tumorboard.tasks.segmentation.evaluate import CaseOptions, evaluate

LABELS = {1: "GTVp", 2: "GTVn"}
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
SHAPE = (30, 12, 10)


def bars(gtvp: tuple[int, int] | None = None, *gtvn: tuple[int, int], dtype: type = np.uint8) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype)
    if gtvp:
        mask[gtvp[0] : gtvp[1], 2:4, 2:4] = 1
    for start, stop in gtvn:
        mask[start:stop, 7:9, 6:8] = 2
    return mask


TRUTH = {
    "MDA-001": bars((0, 10), (0, 10), (15, 25)),
    "MDA-002": bars((5, 15)),
    "CHUM-001": bars(None, (5, 15)),
}
GUESS = {
    "MDA-001": bars((0, 10), (0, 10)),  # GTVp 1; one of two nodes missed
    "MDA-002": bars((10, 20)),  # GTVp 0.5
    "CHUM-001": bars(None, (5, 15)),  # GTVn 1
}
DICE_GTVP = {"MDA-001": 1.0, "MDA-002": 0.5, "CHUM-001": None}
DICE_GTVN = {"MDA-001": 2 / 3, "MDA-002": None, "CHUM-001": 1.0}


def mask_row(folder: Path, patient: str, array: np.ndarray, *, run: str, affine=AFFINE, labels=LABELS) -> dict:
    path = folder / run / f"{patient}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(Volume(array, affine, Unit.LABEL), path)
    same = np.array_equal(affine, AFFINE) and array.shape == SHAPE
    return describe_image(
        path,
        image_id=f"{patient}.0.mask" + ("" if run == "expert" else f".{run}"),
        exam_id=f"{patient}.0",
        modality=Modality.SEG,
        role=Role.MASK,
        unit=Unit.LABEL,
        run_id=run,
        reference_image_id=f"{patient}.0.CT" if same else None,
        labels=labels,
    )


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Three patients with CT (one file for all), expert masks and the masks of run `unet`."""
    images = []
    ct = tmp_path / "ct.nii.gz"
    write_nifti(Volume(np.zeros(SHAPE, np.int16), AFFINE, Unit.HU), ct)
    for patient in TRUTH:
        options = {"image_id": f"{patient}.0.CT", "exam_id": f"{patient}.0"}
        images.append(describe_image(ct, modality=Modality.CT, role=Role.IMAGE, unit=Unit.HU, **options))
        images.append(mask_row(tmp_path, patient, TRUTH[patient], run="expert"))
        images.append(mask_row(tmp_path, patient, GUESS[patient], run="unet"))
    return Cohort.build(
        "test",
        patients=[{"patient_id": patient} for patient in TRUTH],
        exams=[{"exam_id": f"{patient}.0", "patient_id": patient, "order": 0} for patient in TRUTH],
        images=images,
        runs=[{"run_id": "unet", "task": "segmentation", "kind": "model"}],
        root=tmp_path,
        loader=load_image,
    )


def with_prediction(cohort: Cohort, patient: str, row: dict | None) -> Cohort:
    images = [r for r in cohort.rows("images") if r["image_id"] != f"{patient}.0.mask.unet"]
    return cohort.replace_tables(images=images + ([row] if row else []))


def figures(found) -> dict[tuple[str, str], dict]:
    return {(row["metric"], row["label"]): row for row in found.scores}


def test_a_run_by_hand(cohort: Cohort) -> None:
    found = evaluate(cohort, "unet")
    score = figures(found)
    assert score["dice", "GTVp"]["value"] == pytest.approx(0.75)
    assert score["dice", "GTVn"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert (score["dice", "GTVp"]["n"], score["dice", "GTVn"]["n"]) == (2, 2)
    assert score["aggregated_dice", "GTVp"]["value"] == pytest.approx(2 * 15 / 40)
    assert score["aggregated_dice", "GTVn"]["value"] == pytest.approx(2 * 20 / 50)
    assert score["aggregated_lesion_f1", "GTVn"]["value"] == pytest.approx(4 / 5)
    assert score["lesion_f1", "GTVn"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert score["fnv_ml", "GTVn"]["value"] == pytest.approx(40 * 0.012 / 3)  # one missed node among 3 patients
    # a bar moved by 5 voxels of 2 mm, and one not moved
    assert score["hd100_mm (voxel borders)", "GTVp"]["value"] == pytest.approx((0 + 10) / 2)
    for row in found.scores:
        assert {"run", "task", "metric", "label", "subset", "value", "low", "high", "n"} == set(row)
        assert (row["run"], row["task"]) == ("unet", "segmentation")
        assert row["subset"] == "all" or row["metric"] == "lesion_recall"
    cases = {(c["patient_id"], c["label"]): c["value"] for c in found.cases if c["metric"] == "dice"}
    assert cases == pytest.approx(
        {(p, "GTVp"): v for p, v in DICE_GTVP.items()} | {(p, "GTVn"): v for p, v in DICE_GTVN.items()}
    )
    assert (found.missing, found.unused, found.rows) == ((), (), {})
    assert json.loads(json.dumps(found.rules, allow_nan=False))["lesions"]["connectivity"] == 26


def test_experts_against_themselves_are_perfect(cohort: Cohort) -> None:
    score = figures(evaluate(cohort, "expert"))
    for metric in ("dice", "nsd_2mm (voxel borders)", "lesion_f1", "aggregated_dice"):
        assert score[metric, "GTVn"]["value"] == 1.0
    assert score["hd95_mm (voxel borders)", "GTVn"]["value"] == 0.0


def test_runs_can_be_exchanged(cohort: Cohort) -> None:
    forward, back = figures(evaluate(cohort, "unet")), figures(evaluate(cohort, "expert", reference="unet"))
    assert back["dice", "GTVn"]["value"] == forward["dice", "GTVn"]["value"]
    assert back["fpv_ml", "GTVn"]["value"] == forward["fnv_ml", "GTVn"]["value"]


def test_work_items_can_travel_to_other_processes(cohort: Cohort) -> None:
    import pickle

    def travelling(function, items):
        return (pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(item))) for item in items)

    done = []
    found = evaluate(cohort, "unet", map=travelling, progress=lambda n, total: done.append((n, total)))
    assert found.scores == evaluate(cohort, "unet").scores
    assert done == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_in_a_pool_of_processes(cohort: Cohort) -> None:
    from tumorboard.engine.executors import executor

    with executor(2) as pool:
        assert evaluate(cohort, "unet", map=pool.map).scores == evaluate(cohort, "unet").scores


def test_options_reach_the_figures(cohort: Cohort) -> None:
    options = CaseOptions(definition="surface elements", tolerance_mm=1.0, lesions=LesionRules(iou=0.9))
    score = figures(evaluate(cohort, "unet", options=options))
    assert ("nsd_1mm (surface elements)", "GTVp") in score
    assert score["lesion_f1", "GTVp"]["value"] == pytest.approx((1 + 0) / 2)


@pytest.mark.parametrize(("policy", "dice"), [("empty", (1 + 0) / 2), ("skip", 1.0)])
def test_a_missing_prediction_is_scored_as_empty_or_said_to_be_skipped(
    cohort: Cohort, policy: str, dice: float
) -> None:
    without = with_prediction(cohort, "MDA-002", None)
    found = evaluate(without, "unet", options=CaseOptions(missing=policy))
    assert found.missing == ("MDA-002.0",)
    assert figures(found)["dice", "GTVp"]["value"] == pytest.approx(dice)
    states = {c["state"] for c in found.cases if c["exam_id"] == "MDA-002.0"}
    assert states == ({"prediction missing"} if policy == "empty" else set())


@pytest.mark.parametrize("wrong", [{"missing": "drop"}, {"definition": "mesh"}])
def test_unknown_options_are_refused(wrong: dict) -> None:
    with pytest.raises(TumorboardError) as error:
        CaseOptions(**wrong)
    assert error.value.code.id == "MET107"


def test_a_missing_prediction_may_be_refused(cohort: Cohort) -> None:
    with pytest.raises(TumorboardError) as error:
        evaluate(with_prediction(cohort, "MDA-002", None), "unet", options=CaseOptions(missing="refuse"))
    assert error.value.code.id == "MET103"


def test_another_grid_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    shifted = AFFINE.copy()
    shifted[0, 3] = 2.0
    row = mask_row(tmp_path, "MDA-002", GUESS["MDA-002"], run="unet", affine=shifted)
    with pytest.raises(TumorboardError) as error:
        evaluate(with_prediction(cohort, "MDA-002", row), "unet")
    assert error.value.code.id == "GEO102"
    assert "MDA-002.0" in error.value.where


def test_stray_values_are_refused_with_their_number(cohort: Cohort, tmp_path: Path) -> None:
    stray = GUESS["MDA-002"].copy()
    stray[0, 0, :3] = 255
    row = mask_row(tmp_path, "MDA-002", stray, run="unet")
    with pytest.raises(TumorboardError) as error:
        evaluate(with_prediction(cohort, "MDA-002", row), "unet")
    assert error.value.code.id == "MET101"
    assert "value 255 (3 stray voxels)" in str(error.value)


def test_structures_are_compared_by_name_not_by_value(cohort: Cohort, tmp_path: Path) -> None:
    expected = evaluate(cohort, "unet").scores
    swapped = np.array([0, 7, 3], np.uint8)[GUESS["MDA-001"]]
    row = mask_row(tmp_path, "MDA-001", swapped, run="unet", labels={7: "GTVp", 3: "GTVn"})
    assert evaluate(with_prediction(cohort, "MDA-001", row), "unet").scores == expected
    named = mask_row(tmp_path, "MDA-001", GUESS["MDA-001"], run="unet", labels={1: "tumour", 2: "GTVn"})
    with pytest.raises(TumorboardError) as error:
        evaluate(with_prediction(cohort, "MDA-001", named), "unet")
    assert error.value.code.id == "MET110"


def test_the_evaluation_cut_is_applied(cohort: Cohort) -> None:
    images = cohort.rows("images")
    for row in images:
        if row["image_id"] == "MDA-002.0.CT":  # cut the first 10 slices: truth (10, 15), guess (10, 20)
            row["options"] = json.dumps({"evaluation_cut": [[10, 0], [0, 0], [0, 0]]})
    found = evaluate(cohort.replace_tables(images=images), "unet")
    assert found.rules["cut_exams"] == 1
    assert figures(found)["dice", "GTVp"]["value"] == pytest.approx((1 + 2 * 5 / 15) / 2)


# ---- folders ------------------------------------------------------------------------------------------------
def write_folder(folder: Path, names: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in names.items():
        write_nifti(Volume(array, AFFINE, Unit.LABEL), folder / name)
    return folder


def test_a_folder_named_by_patient_exam_or_image(cohort: Cohort, tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    (folder / "sub").mkdir(parents=True)
    names = {
        "MDA_001.nii.gz": GUESS["MDA-001"],
        "MDA-002.0.nii": GUESS["MDA-002"],
        "sub/CHUM-001.0.CT.nii.gz": GUESS["CHUM-001"],
        "MDA-999.nii.gz": GUESS["CHUM-001"],
    }
    write_folder(folder, names)
    (folder / "notes.txt").write_text("not an image")
    found = evaluate(cohort, folder)
    assert found.scores == [row | {"run": "submission"} for row in evaluate(cohort, "unet").scores]
    assert found.unused == ("MDA-999.nii.gz",)


def test_two_files_for_one_exam_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "two", {"MDA_001.nii.gz": GUESS["MDA-001"], "MDA-001.nii": GUESS["MDA-001"]})
    with pytest.raises(TumorboardError) as error:
        evaluate(cohort, folder)
    assert error.value.code.id == "MET108"


@pytest.mark.parametrize("which", ["empty", "nowhere"])
def test_nothing_to_score_is_an_error(cohort: Cohort, tmp_path: Path, which: str) -> None:
    write_folder(tmp_path / "empty", {"STRANGER-1.nii.gz": GUESS["MDA-001"]})
    with pytest.raises(TumorboardError) as error:
        evaluate(cohort, tmp_path / which)
    assert error.value.code.id == "MET109"


# ---- official rules -----------------------------------------------------------------------------------------
def test_hecktor_2025_by_hand(cohort: Cohort) -> None:
    found = evaluate(cohort, "unet", rules=load_rules("hecktor2025"))
    score = figures(found)
    assert score["dice", "GTVp"]["value"] == pytest.approx((1 + 0.5 + 1) / 3)  # CHUM-001 has none on either side
    assert score["aggregated_dice", "GTVn"]["value"] == pytest.approx(0.8)
    assert score["aggregated_lesion_f1", "GTVn"]["value"] == pytest.approx(0.8)
    assert found.rules["name"] == "hecktor2025"
    assert found.rules["both_empty"] == "one"
    assert {row["run"] for row in found.scores} == {"unet"}


def test_hecktor_2022_places_a_crop_on_the_grid_and_skips_the_missing(cohort: Cohort, tmp_path: Path) -> None:
    crop = Volume(GUESS["MDA-002"], AFFINE, Unit.LABEL).crop((8, 0, 0), (24, 12, 8))
    row = mask_row(tmp_path, "MDA-002", crop.array, run="unet", affine=crop.affine)
    cropped = with_prediction(cohort, "MDA-002", row)
    rules = load_rules("hecktor2022")
    assert evaluate(cropped, "unet", rules=rules).scores == evaluate(cohort, "unet", rules=rules).scores
    with pytest.raises(TumorboardError) as error:  # 2025 does not resample
        evaluate(cropped, "unet", rules=load_rules("hecktor2025"))
    assert error.value.code.id == "GEO102"
    skipped = evaluate(with_prediction(cohort, "MDA-002", None), "unet", rules=rules)
    assert figures(skipped)["aggregated_dice", "GTVp"]["value"] == 1.0
    assert skipped.missing == ("MDA-002.0",)


def test_autopet_takes_all_structures_as_lesions(cohort: Cohort) -> None:
    found = figures(evaluate(cohort, "unet", rules=load_rules("autopet")))
    assert found["fnv_ml", "lesion"]["value"] == pytest.approx(40 * 0.012 / 3)
    assert found["dice", "lesion"]["value"] == pytest.approx((160 / 200 + 0.5 + 1) / 3)


def test_rules_of_other_structures_are_refused(cohort: Cohort) -> None:
    images = cohort.rows("images")
    for row in images:
        if row["labels"]:
            row["labels"] = {1: "mass", 2: "oedema"}
    with pytest.raises(TumorboardError) as error:
        evaluate(cohort.replace_tables(images=images), "unet", rules=load_rules("hecktor2026"))
    assert error.value.code.id == "MET110"


# ---- real patients ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("inset_mm", "cut", "dice"),
    [(27.5, True, 0.54), pytest.param(50.0, False, 0.70, marks=pytest.mark.slow)],
)
def test_the_image_blind_ellipsoid_scores_what_the_data_sheet_says(
    real_data: Path, tmp_path: Path, inset_mm: float, cut: bool, dice: float
) -> None:
    """24 sarcoma patients: an ellipsoid inscribed in the field of view, which has seen no image (the figures are
    those of the data's README, computed by other people with other code)."""
    from tumorboard.datasets.pairs.reader import read

    cohort = read(real_data / "sts_petct", name="sts")
    images = cohort.rows("images")
    for row in images:
        if row["modality"] != "CT" or row["role"] != "image":
            continue
        if not cut:
            row["options"] = None
        ends = np.array(json.loads(row["options"] or "{}").get("evaluation_cut", [[0, 0]] * 3))
        grid = cohort.geometry(row["image_id"])
        low, high = ends[:, 0], np.array(grid.shape) - ends[:, 1]
        half = (high - low) / 2 - inset_mm / grid.spacing_mm
        places = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
        centre = (low + high - 1) / 2
        inside = sum(((x - c) / h) ** 2 for x, c, h in zip(places, centre, half, strict=True)) <= 1
        mask = Volume(inside.astype(np.uint8), grid.affine, Unit.LABEL)
        write_nifti(mask, tmp_path / f"{row['exam_id'].removesuffix('.0')}.nii.gz")
    found = evaluate(cohort.replace_tables(images=images), tmp_path)
    score = figures(found)["dice", "GTV"]
    assert score["n"] == 24
    assert found.rules["cut_exams"] == (24 if cut else 0)
    assert score["value"] == pytest.approx(dice, abs=0.005)
    assert score["low"] < score["value"] < score["high"]


def test_a_folder_of_nnunet_says_what_its_values_mean(cohort: Cohort, tmp_path: Path) -> None:
    """Values exchanged against the reference's, and said so in `dataset.json`: the same scores."""
    folder = tmp_path / "theirs"
    for row in cohort.rows("images", role="mask", run_id="expert"):
        mask = cohort.image(row["image_id"])
        exchanged = np.choose(mask.array.astype(np.intp), [0, 2, 1]).astype(np.uint8)
        write_nifti(mask.with_array(exchanged), folder / f"{row['exam_id']}.nii.gz")
    spec = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "GTVn": 1, "GTVp": 2}, "numTraining": 1}
    (folder / "dataset.json").write_text(json.dumps(spec))
    found = [row["value"] for row in evaluate(cohort, folder).cases if row["metric"] == "dice"]
    assert found and all(value in (None, 1.0) for value in found)


def test_lesions_found_by_size_and_dice_by_centre(cohort: Cohort) -> None:
    """Bars of 10 x 2 x 2 voxels of 12 mm3 are 0.48 ml. GTVp: 2 drawn, IoU 1 and 1/3; GTVn: 3 drawn, 2 found."""
    patients = [{**row, "centre": row["patient_id"][:4]} for row in cohort.rows("patients")]
    scores = evaluate(cohort.replace_tables(patients=patients), "unet").scores
    recall = {row["label"]: row for row in scores if row["metric"] == "lesion_recall"}
    assert {row["subset"] for row in recall.values()} == {"lesions under 1 ml"}
    assert (recall["GTVp"]["value"], recall["GTVp"]["n"]) == (1.0, 2)
    assert (recall["GTVn"]["value"], recall["GTVn"]["n"]) == (pytest.approx(2 / 3), 3)
    centres = [(row["label"], row["subset"], row["value"], row["n"]) for row in scores if "centre" in row["subset"]]
    assert centres == [("GTVp", "centre MDA-", 0.75, 2)]


def test_lesions_found_agree_with_the_counted_hits() -> None:
    from tumorboard.metrics.labelmaps import compare
    from tumorboard.metrics.lesions import find_lesions, found_lesions, match_lesions

    random = np.random.default_rng(3)
    for _ in range(20):
        truth, guess = (random.random((2, 14, 14, 14)) > 0.86).astype(np.uint8)
        lesions = find_lesions(compare(truth, guess, spacing_mm=(1, 1, 1), labels={1: "x"}), [1], connectivity=6)[1]
        for matching in ("greedy", "optimal", "merged"):
            for smallest in (1, 2):
                rules = LesionRules(connectivity=6, matching=matching, iou=0.1, minimum_voxels=smallest)
                found, counts = found_lesions(lesions, rules), match_lesions(lesions, rules)
                assert len(found) == len(lesions.reference_voxels)
                missed = int((~found[lesions.reference_voxels >= smallest]).sum())
                assert missed == counts.fn
