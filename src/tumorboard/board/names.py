"""File names made from identifiers that others chose, and page names that say nothing about anybody."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

__all__ = ["page_names", "safe_names"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 80


def page_names(patient_ids: Iterable[str]) -> dict[str, str]:
    """Patient -> ``p1``, ``p2`` ... in the cohort's order: an identifier never stands in an address, a log or a file
    name (docs/adr/0139)."""
    return {patient: f"p{number}" for number, patient in enumerate(patient_ids, start=1)}


def safe_names(identifiers: Iterable[str]) -> dict[str, str]:
    """Identifier -> name of ASCII letters, digits, ``-`` and ``_``, unique even where case is not told apart.

    An identifier that is such a name already keeps it; one that had to be changed, is longer than 80 characters
    or collides with an earlier one gets eight digits of its hash.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for identifier in identifiers:
        name = _UNSAFE.sub("-", identifier)[:_LONGEST].strip("-")
        if name != identifier or name.lower() in taken or not name:
            digest = hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            name = f"{name}-{digest}" if name else digest
        taken.add(name.lower())
        names[identifier] = name
    return names
