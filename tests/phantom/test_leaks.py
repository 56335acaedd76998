"""What must not tell the label: headers, order, numbers, missingness of one centre (phantom.md 9, traps 7 to 9)."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.phantom.cohort import draw_patients
from tumorboard.phantom.exam import ImagingOptions
from tumorboard.phantom.scanner import ct_grid, pet_grid


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties half."""
    positive, negative = score[label], score[~label]
    above = (positive[:, None] > negative[None, :]).mean()
    return float(above + 0.5 * (positive[:, None] == negative[None, :]).mean())


@pytest.fixture(scope="module")
def one_centre():
    return draw_patients(300, seed=21, centres=("VA",))


def header_fields(patient) -> dict[str, float]:
    """Numbers of the two grids that a file shows before any voxel: what `exam.scan` draws first."""
    at = patient.rng("exam", 0)
    if at.random() < patient.protocol.contrast_share:
        at.uniform(0.75, 1.25)
    table = (float(at.normal(0, 5)), float(at.normal(0, 8)), float(at.uniform(-900, 300)))
    place = {
        "region": "head-neck",
        "height_mm": patient.person.height_mm,
        "table_mm": table,
        "least_mm": ImagingOptions().spacing_mm,
    }
    ct, pet = ct_grid(patient.protocol, at, **place), pet_grid(patient.protocol, at, **place)
    fields = {f"ct origin {a}": ct.origin_mm[a] for a in range(3)} | {
        f"pet origin {a}": pet.origin_mm[a] for a in range(3)
    }
    return fields | {"ct slices": ct.shape[2], "pet slices": pet.shape[2], "shift": pet.origin_mm[2] - ct.origin_mm[2]}


def test_no_header_field_gives_a_label(one_centre) -> None:
    hpv = np.array([p.disease.hpv for p in one_centre])
    eta = np.array([p.signal.eta for p in one_centre])
    rows = [header_fields(p) for p in one_centre]
    # Three SD of a chance AUC at 150 + 150 patients are .1; the number of slices follows stature, hence a little sex.
    for name in rows[0]:
        values = np.array([row[name] for row in rows], float)
        assert abs(auc(values, hpv) - 0.5) < 0.11, name
        assert abs(auc(values, eta > np.median(eta)) - 0.5) < 0.11, name


def test_neither_number_nor_order_follows_label_or_time(one_centre) -> None:
    order = np.arange(len(one_centre), dtype=float)
    assert abs(auc(order, np.array([p.disease.hpv for p in one_centre])) - 0.5) < 0.11
    assert abs(auc(order, np.array([p.course.rfs_event for p in one_centre])) - 0.5) < 0.11
    numbers = np.array([float(p.patient_id.rpartition("-")[2]) for p in one_centre])
    assert (numbers == order + 1).all()


def test_centre_and_label_are_related_but_not_the_same(crowd) -> None:
    share = {c: np.mean([p.disease.hpv for p in crowd if p.protocol.name == c]) for c in ("VA", "VB", "VC", "VF")}
    assert max(share.values()) - min(share.values()) > 0.08
    assert all(0.2 < value < 0.8 for value in share.values())


def test_missing_values_go_by_centre(crowd) -> None:
    gone = {c: np.mean([p.record["tobacco"] is None for p in crowd if p.protocol.name == c]) for c in ("VA", "VG")}
    assert gone["VA"] < 0.1 < 0.8 < gone["VG"]
    known = {c: np.mean([p.hpv_known for p in crowd if p.protocol.name == c]) for c in ("VA", "VG")}
    assert known["VG"] < 0.2 < 0.6 < known["VA"]


def test_table_alone_does_not_hold_the_image_signal(crowd) -> None:
    """Residual check of trap 9: a least-squares fit of the image part on everything in the table explains nothing."""
    y = np.array([p.disease.traits.score for p in crowd])
    x = np.array(
        [
            [
                p.person.age_years,
                p.clinical.pack_years,
                p.clinical.ecog,
                p.clinical.t_stage,
                p.clinical.n_stage,
                p.disease.hpv,
                p.person.bmi,
                1.0,
            ]
            for p in crowd
        ]
    )
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert np.corrcoef(fitted, y)[0, 1] ** 2 < 0.03
