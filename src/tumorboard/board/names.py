"""File names made from identifiers that others chose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

__all__ = ["safe_names"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 80


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
