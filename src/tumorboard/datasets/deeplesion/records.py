"""One row of DL_info.csv, from a finding and the numbered CT it lies in. Here 0-based pixels become 1-based."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LESION_TYPES, LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM
from tumorboard.core.tables import EXPERT
from tumorboard.datasets.deeplesion.names import SubVolumeName
from tumorboard.datasets.deeplesion.numbering import Numbered, NumberedImage
from tumorboard.datasets.deeplesion.table import BOX_MARGIN_PX, UNKNOWN_TYPE

__all__ = ["LesionRecord", "lesion_records"]

_WINDOW_HU = (-175.0, 275.0)
"""The published window of most lesions, for those without one of their own."""


@dataclass(frozen=True, eq=False)
class LesionRecord:
    """One lesion, ready to be written."""

    finding_id: str
    image: NumberedImage
    ends_px: NDArray[np.float64]
    """(4, 2), 0-based."""
    key_slice: int
    diameters_px: tuple[float, float]
    label: str
    told: Mapping[str, Any]
    index: int = -1
    slice_range: tuple[int, int] = (1, 1)

    @property
    def file_name(self) -> str:
        return f"{self.image.series_name}_{self.key_slice:03d}.png"

    @property
    def placed(self) -> bool:
        return self.image.geometry is not None

    @property
    def spacing_mm(self) -> Sequence[float]:
        """x, y, interval; as published where they cannot be used."""
        if self.image.geometry is not None:
            return [float(edge) for edge in self.image.geometry.spacing_mm]
        return [float("nan") if edge is None else edge for edge in self.image.told.get("spacing_mm", [None] * 3)]

    def cells(self) -> list[Any]:
        """The 18 cells, in the published order."""
        image, ends = self.image, self.ends_px + 1
        box = [*(ends.min(axis=0) - BOX_MARGIN_PX), *(ends.max(axis=0) + BOX_MARGIN_PX)]
        known = self.label in LESION_TYPES
        return [
            self.file_name,
            image.patient,
            image.study,
            image.series,
            self.key_slice,
            _list(ends.ravel()),
            _list(box),
            _list(self.diameters_px),
            _list(self.told.get("relative_location", ())),
            LESION_TYPES.index(self.label) + 1 if known else UNKNOWN_TYPE,
            int(bool(self.told.get("noisy"))),
            _list(self.slice_range),
            _list(self.spacing_mm),
            _list(image.size_px),
            _list(self.told.get("window_hu", _WINDOW_HU)),
            image.sex,
            None if image.age_years is None else f"{image.age_years:g}",
            image.split,
        ]

    def pair_end(self, side: str) -> dict[str, Any]:
        """This lesion as `source` or `target` of a pair: voxels of the official sub-volume (x and y 0-based, layer =
        slice - first), diameters in pixels."""
        first, last = self.slice_range
        layer = self.key_slice - first
        low, high = self.ends_px.min(axis=0) - BOX_MARGIN_PX, self.ends_px.max(axis=0) + BOX_MARGIN_PX
        centre = [*self.ends_px.mean(axis=0), layer]
        values: dict[str, Sequence[float]] = {
            "box": [*low, layer, *(high - low), 1],
            "center": centre,
            "spacing": self.spacing_mm,
            "recist coordinate": self.ends_px.ravel().tolist(),
            "recist diameter": self.diameters_px,
            "recist box": [*low, *(high - low)],
            "recist center": centre,
        }
        record: dict[str, Any] = {f"{side} {name}": [round(float(v), 6) for v in vs] for name, vs in values.items()}
        record[side] = f"{SubVolumeName(self.image.series_name, first, last)}.nii.gz"
        record[f"{side} recist slice"] = f"{self.image.series_name}/{self.key_slice:03d}.png"
        return record


def lesion_records(cohort: Cohort, numbered: Numbered, *, context_mm: float) -> list[LesionRecord]:
    """All marked lesions on numbered images, in the order in which they are to be written."""
    found = []
    for row in cohort.rows("findings", run_id=EXPERT, kind=RECIST_PAIR):
        image = numbered.images.get(row["image_id"])
        record = _record(row, image) if image is not None else None
        if record is not None:
            found.append(record)
    own = [index for record in found if isinstance(index := record.told.get("lesion_index"), int)]
    if len(set(own)) == len(found):
        found = [replace(record, index=index) for index, record in sorted(zip(own, found, strict=True), key=_first)]
    else:
        found = [replace(record, index=index) for index, record in enumerate(found)]
    ranges = _ranges(found, context_mm)
    return [replace(record, slice_range=around(record, ranges)) for record in found]


def _first(pair: tuple[Any, LesionRecord]) -> int:
    return int(pair[0])


def _record(row: Mapping[str, Any], image: NumberedImage) -> LesionRecord | None:
    """None for a lesion without any place."""
    told = json.loads(row["attributes"] or "{}")
    if image.geometry is not None and row["points_mm"]:
        places = image.geometry.to_index(np.reshape(row["points_mm"], (4, 3)))
        ends, key = places[:, :2], image.first + int(np.rint(places[:, 2].mean()))
    elif "ends_px" in told:
        ends, key = np.reshape(told["ends_px"], (4, 2)), int(told["key_slice"])
    else:
        return None
    measured = row["measurements"] or {}
    if image.geometry is not None and {LONG_AXIS_MM, SHORT_AXIS_MM} <= measured.keys():
        x = float(image.geometry.spacing_mm[0])
        long, short = measured[LONG_AXIS_MM] / x, measured[SHORT_AXIS_MM] / x
    else:
        long, short = np.linalg.norm(ends[0::2] - ends[1::2], axis=1).tolist()
    last = image.first + image.slices - 1
    key = min(max(key, image.first), last)
    return LesionRecord(row["finding_id"], image, ends, key, (long, short), row["label"] or "", told)


def _ranges(records: Sequence[LesionRecord], context_mm: float) -> dict[str, list[tuple[int, int]]]:
    """Image id -> slices to give: all of them, or around each key slice, joined where they touch."""
    wanted: dict[str, list[tuple[int, int]]] = {}
    for record in records:
        image = record.image
        first, last = image.first, image.first + image.slices - 1
        if context_mm > 0 and image.geometry is not None:
            sx, _, sz = image.geometry.spacing_mm
            reach = int(np.ceil(max(context_mm, record.diameters_px[0] * sx) / sz))
            first, last = max(first, record.key_slice - reach), min(last, record.key_slice + reach)
        wanted.setdefault(image.row["image_id"], []).append((first, last))
    return {image_id: _joined(ranges) for image_id, ranges in wanted.items()}


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def around(record: LesionRecord, ranges: Mapping[str, Sequence[tuple[int, int]]]) -> tuple[int, int]:
    """The range of the record's image that its key slice lies in."""
    mine = ranges[record.image.row["image_id"]]
    return next(pair for pair in mine if pair[0] <= record.key_slice <= pair[1])


def _list(values: Iterable[float]) -> str | None:
    """ "a, b", six digits each; empty for none."""
    return ", ".join(f"{float(value):.6g}" for value in values) or None
