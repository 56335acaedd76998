"""Companion sets of DeepLesion as plain values: LesaNet's labels, pairs of the Deep Longitudinal Study, 3-D boxes.

All come as JSON (also `.json.gz`); a pickle is refused, never opened.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.deeplesion import codes
from tumorboard.datasets.deeplesion.names import SliceName, SubVolumeName, slice_name, sub_volume_name
from tumorboard.io.confine import refuse_pickle
from tumorboard.io.jsonfile import MAX_JSON_BYTES, parse_json

__all__ = ["Companion", "DlsLesion", "DlsPair", "LesionTags", "read_boxes", "read_companion", "read_pairs", "read_tags"]

Companion = Literal["tags", "hand tags", "pairs", "boxes"]

_SPLITS = {"train": (1, 2), "val": (2,), "test": (3,)}
"""LesaNet's split -> official splits its lesions may have: it trains on a part of the official validation lesions."""
_KINDS = {"relevant": "tags", "uncertain": "tags_uncertain", "irrelevant": "tags_irrelevant"}


@dataclass(frozen=True)
class DlsLesion:
    """One end of a pair. Voxels of the official NIfTI sub-volume: x and y 0-based, k = slice - first."""

    volume: SubVolumeName
    slice: SliceName
    spacing_mm: tuple[float, float, float]
    centre: NDArray[np.float64]
    """(3,) x, y, k: mean of the four ends (not the centre of the box) and the layer of the key slice."""
    box: NDArray[np.float64]
    """(6,) x, y, k of the low corner, then width, height, depth, in voxels."""
    ends_px: NDArray[np.float64]
    """(4, 2), 0-based, rounded to a tenth."""
    diameters_px: tuple[float, float]
    """Long, short. PIXELS, although the data set's own notes say mm."""

    @property
    def radius_mm(self) -> float:
        """Half of the larger diameter, in mm."""
        return max(self.diameters_px) / 2 * self.spacing_mm[0]


@dataclass(frozen=True)
class DlsPair:
    """One directed pair: where is the source's lesion in the target? `predicted_centre` (3,) and `predicted_box` (6,)
    are the published tracker's answers, in the target's voxels, where the file has them."""

    pair_id: str
    source: DlsLesion
    target: DlsLesion
    predicted_centre: NDArray[np.float64] | None = None
    predicted_box: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class LesionTags:
    """Labels of one lesion by its index; each list without repeats, in the order of first mention. `splits`: official
    splits that the row of that index may have, by the split in the file."""

    tags: Mapping[str, Sequence[str]]
    splits: tuple[int, ...] = (1, 2, 3)


def read_companion(path: Path) -> tuple[Companion, Any] | None:
    """What a JSON file is, by its content, with its values; None for a file that is none of them."""
    refuse_pickle(path)
    content = _content(path)
    first = _first(content)
    if isinstance(content, dict) and isinstance(content.get("term_list"), list):
        return "tags", content
    if isinstance(content, list) and isinstance(first, dict) and {"lesion_idx", "expanded_terms"} <= first.keys():
        return "hand tags", content
    if isinstance(content, dict) and isinstance(first, dict) and {"source", "target"} <= first.keys():
        return "pairs", content
    if isinstance(content, dict) and content and all(sub_volume_name(str(name)) for name in content):
        return "boxes", content
    return None


def read_tags(kind: Companion, content: Any, where: Path) -> dict[int, LesionTags]:
    """Lesion index -> labels: of the mined list with its 171 terms, or of the hand-labelled one."""
    if kind == "hand tags":
        return {_index(r, where): LesionTags({"tags_by_hand": _unique(r["expanded_terms"])}) for r in content}
    terms = content["term_list"]
    found: dict[int, LesionTags] = {}
    for word, splits in _SPLITS.items():
        indices = content.get(f"{word}_lesion_idxs", [])
        stated = {name: content.get(f"{word}_{kind}_labels") for kind, name in _KINDS.items()}
        lists = {name: labels for name, labels in stated.items() if labels is not None}
        if any(len(labels) != len(indices) for labels in lists.values()):
            raise _form(where, f"{word}: lists of {[len(labels) for labels in lists.values()]}", f"{len(indices)} each")
        for place, index in enumerate(indices):
            if index in found:
                raise _form(where, f"lesion {index} twice", "each lesion once")
            tags = {name: _terms(labels[place], terms, where) for name, labels in lists.items()}
            found[index] = LesionTags(tags, splits)
    return found


