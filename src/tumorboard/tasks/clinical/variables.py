"""Which variables of a cohort a model may predict from, and the rows that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.clinical import codes

__all__ = ["covariates_of", "rows_of"]

_USABLE = {Kind.NUMERIC, Kind.CATEGORICAL, Kind.ORDINAL, Kind.BOOLEAN}
_STANDARD = (Variable("age_years", Kind.NUMERIC, unit="years"), Variable("sex", Kind.CATEGORICAL))


def covariates_of(cohort: Cohort, chosen: Sequence[str] = ()) -> list[Variable]:
    """The variables to predict from: those `chosen` (VAR102 for unknown ones), else all that the data dictionary
    marks as baseline; age and sex belong to every baseline."""
    standard = [v for v in _STANDARD if cohort.patients[v.name].null_count < cohort.patients.num_rows]
    known = {v.name: v for v in standard} | dict(cohort.dictionary)
    if not chosen:
        marked = [v for v in cohort.dictionary.values() if v.baseline and v.kind in _USABLE]
        named = {v.name for v in marked}
        return [*(v for v in standard if v.name not in named), *marked] if marked else []
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise TumorboardError(
            codes.COVARIATE_UNKNOWN, cohort.name, found=", ".join(unknown), expected=", ".join(sorted(known))
        )
    return [known[name] for name in chosen]


def rows_of(cohort: Cohort, patient_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Records of `patients` in the order of `patient_ids`."""
    record = {row["patient_id"]: row for row in cohort.rows("patients")}
    return [record[patient] for patient in patient_ids]
