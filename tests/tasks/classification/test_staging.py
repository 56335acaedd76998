"""Stages by size, number and side against the tables of the manuals (7th and 8th edition, oropharynx)."""

from __future__ import annotations

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.classification.staging import n_stage, stage_of, t_stage


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
