"""The table of factors for PET images that were published in Bq/ml among images in SUV."""

from __future__ import annotations

from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.clinical_codes import cell_number
from tumorboard.datasets.hecktor.fields import ID_HEADINGS
from tumorboard.datasets.hecktor.names import Ids
from tumorboard.datasets.tablefile import heading, read_sheet

__all__ = ["read_factors"]

_FACTOR = ("factor", "suv factor", "conversion factor", "suv conversion factor")


def read_factors(path: Path, names: Ids) -> dict[str, float]:
    """Patient -> SUVbw per Bq/ml (body weight in g / injected dose in Bq), from a table with a column of patient ids
    and a column ``factor`` (or one other column alone). LAY103 for another table, LAY104 for a factor that is no
    positive number, or two of one patient."""
    sheet = read_sheet(path)
    keys = [heading(column) for column in sheet.columns]
    ids = [key for key in keys if key in {heading(name) for name in ID_HEADINGS}]
    others = [key for key in keys if key not in ids]
    named = [key for key in others if key in _FACTOR] or others
    if len(ids) != 1 or len(named) != 1:
        raise TumorboardError(
            codes.TABLE_FORM, path, found=f"columns {list(sheet.columns)}", expected="PatientID and factor"
        )
    factors: dict[str, float] = {}
    for index, row in enumerate(sheet.rows):
        patient_id = names.patient(row[ids[0]], sheet.where(index))
        try:
            factor = cell_number(row[named[0]])
        except ValueError:
            factor = None
        if factor is None or factor <= 0 or factors.setdefault(patient_id, factor) != factor:
            raise TumorboardError(
                codes.TABLE_VALUE,
                sheet.where(index),
                found=f"{row[named[0]]!r} for {patient_id}",
                expected="one positive factor per patient",
            )
    return factors
