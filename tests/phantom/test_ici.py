"""Virtual lung patients before immunotherapy: what is planted is there."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.metrics.concordance import concordance
from tumorboard.phantom.cohort import make_cohort
from tumorboard.phantom.ici import ETA_SD, SHARES, draw_ici_patient, ici_ceilings
from tumorboard.phantom.ici_image import render_ici, tumour_of


@pytest.fixture(scope="module")
def crowd():
    return [draw_ici_patient(5, index) for index in range(1500)]


def test_progression_never_comes_after_death(crowd) -> None:
    for patient in crowd:
        (_, pfs_days), (_, os_days) = patient.pfs, patient.os
        assert 0 < pfs_days <= os_days
        assert patient.pfs[0] or not patient.os[0]  # whoever died had the event of PFS


def test_the_shares_of_the_hazard_are_those_planted(crowd) -> None:
    scores = {run: np.array([p.scores[run] for p in crowd]) for run in crowd[0].scores}
    variance = scores["truth"].var()
    assert np.sqrt(variance) == pytest.approx(ETA_SD, rel=0.08)
    interaction = (scores["truth"] - scores["truth-additive"]).var() / variance
    assert interaction == pytest.approx(SHARES["interaction"], abs=0.08)
    assert scores["truth-image"].var() / variance == pytest.approx(SHARES["image"], abs=0.05)
    # neither part alone says anything of the interaction: it is no sum
    left = scores["truth"] - scores["truth-additive"]
    assert abs(np.corrcoef(left, scores["truth-image"])[0, 1]) < 0.1


def test_ceilings_stand_in_the_order_of_what_is_known(crowd) -> None:
    scores = {run: [p.scores[run] for p in crowd] for run in crowd[0].scores}
    ages = [p.age_years for p in crowd]
    best = ici_ceilings(scores, eta=scores["truth"], age_years=ages, seed=1, repeats=3)["PFS"]
    assert best["truth"] > best["truth-additive"] + 0.04 > best["truth-known"]
    assert best["truth-table"] > best["truth-known"] > 0.55 and best["truth-image"] > 0.55
    observed = concordance(
        np.array([p.pfs[0] for p in crowd]), np.array([p.pfs[1] for p in crowd]), np.array(scores["truth"])
    ).value
    assert observed == pytest.approx(best["truth"], abs=0.02)


def test_a_patient_does_not_depend_on_who_else_is_drawn() -> None:
    alone, again = draw_ici_patient(5, 7), draw_ici_patient(5, 7)
    assert alone == again and alone != draw_ici_patient(5, 8)
    np.testing.assert_array_equal(render_ici(alone)[0].array, render_ici(again)[0].array)


def test_the_image_shows_size_and_density(crowd) -> None:
    volumes, spheres = [], []
    for patient in crowd[:8]:
        ct, mask = render_ici(patient)
        diameter, density = tumour_of(patient)
        inside = ct.array[mask.array > 0]
        assert ct.shape == (96, 96, 24) and np.median(inside) == pytest.approx(density, abs=60)
        volumes.append((mask.array > 0).sum() * mask.voxel_volume_ml)
        spheres.append(np.pi / 6 * diameter**3 / 1000)
    assert np.corrcoef(np.log(volumes), np.log(spheres))[0, 1] > 0.9


def test_the_cohort_holds_it_all(tmp_path) -> None:
    cohort = make_cohort(tmp_path / "c", patients=3, seed=5, region="lung-ici")
    assert cohort.patient_ids == ["ici-0000", "ici-0001", "ici-0002"] and cohort.endpoints() == ["PFS", "OS"]
    assert cohort.image("ici-0001.0.CT").shape == (96, 96, 24)
    assert cohort.provenance[0]["source"].startswith("SYNTHETIC")
    assert set(cohort.provenance[0]["c_index_ceiling"]["PFS"]) == set(draw_ici_patient(5, 0).scores)
