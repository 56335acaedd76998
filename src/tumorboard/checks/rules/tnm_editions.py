"""Stages of several editions in one column."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case, level_text
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define
from tumorboard.core.naming import words

CODE = define(
    "TAB213",
    "Stages of more than one TNM edition",
    why="The same disease has another stage in another edition; from the 8th on, the N stage of oropharyngeal cancer "
    "depends on p16, so that it gives HPV status away.",
    fix="restage to one edition, or analyse by edition; keep stage out of an HPV model",
)
EXAMPLE = "tnm_edition 7 in two thirds of the rows and 8 in the rest"


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        said = set(words(name))
        if not ({"tnm", "ajcc", "uicc"} & said and {"edition", "version", "ed"} & said) or len(column.counts) < 2:
            continue
        shares = ", ".join(f"{level_text(value)} in {n}" for value, n in column.counts.most_common())
        yield finding(CODE, "warning", f"patients.{name}", found=f"editions {shares} patients", expected="one edition")
        return
    yield from _by_stage_words(case)


def _by_stage_words(case: Case) -> Iterator[CheckFinding]:
    """N2a-c of oropharyngeal p16-positive disease exist only up to the 7th edition; N3a-b only from the 8th."""
    for name, column in case.variables.items():
        said = words(name)
        if not column.is_text or not ("n" in said or "cn" in said):
            continue
        levels = {str(level).strip().lower().lstrip("cpy").lstrip("n") for level in column.counts}
        if "3b" not in levels:
            continue
        eighth = np.array([str(v or "").strip().lower().endswith("3b") for v in column.values])
        plain = np.array([str(v or "").strip().lower() in ("n3", "3") for v in column.values])
        if eighth.sum() and plain.sum():
            yield finding(
                CODE,
                "info",
                f"patients.{name}",
                found=f"N3b ({int(eighth.sum())} patients, from the 8th edition) beside plain N3 ({int(plain.sum())})",
                expected="one edition",
            )
