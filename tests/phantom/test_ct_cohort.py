"""Virtual patients followed by CT: images, marks and relations agree with each other and with the plan."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from tumorboard.checks.run import run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES, RECIST_PAIR, SAME_LESION
from tumorboard.io.files import sha256_of
from tumorboard.io.store import open_cohort
from tumorboard.phantom import make_cohort
from tumorboard.phantom.ct_cohort import _same_lesions
from tumorboard.phantom.ct_faults import CT_FAULTS, plant_in_ct
from tumorboard.phantom.ct_lesions import KINDS
from tumorboard.phantom.ct_plan import CtPatient, draw_ct_patient, joined_at

FAULTS = tuple(CT_FAULTS)
PAIRS = (9, 28)
"""Patients of seed 7 whose two lesions merge, and split."""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("body-ct") / "cohort"
    return make_cohort(folder, region="body-ct", patients=2, exams=2, seed=7, spacing_mm=3.0, organs=True)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("body-ct-tables") / "cohort"
    return make_cohort(folder, region="body-ct", patients=3, exams=3, seed=7, tables_only=True)


@pytest.fixture(scope="module")
def plans() -> list[CtPatient]:
    return [draw_ct_patient(7, index, exams=3) for index in range(4)]


def marks(cohort: Cohort) -> list[tuple[dict, dict, dict]]:
    """Finding, its attributes, its measurements."""
    rows = cohort.rows("findings", kind=RECIST_PAIR)
    return [(row, json.loads(row["attributes"]), dict(row["measurements"])) for row in rows]


def test_every_mark_has_its_voxels(scans: Cohort) -> None:
    labels = {row["image_id"]: dict(row["labels"]) for row in scans.rows("images", role="mask", run_id="expert")}
    stated: dict[str, set[int]] = {image: set() for image in labels}
    for row, facts, sizes in marks(scans):
        mask = scans.image(facts["mask_image_id"])
        mask.require_same_grid(scans.image(row["image_id"]))
        inside = mask.array == facts["value"]
        stated[facts["mask_image_id"]].add(facts["value"])
        volume = inside.sum() * mask.voxel_volume_ml
        edge = 3 * (volume / 4.19) ** (2 / 3) * mask.voxel_volume_ml ** (1 / 3)  # half a voxel over the surface
        assert facts["cut"] or volume == pytest.approx(sizes["volume_ml"], abs=0.5 * edge + mask.voxel_volume_ml)
        assert row["label"] in LESION_TYPES
    for image, values in stated.items():
        present = set(np.unique(scans.image(image).array).tolist()) - {0}
        assert present == values == set(labels[image])


def test_axes_agree_with_the_mask_in_the_key_slice(scans: Cohort) -> None:
    checked = 0
    for row, facts, sizes in marks(scans):
        mask = scans.image(facts["mask_image_id"])
        points = np.array(row["points_mm"]).reshape(4, 3)
        index = mask.geometry.to_index(points)
        assert np.allclose(index[:, 2], facts["key_slice"], atol=1e-2)
        assert np.linalg.norm(points[0] - points[1]) == pytest.approx(sizes["long_axis_mm"], abs=0.01)
        assert np.linalg.norm(points[2] - points[3]) == pytest.approx(sizes["short_axis_mm"], abs=0.01)
        at = np.argwhere(mask.array[:, :, facts["key_slice"]] == facts["value"])
        if len(at) < 12:
            continue
        pixel = mask.spacing_mm[0]
        assert abs(pdist(at).max() * pixel - (sizes["long_axis_mm"] - 0.7 * pixel)) < 1.2 * pixel
        assert np.all(row["box"][:3] <= points.min(axis=0) + 0.6) and np.all(row["box"][3:] >= points.max(axis=0) - 0.6)
        checked += 1
    assert checked >= 5


def test_lesions_differ_from_what_is_round_them(scans: Cohort) -> None:
    """Nodules are denser than lung (ground glass by less): marks lie where the image shows something."""
    seen = 0
    for row, facts, sizes in marks(scans):
        if row["label"] != "lung" or facts["look"] == "cavity" or sizes["volume_ml"] < 0.2:
            continue
        ct, mask = scans.image(row["image_id"]), scans.image(facts["mask_image_id"])
        inside = mask.array == facts["value"]
        shell = ndimage.binary_dilation(inside, iterations=3) & (mask.array == 0)
        assert np.median(ct.array[inside]) - np.median(ct.array[shell]) > 100
        seen += 1
    assert seen


def test_landmarks_stand_where_the_organs_begin(scans: Cohort) -> None:
    seen = Counter()
    for exam in scans.exams["exam_id"].to_pylist():
        organs = scans.image(f"{exam}.organs").reorient("LPS")
        names = dict(scans.row("images", image_id=f"{exam}.organs")["labels"])
        for landmark, label in (("upper liver edge", "liver"), ("iliac crest", "hip-bone"), ("top of lung", "lung-")):
            row = scans.row("findings", finding_id=f"{exam}.CT.{landmark}")
            if not json.loads(row["attributes"])["inside"]:
                continue
            numbers = [number for number, name in names.items() if name.startswith(label)]
            slices = np.flatnonzero(np.isin(organs.array, numbers).any(axis=(0, 1)))
            top = organs.geometry.to_world([[0, 0, slices.max()]])[0, 2]
            assert abs(top - row["points_mm"][2]) < organs.spacing_mm[2] + 6.0, (exam, landmark)
            seen[landmark] += 1
    assert seen["upper liver edge"] >= 2


def test_relations_join_one_physical_lesion(tables: Cohort) -> None:
    facts = {row["finding_id"]: attributes for row, attributes, _ in marks(tables)}
    days = {row["exam_id"]: row["order"] for row in tables.rows("exams")}
    related = set()
    for row in tables.rows("relations", predicate=SAME_LESION, run_id="expert"):
        first, second = row["subject"], row["object"]
        assert facts[first]["lesion"] == facts[second]["lesion"]
        assert first.split(".")[0] == second.split(".")[0]
        orders = [days[".".join(x.split(".")[:2])] for x in (first, second)]
        same_exam = bool(json.loads(row["attributes"] or "{}").get("same_exam"))
        assert orders[0] == orders[1] if same_exam else orders[0] < orders[1]
        related |= {first, second}
    tracks: dict[tuple[str, int], set[str]] = {}
    for finding, attributes in facts.items():
        tracks.setdefault((finding.split(".")[0], attributes["lesion"]), set()).add(finding)
    alone = {finding for group in tracks.values() if len(group) == 1 for finding in group}
    assert related == set(facts) - alone


def test_a_split_relates_to_both_parts_and_so_does_a_merge() -> None:
    def row(exam: int, value: int, series: str = "CT") -> dict:
        image = f"L-001.{exam}.{series}"
        facts = {"lesion": 1, "value": value}
        return {"finding_id": f"{image}.{value}", "image_id": image, "attributes": json.dumps(facts)}

    split = _same_lesions([row(0, 1), row(1, 1), row(1, 2), row(2, 1), row(2, 2)])
    pairs = {(r["subject"][6:], r["object"][6:]) for r in split}
    assert pairs == {("0.CT.1", "1.CT.1"), ("0.CT.1", "1.CT.2"), ("1.CT.1", "2.CT.1"), ("1.CT.2", "2.CT.2")}
    merged = _same_lesions([row(0, 1), row(0, 2), row(1, 1)])
    assert {(r["subject"][6:], r["object"][6:]) for r in merged} == {("0.CT.1", "1.CT.1"), ("0.CT.2", "1.CT.1")}
    twice = _same_lesions([row(0, 1), row(0, 1, "CT2"), row(1, 1)])
    assert {(r["subject"][6:], r["object"][6:]) for r in twice} == {("0.CT.1", "0.CT2.1"), ("0.CT.1", "1.CT.1")}


def test_courses_keep_their_margin(plans: list[CtPatient]) -> None:
    """What the response says is true of every lesion: RECIST 1.1 with room for measuring."""
    states = Counter()
    for patient in plans:
        for exam, state in enumerate(patient.responses, start=1):
            states[state] += 1
            old = [x for x in patient.lesions if x.factors[0] > 0]
            new = [x for x in patient.lesions if x.factors[exam] > 0 and not any(x.factors[:exam])]
            ratios = np.array([x.factors[exam] for x in old])
            nadirs = np.array([min(x.factors[:exam]) for x in old])
            if state == "CR":  # what is left would be under 3 mm
                assert all(x.long_axis_mm * r < 3 for x, r in zip(old, ratios, strict=True))
            elif state == "PR":
                assert np.all(ratios <= 0.62) and ratios.any()
            elif state == "SD":
                assert np.all(ratios > 0.8) and np.all(ratios <= 1.06 * nadirs + 1e-9)
            growth = sum(x.long_axis_mm * (r - n) for x, r, n in zip(old, ratios, nadirs, strict=True))
            assert bool(new) <= (state == "PD") and (state != "PD" or bool(new) or growth >= 12)
    assert len(states) >= 2


def test_places_are_in_their_organs(plans: list[CtPatient]) -> None:
    organs = {"liver": ("liver",), "lung": ("lung-",), "kidney": ("kidney-",)}
    for patient in plans:
        assert len(patient.lesions) >= 2
        for lesion in patient.lesions:
            assert lesion.organ.startswith(organs.get(lesion.kind, (lesion.organ,)))
            assert lesion.look in KINDS[lesion.kind].looks
            if lesion.kind == "mediastinum":
                assert -490 < lesion.centre[2] < -290
            if lesion.kind == "pelvis":
                assert lesion.centre[2] < -750


def test_partners_join_and_part() -> None:
    """The first patients of this seed with a pair; joined means nearer than the sum of the radii."""
    found = Counter()
    for index in PAIRS:
        patient = draw_ct_patient(7, index, exams=3)
        one, other = (lesion for lesion in patient.lesions if lesion.event)
        apart = np.linalg.norm(one.centre - other.centre) / patient.scale
        states = []
        for exam in range(3):
            radii = 0.5 * (one.long_axis_mm * one.factors[exam] + other.long_axis_mm * other.factors[exam])
            joined = joined_at(one, other, exam, scale=patient.scale)
            assert not joined or apart < radii
            states.append(joined)
        found[one.event] += states[0] == (one.event == "split") and states[-1] != states[0]
    assert found["split"] and found["merge"]


def test_same_seed_same_bytes_whoever_works_in_what_order(tmp_path: Path) -> None:
    def backwards(function, items):
        return reversed([function(item) for item in reversed(list(items))])

    wanted = {"region": "body-ct", "patients": 2, "exams": 1, "seed": 3, "spacing_mm": 9.0}
    make_cohort(tmp_path / "a", **wanted)
    make_cohort(tmp_path / "b", **wanted, map=backwards)
    sums = [
        {str(p.relative_to(tmp_path / x)): sha256_of(p) for p in (tmp_path / x).rglob("*") if p.is_file() and p.suffix}
        for x in ("a", "b")
    ]
    assert sums[0] == sums[1] and any("CT.nii" in name for name in sums[0])


def test_tables_need_no_pixels(tables: Cohort) -> None:
    assert all(path is None for path in tables.images["path"].to_pylist())
    assert tables.geometry("L-001.0.CT").shape == tuple(tables.row("images", image_id="L-001.0.mask")["shape"])
    assert len(tables.exams) == 9 and tables.provenance[0]["source"].startswith("SYNTHETIC")
    responses = {row["class_value"] for row in tables.rows("outcomes", run_id="truth")}
    assert responses <= {"CR", "PR", "SD", "PD"} and len(tables.rows("outcomes")) in (4, 6)


def test_a_sound_cohort_has_no_errors(scans: Cohort) -> None:
    assert not [finding for finding in run_checks(scans) if finding.severity == "error"]


def test_centres_of_other_regions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match=r"PHA101.*machines of their own"):
        make_cohort(tmp_path / "x", region="body-ct", centres=("VA",))


# ---- faults -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, Cohort]:
    folder = tmp_path_factory.mktemp("faulty")
    sound = make_cohort(folder / "sound", region="body-ct", patients=3, exams=1, seed=7, spacing_mm=8.0)
    shutil.copytree(folder / "sound", folder / "faulty")
    bad = open_cohort(folder / "faulty")
    for order, name in enumerate(FAULTS):
        bad = plant_in_ct(bad, name, seed=7, order=order)
    return sound, bad


def spoilt(cohort: Cohort, name: str) -> str:
    (entry,) = [entry for entry in cohort.provenance if entry.get("fault") == name]
    (image,) = entry["images"]
    assert image.split(".")[0] in entry["patients"]
    return image


def test_reversed_slices_are_upside_down_under_the_same_header(faulty: tuple[Cohort, Cohort]) -> None:
    sound, bad = faulty
    image = spoilt(bad, "slices-reversed")
    before, after = sound.image(image), bad.image(image)
    assert np.array_equal(after.array, before.array[:, :, ::-1]) and np.allclose(after.affine, before.affine)
    mask = image.replace("CT", "mask")
    assert np.array_equal(bad.image(mask).array, sound.image(mask).array[:, :, ::-1])


def test_a_wrong_interval_is_in_the_header_alone(faulty: tuple[Cohort, Cohort]) -> None:
    sound, bad = faulty
    image = spoilt(bad, "slice-interval")
    before, after = sound.image(image), bad.image(image)
    ratio = after.spacing_mm[2] / before.spacing_mm[2]
    assert np.array_equal(before.array, after.array) and not 0.65 < ratio < 1.5
    assert bad.image(image.replace("CT", "mask")).same_grid(after)


def test_a_series_stands_there_twice(faulty: tuple[Cohort, Cohort]) -> None:
    _, bad = faulty
    image = spoilt(bad, "series-twice")
    one, two = (bad.row("images", image_id=name) for name in (image, f"{image}.copy"))
    assert one["options"] == two["options"] and one["sha256"] == two["sha256"] and one["path"] != two["path"]


def test_each_fault_takes_another_image(faulty: tuple[Cohort, Cohort]) -> None:
    assert len({spoilt(faulty[1], name) for name in FAULTS}) == len(FAULTS)


def test_unknown_fault_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="PHA101"):
        make_cohort(tmp_path / "x", region="body-ct", patients=1, exams=1, tables_only=True, faults=("slices",))


def test_fault_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="PHA102"):
        make_cohort(tmp_path / "x", region="body-ct", patients=1, exams=1, tables_only=True, faults=FAULTS[:1])
