"""Attributes of a DICOM dataset as text and numbers, each fault named with its place.

pydicom converts an element when it is touched, and one bad value anywhere would stop it. Here only what is asked
for is converted, plain text and decimals straight from their bytes.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import PersonName

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom import codes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

__all__ = ["Header", "walk_items"]

_PLAIN = frozenset({"AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
_LARGEST = 1e15


@dataclass(frozen=True)
class Header:
    """A dataset (or one item of a sequence) and where it stands, for messages."""

    dataset: Dataset
    where: str

    def has(self, keyword: str | int) -> bool:
        """Whether the attribute is there with a value."""
        return bool(self.text(keyword))

    def text(self, keyword: str | int) -> str:
        """The attribute as text; several values joined with a backslash; empty when absent. DCM104 when its bytes
        are not of its type."""
        plain = self._plain(keyword)
        if plain is not None:
            return plain
        value = self._value(keyword)
        if value is None:
            return ""
        if isinstance(value, str | PersonName) or not hasattr(value, "__iter__"):
            return str(value).strip()
        if isinstance(value, bytes):
            return value.decode("latin-1").strip(" \0")
        return "\\".join(str(part).strip() for part in value)

    def required(self, keyword: str | int, *, fix: str | None = None) -> str:
        """The attribute as text; DCM103 when it is absent or empty."""
        found = self.text(keyword)
        if not found:
            raise TumorboardError(
                codes.TAG_MISSING, self.where, found=f"no {_name(keyword)}", expected="a value", fix=fix
            )
        return found

    def numbers(self, keyword: str | int, *, count: int | None = None) -> list[float]:
        """The attribute as finite numbers; DCM103 when absent, DCM104 when not (`count`) finite numbers."""
        return self._numbers(keyword, self.required(keyword), count)

    def _numbers(self, keyword: str | int, found: str, count: int | None) -> list[float]:
        try:
            values = [float(part) for part in found.split("\\")]
        except ValueError:
            values = []
        finite = values and all(abs(value) < _LARGEST for value in values)  # NaN and infinity fail as well
        if not finite or (count is not None and len(values) != count):
            plural = "s" if count != 1 else ""
            raise self.impossible(keyword, found, f"{count or 'one or more'} finite number{plural}")
        return values

    def number(self, keyword: str | int, *, default: float | None = None) -> float:
        """The attribute as one finite number; `default` (when given) where it is absent. DCM103, DCM104."""
        found = self.required(keyword) if default is None else self.text(keyword)
        return default if default is not None and not found else self._numbers(keyword, found, 1)[0]

    def whole(self, keyword: str | int, *, default: int | None = None) -> int:
        """The attribute as one whole number of zero or more. DCM103, DCM104."""
        value = self.number(keyword, default=None if default is None else float(default))
        if value != int(value) or value < 0:
            raise self.impossible(keyword, str(value), "a whole number of 0 or more")
        return int(value)

    def points(self, keyword: str) -> NDArray[np.float64]:
        """A long list of decimals, such as contour coordinates, as an array. DCM103, DCM104."""
        found = self.required(keyword)
        try:
            values = np.array(found.split("\\"), dtype=np.float64)
        except ValueError:
            raise self.impossible(keyword, found, "numbers") from None
        if not np.isfinite(values).all() or np.abs(values).max() > _LARGEST:
            raise self.impossible(keyword, "NaN, infinity or astronomical numbers", "finite numbers")
        return values

    def items(self, keyword: str) -> list[Header]:
        """Items of a sequence; none when it is absent. DCM104 when it is no sequence."""
        value = self._value(keyword)
        if value is None or value == b"" or value == "":
            return []
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise self.impossible(keyword, type(value).__name__, "a sequence")
        return [Header(item, f"{self.where}, {keyword}[{index}]") for index, item in enumerate(value, 1)]

    def item(self, keyword: str) -> Header | None:
        """The first item of a sequence, if any."""
        return next(iter(self.items(keyword)), None)

    def private(self, group: int, creator: str, element: int) -> str:
        """A private attribute as text, found by its creator; empty when it is not there."""
        try:
            block = self.dataset.private_block(group, creator)
            keyword = int(block.get_tag(element))
        except (KeyError, ValueError, AttributeError):
            return ""
        return self.text(keyword)

    def impossible(self, keyword: str | int, found: str, expected: str) -> TumorboardError:
        """The error for an attribute whose value cannot be."""
        return TumorboardError(codes.TAG_VALUE, self.where, found=f"{_name(keyword)} {found[:60]!r}", expected=expected)

    # ---- helpers ------------------------------------------------------------------------------------------
    def _plain(self, keyword: str | int) -> str | None:
        """Text of an attribute of a plain text type, or of whole numbers of 16 bits, that pydicom has not converted
        yet; None otherwise."""
        tag = _tag(keyword)
        try:
            element = self.dataset.get_item(tag)
        except KeyError:
            return None
        if not isinstance(element, RawDataElement) or not isinstance(element.value, bytes):
            return None
        kind, raw = _vr(element, tag), element.value
        if kind in _PLAIN:
            return "\\".join(part.strip(" \0\r\n\t") for part in raw.decode("latin-1").split("\\"))
        if kind == "US" and len(raw) % 2 == 0:
            order = "<" if element.is_little_endian else ">"
            return "\\".join(map(str, struct.unpack(f"{order}{len(raw) // 2}H", raw)))
        return None

    def _value(self, keyword: str | int) -> Any:
        tag = _tag(keyword)
        if tag not in self.dataset:
            return None
        try:
            return self.dataset[tag].value
        except Exception as error:  # the parser's own faults are of every type there is
            raise self.impossible(keyword, f"{type(error).__name__}: {error}", "a value of its type") from error


def walk_items(header: Header, *keywords: str) -> Iterator[Header]:
    """All items at the end of a chain of sequences."""
    if not keywords:
        yield header
        return
    for item in header.items(keywords[0]):
        yield from walk_items(item, *keywords[1:])


@functools.lru_cache(maxsize=4096)
def _tag(keyword: str | int) -> BaseTag:
    return Tag(keyword)


def _vr(element: RawDataElement, tag: BaseTag) -> str:
    if element.VR:
        return str(element.VR)
    if tag.is_private:
        return "UN"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _name(keyword: str | int) -> str:
    return keyword if isinstance(keyword, str) else str(Tag(keyword))
