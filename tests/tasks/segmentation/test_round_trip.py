"""Trap 1 on a virtual patient: a perfect network's answer comes back to the CT's own grid, whatever that grid is."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import cc3d
import numpy as np
import pytest

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.labels import resample_labels
from tumorboard.ops.resample import resample_to
from tumorboard.phantom.cohort import draw_patients
from tumorboard.phantom.exam import ImagingOptions, scan
from tumorboard.tasks.segmentation.cases import CaseVolumes
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.predict import answer_case
from tumorboard.tasks.segmentation.preprocess import Preprocessing, choose_spacing, lesion_volumes_ml

STRUCTURES = ("GTVp", "GTVn")
CODES = ["".join(signs) for axes in itertools.permutations(("RL", "AP", "SI")) for signs in itertools.product(*axes)]


@pytest.fixture(scope="module")
def patient() -> CaseVolumes:
    """CT, PET on its grid, and mask of a virtual patient with a primary and nodes."""
    person = next(p for p in draw_patients(12, seed=4, centres=("VA",), exams=1, followed=0) if p.disease.n != "N0")
    images = scan(person, 0, ImagingOptions(spacing_mm=3.0, dose=False)).volumes
    pet = resample_to(images["PT"].astype(np.float32), images["CT"].geometry, method="linear", fill=0.0)
    return CaseVolumes(images["CT"].astype(np.float32), pet, images["mask"])


def turned(case: CaseVolumes, code: str) -> CaseVolumes:
    return CaseVolumes(*(v.reorient(code) for v in (case.ct, case.pet, case.mask)))


def on_grid(case: CaseVolumes, grid: Geometry) -> CaseVolumes:
    return CaseVolumes(resample_to(case.ct, grid), resample_to(case.pet, grid), resample_labels(case.mask, grid))


def round_trip(case: CaseVolumes, *, region: str = "head-neck") -> Volume:
    """The answer of a network that gives each voxel of the working grid its true share."""
    spacing_mm = choose_spacing(lesion_volumes_ml(case.mask), [case.mask.spacing_mm])
    preprocessing = Preprocessing(spacing_mm, (-160.0, 240.0), STRUCTURES)
    rules = {name: {"smallest_ml": 0.5, "smallest_suv_peak": 0.5} for name in STRUCTURES}
    facts = {"answering": {"region": region, "region_facts": {}, "rules": rules, "rules_from": "test"}}
    perfect: Any = SimpleNamespace(preprocessing=preprocessing, config=SegmentationConfig(), facts=facts)
    perfect.probabilities = lambda prepared: preprocessing._target(case.mask, prepared.working)
    return answer_case(perfect, CaseVolumes(case.ct, case.pet, None)).labels


def assert_perfect(case: CaseVolumes, answer: Volume) -> None:
    truth = case.mask
    # The exact grid: size, spacing, origin, direction.
    assert answer.geometry == case.ct.geometry and answer.array.dtype == np.uint8
    biases = []
    for value in (1, 2):
        parts = cc3d.connected_components(np.ascontiguousarray(truth.array == value), connectivity=26)
        for number in range(1, parts.max() + 1):
            lesion = parts == number
            if lesion.sum() * truth.voxel_volume_ml < 1.0:
                continue
            box = tuple(slice(max(a.min() - 3, 0), a.max() + 4) for a in np.nonzero(lesion))
            found = (answer.array[box] == value) & ~((parts[box] > 0) & (parts[box] != number))
            mine = lesion[box]
            assert 2 * (found & mine).sum() / (found.sum() + mine.sum()) >= 0.95
            biases.append(truth.affine[:3, :3] @ (np.argwhere(found).mean(0) - np.argwhere(mine).mean(0)))
    assert len(biases) >= 2
    assert np.abs(biases).max() < 0.2 * truth.spacing_mm.max()
    assert np.linalg.norm(np.mean(biases, axis=0)) < 0.1 * truth.spacing_mm.max()


def test_there_are_48_ways_to_store_a_scan() -> None:
    assert len(set(CODES)) == 48


@pytest.mark.parametrize("code", CODES[::6])
def test_orientations(patient: CaseVolumes, code: str) -> None:
    case = turned(patient, code)
    assert case.ct.geometry.axis_codes == code
    assert_perfect(case, round_trip(case))


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_all_orientations(patient: CaseVolumes, code: str) -> None:
    case = turned(patient, code)
    assert_perfect(case, round_trip(case))


@pytest.mark.parametrize("spacing_mm", [(1.5, 1.5, 5.0), (5.0, 2.0, 2.0), (2.0, 3.5, 2.5)])
def test_anisotropies(patient: CaseVolumes, spacing_mm: tuple[float, float, float]) -> None:
    part = around_the_lesions(patient, margin_mm=25)
    case = on_grid(part, part.ct.geometry.with_spacing(spacing_mm))
    assert_perfect(case, round_trip(case))


@pytest.mark.parametrize("degrees", [8, 45])
def test_oblique_grids(patient: CaseVolumes, degrees: float) -> None:
    part = around_the_lesions(patient, margin_mm=25)
    a = np.deg2rad(degrees)
    about = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about = about @ np.array([[1, 0, 0], [0, np.cos(a / 3), -np.sin(a / 3)], [0, np.sin(a / 3), np.cos(a / 3)]])
    affine = part.ct.affine.copy()
    middle = part.ct.geometry.to_world((np.array(part.ct.shape) - 1) / 2)
    affine[:3, :3] = about @ affine[:3, :3]
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(part.ct.shape) - 1) / 2)
    case = on_grid(part, Geometry(part.ct.shape, affine))
    assert not case.ct.geometry.is_axis_aligned
    assert_perfect(case, round_trip(case))


@pytest.mark.parametrize("margin_mm", [3, 12, 40])
def test_fields_of_view_smaller_than_any_crop(patient: CaseVolumes, margin_mm: float) -> None:
    case = around_the_lesions(patient, margin_mm=margin_mm)
    assert_perfect(case, round_trip(case))


def around_the_lesions(case: CaseVolumes, *, margin_mm: float) -> CaseVolumes:
    places = np.argwhere(case.mask.array > 0)
    margin = np.ceil(margin_mm / case.mask.spacing_mm).astype(int)
    low = np.maximum(places.min(0) - margin, 0).tolist()
    high = np.minimum(places.max(0) + 1 + margin, case.mask.shape).tolist()
    return case.crop((tuple(low), tuple(high)))


def test_a_network_that_loses_its_crop_would_be_noticed(patient: CaseVolumes) -> None:
    """The published baseline's fault: the answer of a crop laid into the corner of the scan."""
    answer = round_trip(patient)
    moved = np.roll(answer.array, (4, 0, 0), axis=(0, 1, 2))
    with pytest.raises(AssertionError):
        assert_perfect(patient, Volume(moved, answer.affine, Unit.LABEL))
