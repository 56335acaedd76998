"""Stages that no edition of TNM has."""

import re
from collections.abc import Iterator

from tumorboard.checks.case import Case, level_text
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define
from tumorboard.core.naming import means_missing, words

CODE = define(
    "TAB206",
    "Stage values that no edition of TNM has",
    why="N4 or M3 is a code for something else (unknown, typing mistake); as a number it is the worst stage of all.",
    fix="ask the source; list the value under `missing`, or map it with `levels`",
)
EXAMPLE = "clinical N stage 4, M stage 3, T stage 5"
_VALID = {
    "T": r"[acpry]*t?(0|is|in ?situ|x|a|[1-4]([a-d]|mi)?\d?)( ?\((m|\d|is)\))?",
    "N": r"[acpry]*n?(0(\(.*\))?|x|[1-3]([a-c]|mi)?\d?)",
    "M": r"[acpry]*m?(0|x|1[a-d]?)",
}
MIN_VALID = 0.7
"""Part of the known values that must be valid before the column is taken for a stage at all."""


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        letter = _letter(name)
        if letter is None or column.is_date or not column.counts or column.variable.levels:
            continue
        levels = {level_text(value): n for value, n in column.counts.items() if not means_missing(level_text(value))}
        wrong = {level: n for level, n in levels.items() if not re.fullmatch(_VALID[letter], level.strip().lower())}
        if wrong and sum(wrong.values()) <= (1 - MIN_VALID) * sum(levels.values()):
            shown = [f"{level!r} in {n} patients" for level, n in wrong.items()]
            yield finding(
                CODE,
                "warning",
                f"patients.{name}",
                found=listed(shown, most=8),
                expected={"T": "T0, Tis, TX, T1-T4", "N": "N0-N3, NX", "M": "M0, M1, MX"}[letter],
            )


def _letter(name: str) -> str | None:
    """T, N or M where a heading speaks of that stage."""
    if re.fullmatch(r"[cpry]?[TNM]", name.strip()):
        return name.strip()[-1]
    listed_words = [
        word for word in words(name) if word not in ("stage", "clinical", "pathological", "category", "clin")
    ]
    staged = {"stage", "clinical", "pathological", "category", "clin"} & set(words(name))
    if len(listed_words) == 1 and listed_words[0] in ("t", "n", "m", "ct", "cn", "cm", "pt", "pn", "pm"):
        return listed_words[0][-1].upper() if staged or len(words(name)) == 1 else None
    last = words(name)[-2:]
    return last[0].upper() if len(last) == 2 and last[1] == "stage" and last[0] in ("t", "n", "m") else None
