"""Ages of the studies of one patient: missing, impossible, or running backwards."""

from collections.abc import Iterator
from itertools import pairwise

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.checks.rules.age_impossible import OLDEST_YEARS
from tumorboard.core.errors import define

CODE = define(
    "DPL204",
    "Ages at the studies of a patient that are missing, impossible or run backwards",
    why="DeepLesion has no dates, and its study numbers are not strictly in time: growth between two studies taken in "
    "the wrong order has the wrong sign.",
    fix="take the order from DICOM dates; without them, import with --set order=age and treat equal ages as unordered",
)
EXAMPLE = "ages of 66, 67, 67, 68, 67, 67, 68 at studies 2 to 8; an age of 0 or 157"


def find(case: Case) -> Iterator[CheckFinding]:
    ages: dict[str, dict[int, float | None]] = {}
    order = {row["exam_id"]: row["order"] for row in case.cohort.rows("exams")} if case.marked_lesions else {}
    for row in case.images:
        told = case.option(row, "deeplesion")
        if told and "age_years" in told:
            ages.setdefault(row["patient_id"], {})[order.get(row["exam_id"]) or 0] = told["age_years"]
    missing = [patient for patient, found in ages.items() if any(age is None for age in found.values())]
    odd = [p for p, found in ages.items() if any(a is not None and not 0 < a <= OLDEST_YEARS for a in found.values())]
    back = []
    for patient, found in ages.items():
        known = [age for _, age in sorted(found.items()) if age is not None and 0 < age <= OLDEST_YEARS]
        if any(later < earlier for earlier, later in pairwise(known)):
            back.append(patient)
    for patients, severity, what, expected in (
        (missing, "info", "a study without an age", "an age at each study"),
        (odd, "warning", f"an age of 0 or above {OLDEST_YEARS:g} years", "an age somebody has"),
        (back, "warning", "a later study at a lower age", "ages that grow with the order of the studies"),
    ):
        if patients:
            found_words = f"{len(patients)} patients with {what}"
            yield finding(CODE, severity, f"patients: {listed(patients)}", found=found_words, expected=expected)  # type: ignore[arg-type]
