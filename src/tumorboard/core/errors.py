"""Coded messages: one form for everything that is wrong with data.

``CODE where: found X, expected Y. Fix: Z.``

A code is defined once, beside the room it belongs to (``codes.py`` of that room, or the one file of a
check rule), and ``tumorboard explain CODE`` prints its page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

__all__ = ["Code", "TumorboardError", "all_codes", "define", "look_up"]


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of problem: stable identifier, one-line title, why it matters, and the usual remedy."""

    id: str
    title: str
    why: str
    fix: str


_DEFINED: dict[str, Code] = {}


def define(id: str, title: str, *, why: str, fix: str) -> Code:
    """Register a code. The same identifier cannot be given two meanings."""
    code = Code(id, title, why, fix)
    if _DEFINED.setdefault(id, code) != code:
        raise ValueError(f"code {id} is defined twice: {_DEFINED[id].title!r} and {title!r}")
    return code


def look_up(id: str) -> Code | None:
    """The code of that identifier among those whose rooms have been imported."""
    return _DEFINED.get(id.upper())


def all_codes() -> list[Code]:
    """Every code defined so far, by identifier."""
    return sorted(_DEFINED.values(), key=lambda code: code.id)


class TumorboardError(Exception):
    """Bad input, told in the house's one form.

    Parameters
    ----------
    code : Code
    where : the file, table row, patient or tag that is wrong.
    found, expected : what stood there and what should have.
    fix : what to do about it; the code's own remedy when not given.
    """

    def __init__(self, code: Code, where: str | PurePath, *, found: str, expected: str, fix: str | None = None) -> None:
        self.code = code
        self.where = str(where)
        self.found = found
        self.expected = expected
        self.fix = fix or code.fix
        super().__init__(f"{code.id} {where}: found {found}, expected {expected}. Fix: {self.fix}")

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process pools; the default protocol would lose the keyword-only fields.
        return (_rebuild, (self.code, self.where, self.found, self.expected, self.fix))


def _rebuild(code: Code, where: str, found: str, expected: str, fix: str) -> TumorboardError:
    return TumorboardError(code, where, found=found, expected=expected, fix=fix)
