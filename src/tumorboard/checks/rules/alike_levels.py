"""Levels of one variable that mean the same."""

import re
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define
from tumorboard.core.naming import means_missing

CODE = define(
    "TAB204",
    "Levels that differ only in writing, or are synonyms",
    why="One-hot encoding makes two features of one property; rare spellings vanish in one fold and not in another.",
    fix="map the spellings to one level with `levels` in the schema",
)
EXAMPLE = '"nasal cavity" and "Nasal Cavity"; "concomitant" and "concurrent" chemotherapy'
_SYNONYMS = (
    ("concomitant", "concurrent", "simultaneous"),
    ("female", "f", "woman"),
    ("male", "m", "man"),
    ("yes", "y", "true"),
    ("no", "n", "false"),
    ("dead", "deceased", "died"),
    ("alive", "living"),
    ("positive", "pos", "+"),
    ("negative", "neg", "-"),
    ("cup", "unknown primary", "cancer of unknown primary"),
    ("never smoker", "non smoker", "nonsmoker", "never"),
    ("former smoker", "ex smoker", "former"),
    ("current smoker", "smoker", "current"),
    ("oral cavity", "lip oral cavity", "mouth"),
    ("nos", "not otherwise specified"),
    ("squamous", "squamous cell carcinoma", "scc"),
    ("adenocarcinoma", "adeno"),
    ("cetuximab", "erbitux"),
)
_CANONICAL = {word: group[0] for group in _SYNONYMS for word in group}
MOST_LEVELS = 300


def find(case: Case) -> Iterator[CheckFinding]:
    written: dict[str, dict[str, str]] = {}
    for name, column in case.variables.items():
        if not column.is_text:
            continue
        for level in column.counts:
            if means_missing(level):
                written.setdefault(level.strip().lower(), {}).setdefault(level, name)
        if len(column.counts) > MOST_LEVELS:
            continue
        meant: dict[str, list[str]] = {}
        for level in column.counts:
            if not means_missing(level) or level.strip():
                meant.setdefault(_plain(level), []).append(level)
        alike = [levels for levels in meant.values() if len(levels) > 1]
        if alike:
            shown = [" = ".join(f"{v!r} ({column.counts[v]})" for v in levels) for levels in alike]
            yield finding(
                CODE, "warning", f"patients.{name}", found=listed(shown, most=6), expected="one spelling of each level"
            )
    for spellings in written.values():
        if len(set(spellings.values())) > 1 and len(spellings) > 1:
            shown = [f"{level!r} (in {name})" for level, name in spellings.items()]
            yield finding(
                CODE,
                "info",
                "patients: " + ", ".join(dict.fromkeys(spellings.values())),
                found=f'a word for "not known" in several spellings: {listed(shown)}',
                expected="one spelling",
            )


def _plain(level: str) -> str:
    text = re.sub(r"[^a-z0-9+<>%.=]+", " ", level.lower()).strip() or level.strip()
    return _CANONICAL.get(text, text)
