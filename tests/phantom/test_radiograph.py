"""Virtual X-rays: geometry, orientation, physics, and what disease does to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from tumorboard.core.chest import BOX_LOCATIONS, LOCATIONS
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.io.store import open_cohort
from tumorboard.phantom import make_cohort
from tumorboard.phantom.chest import ChestPatient, draw_chest_patient, take
from tumorboard.phantom.chest_plan import DEVICES, Sign
from tumorboard.phantom.radiograph_body import add_chords
from tumorboard.phantom.radiograph_faults import XRAY_FAULTS, turned
from tumorboard.phantom.radiograph_film import Film, develop
from tumorboard.phantom.radiograph_picture import Radiograph
from tumorboard.phantom.radiograph_view import View
from tumorboard.phantom.solids import ball, blob, tube

SIZE = 224
FAULTS = ("xray-turned", "xray-lateral", "xray-two-frontals", "xray-inverted")


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder: Path = tmp_path_factory.mktemp("clinic") / "cohort"
    return make_cohort(folder, region="chest-xray", patients=5, seed=4, size_px=160, faults=FAULTS)


def upright(signs: tuple[Sign, ...] = ()) -> ChestPatient:
    """One patient, standing, with these signs only."""
    patient = draw_chest_patient(7, 2, exams=1)
    return replace(patient, exams=(replace(patient.exams[0], projection="PA"),), signs=signs)


def shown(
    kind: str,
    side: str = "both",
    zone: str = "",
    *,
    grade: float = 2.0,
    size: float = 0.0,
    tip: str = "",
    pixels: int = SIZE,
) -> Radiograph:
    sign = Sign(f"{kind} 0", kind, side, zone, (grade,), (size,) if size else (), tip)
    return take(upright((sign,)), 0, size=pixels)


@pytest.fixture(scope="session")
def healthy() -> Radiograph:
    return take(upright(), 0, size=SIZE)


def inside(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    x1, y1, x2, y2 = (round(v) for v in box)
    return image[y1:y2, x1:x2].astype(float)


def width(box: tuple[float, float, float, float]) -> float:
    return box[2] - box[0]


def middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


# ---- projection -------------------------------------------------------------------------------------------------


def test_chords_through_ball_and_tube_are_their_closed_forms() -> None:
    far = View(focus_film_mm=1e7, film_gap_mm=0.0, field_mm=(100, 100), pixel_mm=0.5, centre_mm=(0, -400))
    film = np.zeros((200, 200))
    add_chords(film, blob(ball((0, 20, -400), 20)), far)
    assert film.max() == pytest.approx(40.0, rel=1e-3)
    assert film.sum() * 0.25 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)
    film[:] = 0
    add_chords(film, tube([(-200, 20, -400, 10), (200, 20, -400, 10)]), far)
    assert film[:, 100].max() == pytest.approx(20.0, rel=1e-2)
    assert film[:, 100].sum() * 0.5 == pytest.approx(np.pi * 10**2, rel=0.01)


def test_a_slanting_tube_is_crossed_on_a_longer_way() -> None:
    far = View(focus_film_mm=1e7, film_gap_mm=0.0, field_mm=(200, 200), pixel_mm=0.5, centre_mm=(0, -400))
    film = np.zeros((400, 400))
    add_chords(film, tube([(-40, -10, -400, 5), (40, 50, -400, 5)]), far)  # falls 60 mm along the ray over 80 mm
    assert film[:, 200].max() == pytest.approx(10 / 0.8, rel=0.02)


def test_magnification_is_that_of_a_cone_beam() -> None:
    near = View(projection="AP", focus_film_mm=1000.0, film_gap_mm=10.0, half_depth_mm=110.0)
    far = View(projection="PA", focus_film_mm=1800.0, film_gap_mm=10.0, half_depth_mm=110.0)
    heart_y = -20.0  # in front: close to the film in PA, far from it in AP
    assert near.magnification(heart_y) == pytest.approx(1000 / (1000 - 160))
    assert far.magnification(heart_y) == pytest.approx(1800 / (1800 - 80))
    for view in (near, far):
        at = view.project(np.array([[0.0, heart_y, -400.0], [50.0, heart_y, -400.0]]))
        assert (at[1, 0] - at[0, 0]) * view.pixel_mm / 50 == pytest.approx(view.magnification(heart_y), rel=1e-6)


def test_more_quanta_are_quieter() -> None:
    path = np.full((200, 200), 4.0, np.float32)
    path[:, :100] = 2.0
    plain = Film(scatter=0.0, quanta=1e9, boost=0.0, low=0, high=100, marker="")

    def spread(film: Film) -> float:
        grey = develop(path, film, np.random.default_rng(0), pixel_mm=1.0)
        return float(grey[90:110, 40:60].std())

    assert spread(replace(plain, quanta=2e3)) > 3 * spread(replace(plain, quanta=2e5))


def test_patients_right_is_on_the_left(films: list[Radiograph]) -> None:
    for film in films:
        right, left = film.lungs["right"], film.lungs["left"]
        assert np.argwhere(right)[:, 1].mean() < np.argwhere(left)[:, 1].mean()
        assert middle(film.boxes["right lung"])[0] < middle(film.boxes["left lung"])[0]
        if {"cardiac silhouette", "spine"} <= film.boxes.keys():
            heart, spine = film.boxes["cardiac silhouette"], middle(film.boxes["spine"])[0]
            assert heart[2] - spine > spine - heart[0], "the heart lies to the patient's left"
        assert middle(film.boxes["aortic arch"])[0] > middle(film.boxes["svc"])[0]


# ---- boxes ------------------------------------------------------------------------------------------------------


def test_nearly_all_boxes_are_there_and_on_the_film(films: list[Radiograph]) -> None:
    for film in films:
        rows, columns = film.image.shape
        assert set(film.boxes) <= set(BOX_LOCATIONS)
        assert len(set(LOCATIONS) - set(film.boxes)) <= 2, set(LOCATIONS) - set(film.boxes)
        for x1, y1, x2, y2 in film.boxes.values():
            assert 0 <= x1 < x2 <= columns
            assert 0 <= y1 < y2 <= rows
    assert sum(set(LOCATIONS) <= set(film.boxes) for film in films) >= 0.8 * len(films)


def test_boxes_hold_what_they_are_named_after(films: list[Radiograph]) -> None:
    for film in films:
        boxes = film.boxes
        for side in ("right", "left"):
            field, lung = np.argwhere(film.lungs[side]), boxes[f"{side} lung"]
            assert (field[:, ::-1].min(axis=0) == lung[:2]).all()
            assert (field[:, ::-1].max(axis=0) + 1 == lung[2:]).all()
            for zone in ("apical zone", "upper lung zone", "mid lung zone", "lower lung zone"):
                if f"{side} {zone}" in boxes:
                    part = boxes[f"{side} {zone}"]
                    assert part[0] >= lung[0] and part[1] >= lung[1] and part[2] <= lung[2] and part[3] <= lung[3]
            hilum = middle(boxes[f"{side} hilar structures"])
            assert boxes[f"{side} mid lung zone"][1] <= hilum[1] <= boxes[f"{side} mid lung zone"][3]
        assert boxes["mediastinum"][0] <= boxes["cardiac silhouette"][0]
        assert boxes["upper mediastinum"][3] <= boxes["cardiac silhouette"][3]
        carina = middle(boxes["carina"])
        assert abs(carina[0] - middle(boxes["trachea"])[0]) < 0.05 * film.image.shape[1]
        assert abs(carina[1] - boxes["trachea"][3]) < 13.0 / film.pixel_mm
        assert abs(width(boxes["carina"]) * film.pixel_mm - 24) < 8, "magnified"


def test_zones_stack_from_apex_to_base(films: list[Radiograph]) -> None:
    for film in films:
        for side in ("right", "left"):
            names = ("apical zone", "upper lung zone", "mid lung zone", "lower lung zone")
            stack = [film.boxes[f"{side} {name}"] for name in names if f"{side} {name}" in film.boxes]
            tops, bottoms = [box[1] for box in stack], [box[3] for box in stack]
            assert tops == sorted(tops)
            assert all(bottom <= top + 1 for bottom, top in zip(bottoms, tops[1:], strict=False))
            angle, lung = middle(film.boxes[f"{side} costophrenic angle"]), film.boxes[f"{side} lung"]
            assert angle[1] > lung[1] + 0.6 * (lung[3] - lung[1])
            outer = lung[0] if side == "right" else lung[2]
            assert abs(angle[0] - outer) < 0.35 * width(lung)


def test_the_left_hilum_is_higher_and_the_right_dome(films: list[Radiograph]) -> None:
    lifted = [film.boxes["right hilar structures"][1] - film.boxes["left hilar structures"][1] for film in films]
    assert np.median(lifted) >= -2
    domes = [film.boxes["left hemidiaphragm"][1] - film.boxes["right hemidiaphragm"][1] for film in films]
    assert np.median(domes) > 0


# ---- disease ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["right", "left"])
def test_an_effusion_whitens_the_angle_of_its_side(healthy: Radiograph, side: str) -> None:
    ill = shown("effusion", side)
    other = "left" if side == "right" else "right"
    gain = {s: inside(ill.image, healthy.boxes[f"{s} lower lung zone"]).mean()
            - inside(healthy.image, healthy.boxes[f"{s} lower lung zone"]).mean() for s in (side, other)}  # fmt: skip
    assert gain[side] > 25
    assert abs(gain[other]) < 12
    assert ill.boxes[f"{side} lung"] == healthy.boxes[f"{side} lung"], "fluid hides lung, it does not move it"


def test_grades_of_effusion_rise(healthy: Radiograph) -> None:
    box = healthy.boxes["right lung"]
    means = [inside(shown("effusion", "right", grade=g).image, box).mean() for g in (1.0, 2.0, 3.0)]
    assert inside(healthy.image, box).mean() < means[0] < means[1] < means[2]


def test_a_pneumothorax_darkens_the_apex(healthy: Radiograph) -> None:
    ill = shown("pneumothorax", "left", grade=2.0)
    box = healthy.boxes["left upper lung zone"]
    change = ndimage.gaussian_filter(ill.image.astype(float) - healthy.image, 1.0)
    assert inside(change, box).min() < -12, "free air"
    assert inside(change, healthy.boxes["left mid lung zone"]).max() > 3, "the lung within is denser"
    assert np.abs(inside(change, healthy.boxes["right lung"])).max() < 8


@pytest.mark.parametrize("zone", ["upper", "mid", "lower"])
def test_consolidation_is_in_its_zone(healthy: Radiograph, zone: str) -> None:
    ill = shown("consolidation", "right", zone, grade=3.0)
    change = ndimage.gaussian_filter(ill.image.astype(float) - healthy.image, 4)
    y, x = np.unravel_index(int(np.argmax(change)), change.shape)
    box = healthy.boxes[f"right {zone} lung zone"]
    slack = 0.15 * (healthy.boxes["right lung"][3] - healthy.boxes["right lung"][1])
    assert change.max() > 15
    assert box[0] - 3 <= x <= box[2] + 3
    assert box[1] - slack <= y <= box[3] + slack


def test_shapes_follow_disease(healthy: Radiograph) -> None:
    heart = width(healthy.boxes["cardiac silhouette"])
    assert width(shown("cardiomegaly", grade=2.0).boxes["cardiac silhouette"]) > 1.12 * heart
    raised = shown("elevated diaphragm", "left").boxes
    assert raised["left hemidiaphragm"][1] < healthy.boxes["left hemidiaphragm"][1] - 8
    assert raised["right hemidiaphragm"][1] == pytest.approx(healthy.boxes["right hemidiaphragm"][1], abs=2)
    lungs = healthy.boxes["right lung"]
    assert shown("hyperinflation", grade=2.0).boxes["right lung"][3] > lungs[3] + 3
    assert shown("low volumes", grade=2.0).boxes["right lung"][3] < lungs[3] - 5
    assert width(shown("tortuous aorta", grade=3.0).boxes["aortic arch"]) > width(healthy.boxes["aortic arch"])
    collapsed = shown("collapse", "left", "lower", grade=3.0).boxes
    assert middle(collapsed["carina"])[0] > middle(healthy.boxes["carina"])[0] + 3, "pulled to the collapsed side"


@pytest.mark.parametrize("kind", ["nodule", "mass", "calcified nodule"])
def test_nodules_show_where_and_as_large_as_planned(healthy: Radiograph, kind: str) -> None:
    size = {"nodule": 24.0, "mass": 50.0, "calcified nodule": 8.0}[kind]
    ill = shown(kind, "left", "mid", grade=1.0, size=size)
    change = ill.image.astype(float) - healthy.image
    smooth = ndimage.gaussian_filter(change, 1.0)
    y, x = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    x1, y1, x2, y2 = healthy.boxes["left mid lung zone"]
    slack = 0.2 * (y2 - y1) + size / healthy.pixel_mm / 2
    assert x1 - 2 <= x <= x2 + 2 and y1 - slack <= y <= y2 + slack
    seen = (smooth > 0.3 * smooth.max()).any(axis=0).sum() * healthy.pixel_mm
    assert 0.5 * size < seen < 1.9 * size + 6


@pytest.mark.parametrize(
    ("tip", "box"), [("svc", "svc"), ("right atrium", "right atrium"), ("cavoatrial junction",) * 2]
)
@pytest.mark.parametrize("kind", ["picc", "ij line", "chest port"])
def test_lines_end_where_the_report_says(healthy: Radiograph, kind: str, tip: str, box: str) -> None:
    ill = shown(kind, "right", grade=1.0, tip=tip)
    drawn = np.argwhere(ndimage.gaussian_filter(ill.image.astype(float) - healthy.image, 0.7) > 4)
    x1, y1, x2, y2 = healthy.boxes[box]
    near = drawn[(drawn[:, 1] > x1 - 3) & (drawn[:, 1] < x2 + 3)]
    near = near[near[:, 0] < healthy.boxes["right atrium"][3] + 3]
    assert y1 - 2 <= near[:, 0].max() <= y2 + 3


def test_what_has_no_test_of_its_own_leaves_a_trace() -> None:
    healthy = take(upright(), 0, size=128)
    others = ("linear atelectasis", "edema", "reticulation", "rib fracture", "aortic calcium")
    for kind in (*others, *(d for d in DEVICES if d not in ("picc", "ij line", "chest port"))):
        side = "right" if kind == "rib fracture" else "left" if kind in ("chest tube", "pacer") else "both"
        ill = shown(kind, side, "lower", grade=2.0, pixels=128)
        change = np.abs(ill.image.astype(float) - healthy.image)
        assert ndimage.gaussian_filter(change, 1.0).max() > 3, kind


# ---- files ------------------------------------------------------------------------------------------------------


def test_the_cohort_is_whole(clinic: Cohort) -> None:
    assert open_cohort(clinic.root).provenance[0]["source"].startswith("SYNTHETIC")
    frontal = clinic.rows("images", modality="DX")
    assert frontal
    for row in frontal:
        image = clinic.image(row["image_id"])
        assert image.unit == "grey8"
        boxes = clinic.rows("findings", image_id=row["image_id"])
        columns, rows, _ = image.shape
        for box in (b["box"] for b in boxes):
            assert 0 <= box[0] < box[2] <= columns and 0 <= box[1] < box[3] <= rows
    for row in clinic.rows("images", role="mask"):
        mask = clinic.image(row["image_id"])
        mask.require_same_grid(clinic.image(row["reference_image_id"]))
        assert set(np.unique(mask.array)) <= {0, 1, 2}


def test_faults_are_where_the_provenance_says(clinic: Cohort) -> None:
    planted = {entry["fault"]: entry["patients"][0] for entry in clinic.provenance if "fault" in entry}
    assert set(planted) == set(FAULTS)
    two = clinic.rows("images", exam_id=f"{planted['xray-two-frontals']}.0", modality="DX")
    assert len(two) == 2 and two[0]["sha256"] != two[1]["sha256"]
    lateral = f"{planted['xray-lateral']}.0.DX"
    assert not clinic.rows("findings", image_id=lateral)
    assert '"view": "LL"' not in clinic.rows("images", image_id=lateral)[0]["options"]
    turned_boxes = {r["label"]: r["box"] for r in clinic.rows("findings", image_id=f"{planted['xray-turned']}.0.DX")}
    right, left = middle(turned_boxes["right lung"]), middle(turned_boxes["left lung"])
    assert abs(right[1] - left[1]) > abs(right[0] - left[0]), "sides lie above each other"


def test_a_patient_is_the_same_in_any_cohort(tmp_path: Path, clinic: Cohort) -> None:
    wanted: dict[str, Any] = {"region": "chest-xray", "seed": 4, "size_px": 160}
    alone = make_cohort(tmp_path / "one", patients=2, **wanted)
    again = make_cohort(tmp_path / "two", patients=1, map=lambda f, items: [f(i) for i in items], **wanted)
    first = [(r["image_id"], r["sha256"]) for r in again.rows("images")]
    assert first == [(r["image_id"], r["sha256"]) for r in alone.rows("images")][: len(first)]
    assert alone.rows("texts") == [r for r in clinic.rows("texts") if r["exam_id"][:6] in ("X00000", "X00001")]


def test_sixteen_bits_and_no_images(tmp_path: Path) -> None:
    deep = make_cohort(tmp_path / "deep", region="chest-xray", patients=1, seed=1, size_px=96, bits=16, exams=1)
    image = deep.image(deep.rows("images", modality="DX")[0]["image_id"])
    assert image.unit == "grey16" and image.array.dtype == np.uint16 and image.array.max() > 255
    words = make_cohort(tmp_path / "words", region="chest-xray", patients=30, seed=1, tables_only=True)
    assert words.images.num_rows == 0 and words.texts.num_rows > 60


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match=r"PHA101.*xray-upsidedown"):
        make_cohort(tmp_path / "a", region="chest-xray", patients=1, faults=("xray-upsidedown",))
    with pytest.raises(TumorboardError, match=r"PHA102"):
        make_cohort(tmp_path / "b", region="chest-xray", patients=1, faults=("xray-turned",), tables_only=True)
    with pytest.raises(TumorboardError, match=r"PHA102"):
        make_cohort(tmp_path / "c", region="chest-xray", patients=1, faults=("xray-turned", "xray-mirrored"))


# ---- faults -----------------------------------------------------------------------------------------------------


def test_truth_follows_the_stored_picture(films: list[Radiograph]) -> None:
    film, rng = films[0], np.random.default_rng(0)
    mirrored = XRAY_FAULTS["xray-mirrored"].change(film, rng)  # type: ignore[misc]
    assert (mirrored.image[:, ::-1] == film.image).all()
    assert middle(mirrored.boxes["right lung"])[0] > middle(mirrored.boxes["left lung"])[0]
    for changed in (mirrored, turned(film, 1), turned(film, 2), turned(film, 3)):
        for side in ("right", "left"):
            mask, box = np.argwhere(changed.lungs[side]), changed.boxes[f"{side} lung"]
            assert tuple(mask[:, ::-1].min(axis=0)) == box[:2]
            assert tuple(mask[:, ::-1].max(axis=0) + 1) == box[2:]
    around = turned(turned(film, 1), 3)
    assert (around.image == film.image).all()
    for name, box in film.boxes.items():
        assert around.boxes[name] == pytest.approx(box)
    inverted = XRAY_FAULTS["xray-inverted"].change(film, rng)  # type: ignore[misc]
    assert (inverted.image.astype(int) + film.image == 255).all()
    cut = XRAY_FAULTS["xray-cut-off"].change(film, rng)  # type: ignore[misc]
    assert cut.image.size < 0.75 * film.image.size
    assert len(cut.boxes) <= len(film.boxes)
