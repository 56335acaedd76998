"""Patient ids, or the order of the rows, that tell the class."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define
from tumorboard.metrics.classification import auc

CODE = define(
    "OUT210",
    "Patient ids or row order that tell the class",
    why="Whoever splits by order, or lets a model see an id, gets a perfect score that means nothing.",
    fix="shuffle with a seed before splitting, keep ids out of models, and ask the source how patients were numbered",
)
EXAMPLE = "all HPV-negative patients first, then all positive ones"
TELLING = 0.95
MIN_EACH = 8


def find(case: Case) -> Iterator[CheckFinding]:
    for endpoint, values in case.class_endpoints.items():
        known = np.array([value is not None for value in values])
        orders = {"the order of the rows": np.arange(len(case), dtype=float), "the number in patient_id": _number(case)}
        for value in dict.fromkeys(values[known].tolist()):
            told = [text for name, order in orders.items() if (text := _told(name, order, values, known, value))]
            told += _prefixes(case, values, known, value)
            if told:
                yield finding(
                    CODE,
                    "warning",
                    f"outcomes.{endpoint}",
                    found=f"{value} told by {', and by '.join(told)}",
                    expected="patients numbered and listed without regard to their class",
                )
                break


def _told(
    name: str, order: NDArray[np.float64], values: NDArray[np.object_], known: NDArray[np.bool_], value: str
) -> str:
    use = known & np.isfinite(order)
    truth = values[use] == value
    if min(truth.sum(), (~truth).sum()) < MIN_EACH:
        return ""
    area = auc(truth, order[use])
    assert area is not None
    return f"{name} (AUC {max(area, 1 - area):.3f})" if max(area, 1 - area) >= TELLING else ""


def _number(case: Case) -> NDArray[np.float64]:
    """The last number in each id, NaN where there is none."""
    found = [re.findall(r"\d+", patient) for patient in case.ids]
    return np.array([float(numbers[-1]) if numbers else np.nan for numbers in found])


def _prefixes(case: Case, values: NDArray[np.object_], known: NDArray[np.bool_], value: str) -> list[str]:
    """Letters of the ids that part the classes: POS-001 and NEG-001."""
    letters = np.array([re.sub(r"[\d\W_]+", " ", patient).strip().lower() for patient in case.ids], dtype=object)
    truth = known & (values == value)
    rest = known & ~truth
    if min(truth.sum(), rest.sum()) < MIN_EACH:
        return []
    mine, others = set(letters[truth].tolist()), set(letters[rest].tolist())
    few = max(len(mine), len(others)) <= 3
    return [f"the letters in patient_id ({', '.join(sorted(mine))})"] if few and not mine & others else []