def read_pairs(content: Mapping[str, Any], where: Path) -> list[DlsPair]:
    """The directed pairs, in the file's order. DPL107 for one that lacks a field."""
    pairs = []
    for pair_id, record in content.items():
        try:
            answers = (record.get("predict target center"), record.get("predict target box"))
            pairs.append(DlsPair(str(pair_id), _end(record, "source"), _end(record, "target"), *map(_array, answers)))
        except (KeyError, TypeError, ValueError) as error:
            found = f"pair {pair_id}: {type(error).__name__} {error}"
            raise _form(where, found, "the fields of dls_valid.json") from error
    return pairs


def read_boxes(content: Mapping[str, Any], where: Path) -> dict[SubVolumeName, NDArray[np.float64]]:
    """Sub-volume -> boxes (n, 6) x1, y1, s1, x2, y2, s2, all included: x and y are 0-based pixels, s the published
    slice number (from 1, of the whole series). An empty sub-volume has (0, 6). DPL107 for a box outside its slices."""
    found: dict[SubVolumeName, NDArray[np.float64]] = {}
    for text, listed in content.items():
        name = sub_volume_name(str(text))
        if name is None or not isinstance(listed, list) or any(len(box) != 6 for box in listed):
            raise _form(where, f"{text}: {str(listed)[:60]}", "lists of x1, y1, slice 1, x2, y2, slice 2")
        boxes = np.asarray(listed, float).reshape(-1, 6)
        low, high = boxes[:, :3], boxes[:, 3:]
        inside = (low[:, 2] >= name.first) & (high[:, 2] <= name.last)
        if not np.isfinite(boxes).all() or (low > high).any() or not inside.all():
            raise _form(where, f"{text}: a box beyond its slices or turned round", f"slices {name.first}-{name.last}")
        found[name] = boxes
    return found


def _content(path: Path) -> Any:
    data = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        inflater = zlib.decompressobj(wbits=31)
        try:
            data = inflater.decompress(data, MAX_JSON_BYTES + 1)
        except (zlib.error, gzip.BadGzipFile) as error:
            raise _form(path, str(error), "a gzip file") from error
    return parse_json(data, path)[0]


def _first(content: Any) -> Any:
    if isinstance(content, dict):
        return next(iter(content.values()), None)
    return content[0] if isinstance(content, list) and content else None


def _unique(words: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(str(word) for word in words))


def _terms(numbers: Sequence[int], terms: Sequence[str], where: Path) -> list[str]:
    if any(not 0 <= number < len(terms) for number in numbers):
        raise _form(where, f"labels {list(numbers)}", f"numbers below {len(terms)}")
    return _unique([terms[number] for number in numbers])


def _index(record: Mapping[str, Any], where: Path) -> int:
    index = record.get("lesion_idx")
    if type(index) is not int or index < 0:
        raise _form(where, f"lesion_idx {index!r}", "a row number of DL_info.csv")
    return index


def _end(record: Mapping[str, Any], side: str) -> DlsLesion:
    volume, key = sub_volume_name(record[side]), slice_name(record[f"{side} recist slice"])
    if volume is None or key is None or not volume.first <= key.number <= volume.last:
        raise ValueError(f"{side}: names {record[side]!r} and {record[f'{side} recist slice']!r}")
    x, y, z = (float(edge) for edge in record[f"{side} spacing"])
    long, short = (float(length) for length in record[f"{side} recist diameter"])
    return DlsLesion(
        volume,
        key,
        (x, y, z),
        np.asarray(record[f"{side} recist center"], float).reshape(3),
        np.asarray(record[f"{side} box"], float).reshape(6),
        np.asarray(record[f"{side} recist coordinate"], float).reshape(4, 2),
        (long, short),
    )


def _array(values: Any) -> NDArray[np.float64] | None:
    return None if values is None else np.asarray(values, float)


def _form(where: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.COMPANION_FORM, where, found=found, expected=expected)
