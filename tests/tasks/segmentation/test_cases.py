"""Which exams are used, and which are refused by name (traps 2, 3 and 9)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.segmentation.cases import find_cases, load_case, missing, structures_of


def without(volumes, patient, kind):
    return {p: {k: v for k, v in vs.items() if (p, k) != (patient, kind)} for p, vs in volumes.items()}


def test_a_whole_cohort_lacks_nothing(spheres):
    assert missing(spheres) == []
    cases = find_cases(spheres, labelled=True)
    assert [case.patient_id for case in cases] == spheres.patient_ids
    assert structures_of(cases) == ("GTV",)
    # 40 x 38 x 20 voxels less (3, 2), (1, 4), (2, 1)
    assert cases[0].evaluation == ((3, 1, 2), (38, 34, 19))


@pytest.mark.parametrize("kind, words", [("PT", "no PET"), ("CT", "no CT")])
def test_a_missing_modality_is_named_and_never_filled_in(tmp_path, volumes, make_cohort, kind, words):
    broken = without(volumes, "P2", kind)
    if kind == "CT":
        broken["P2"].pop("mask")  # its reference is gone
    cohort = make_cohort(tmp_path, broken)
    assert "P2" not in [case.patient_id for case in find_cases(cohort, labelled=True)]
    with pytest.raises(TumorboardError, match=rf"SGM101.*P2\.0.*{words}"):
        find_cases(cohort, labelled=False)


def test_a_cohort_says_what_it_lacks(tmp_path, volumes, make_cohort):
    few = {patient: volumes[patient] for patient in ("P0", "P1")}
    assert missing(make_cohort(tmp_path / "a", few)) == ["4 patients with CT, PET and mask (there are 2)"]
    no_pet = {patient: {k: v for k, v in vs.items() if k != "PT"} for patient, vs in volumes.items()}
    assert missing(make_cohort(tmp_path / "b", no_pet)) == ["a PT in SUVbw"]


def test_pet_in_another_unit_is_refused(tmp_path, volumes, make_cohort):
    one = dict(volumes["P0"])
    one["PT"] = dataclasses.replace(one["PT"], unit=Unit.BQML)
    cohort = make_cohort(tmp_path, {**volumes, "P0": one})
    assert "P0" not in [case.patient_id for case in find_cases(cohort, labelled=True)]
    (case,) = [case for case in find_cases(cohort, labelled=False) if case.patient_id == "P0"]
    with pytest.raises(TumorboardError, match="UNT101"):
        load_case(cohort, case)


def test_pet_elsewhere_is_refused(tmp_path, volumes, make_cohort):
    one = dict(volumes["P0"])
    away = one["PT"].affine.copy()
    away[:3, 3] += 1000
    one["PT"] = Volume(one["PT"].array, away, Unit.SUVBW)
    cohort = make_cohort(tmp_path, {"P0": one})
    with pytest.raises(TumorboardError, match="SGM103"):
        load_case(cohort, find_cases(cohort, labelled=False)[0])


def test_predictions_of_other_runs_are_no_truth(spheres):
    row = spheres.row("images", image_id="P0.0.mask")
    copied = {**row, "image_id": "P0.0.mask.unet", "run_id": "unet"}
    both = spheres.with_rows(runs=[{"run_id": "unet"}], images=[copied])
    assert find_cases(both, labelled=True) == find_cases(spheres, labelled=True)


def test_labels_follow_names_not_numbers(tmp_path, volumes, make_cohort):
    cohort = make_cohort(tmp_path, volumes)
    case = dataclasses.replace(find_cases(cohort, labelled=True)[0], labels={1: "GTVn"})
    loaded = load_case(cohort, case, structures=("GTVp", "GTVn"))
    assert set(np.unique(loaded.mask.array)) == {0, 2}
