"""`dataset.json`: channels, labels and regions of an nnU-Net data set.

Format: nnU-Net documentation, "How to use dataset.json" (v2) and its conversion notes (v1: `modality`, labels keyed by
value, no `file_ending`). The key `tumorboard`, which nnU-Net ignores, keeps what its own keys cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.io.jsonfile import read_json

__all__ = ["DatasetSpec", "parse_regions", "require_consecutive"]

FILE = "dataset.json"


@dataclass(frozen=True)
class DatasetSpec:
    """What `dataset.json` says.

    channels : names in the order of the file endings `_0000`, `_0001` ...
    labels : voxel value -> structure, background left out.
    regions : region -> values it is made of (empty: plain labels).
    units : unit by channel, where the file says it (ours do).
    """

    channels: tuple[str, ...]
    labels: Mapping[int, str]
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    file_ending: str = ".nii.gz"
    count: int | None = None

    @classmethod
    def read(cls, folder: Path) -> DatasetSpec:
        """LAY101 without `dataset.json`, LAY103 when it is not of this form, LAY110 for labels without a meaning."""
        path = folder / FILE
        if not path.is_file():
            raise TumorboardError(codes.LAYOUT_NOT_FOUND, folder, found=f"no {FILE}", expected="a raw nnU-Net folder")
        spec, _ = read_json(path)
        try:
            channels = spec.get("channel_names") or spec["modality"]
            own = spec.get("tumorboard") or {}
            values, regions = _labels(spec["labels"], own.get("label_values") or {}, path)
            count = spec.get("numTraining")
            return cls(
                tuple(str(channels[str(n)]) for n in range(len(channels))),
                values,
                regions,
                tuple(str(unit) for unit in own.get("units") or ()),
                str(spec.get("file_ending") or ".nii.gz"),
                None if count is None else int(count),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TumorboardError(
                codes.TABLE_FORM,
                path,
                found=f"{type(error).__name__}: {error}",
                expected="channel_names, labels, numTraining, file_ending",
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Plain types for `dataset.json`, regions largest first as nnU-Net wants them."""
        labels: dict[str, Any] = {"background": 0}
        if self.regions:
            labels |= {name: list(values) for name, values in self.regions.items()}
        else:
            labels |= {name: value for value, name in sorted(self.labels.items())}
        content: dict[str, Any] = {
            "channel_names": {str(n): name for n, name in enumerate(self.channels)},
            "labels": labels,
            "numTraining": self.count,
            "file_ending": self.file_ending,
            "tumorboard": {
                "label_values": {name: value for value, name in sorted(self.labels.items())},
                "units": list(self.units),
            },
        }
        if self.regions:
            content["regions_class_order"] = _class_order(self.regions)
        return content


def require_consecutive(labels: Mapping[int, str], where: str) -> None:
    """LAY110 unless the values are 1, 2 ... n with a name each of their own."""
    values = sorted(labels)
    if values != list(range(1, len(values) + 1)) or len(set(labels.values())) != len(labels):
        raise TumorboardError(
            codes.LABELS,
            where,
            found=f"labels {dict(sorted(labels.items()))}",
            expected=f"values 1 to {len(values)}, each of one structure",
            fix="write them renumbered with --set renumber=true",
        )


def parse_regions(text: str, labels: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    """``tumour=1+2,GTVn=2`` -> {'tumour': (1, 2), 'GTVn': (2,)}; LAY113 for another form or unknown values, LAY110 for
    regions that nnU-Net cannot put in an order (each needs a value that no later region has)."""
    regions: dict[str, tuple[int, ...]] = {}
    for part in text.split(","):
        name, _, list_ = part.partition("=")
        values = [value.strip() for value in list_.split("+")]
        if not name.strip() or name.strip() in regions or not all(v.isdecimal() and int(v) in labels for v in values):
            raise TumorboardError(
                codes.OPTION, "option regions", found=repr(text), expected=f"e.g. tumour=1+2 of values {sorted(labels)}"
            )
        regions[name.strip()] = tuple(sorted({int(value) for value in values}))
    _class_order(regions)
    return regions


def _class_order(regions: Mapping[str, Sequence[int]]) -> list[int]:
    """The value that each region writes: the one that no later region overwrites."""
    ordered = list(regions.items())
    order = []
    for index, (name, values) in enumerate(ordered):
        later = {value for _, others in ordered[index + 1 :] for value in others}
        own = [value for value in values if value not in later]
        if len(own) != 1:
            raise TumorboardError(
                codes.LABELS,
                f"region {name}",
                found=f"values {own} that no later region has",
                expected="exactly one; list regions from the largest to the smallest",
            )
        order.append(own[0])
    return order


def _labels(
    published: Mapping[str, Any], stated: Mapping[str, int], path: Path
) -> tuple[dict[int, str], dict[str, tuple[int, ...]]]:
    """Names by value and regions, from v2 (`name: value or list`) or v1 (`"1": name`)."""
    if all(str(key).isdecimal() and isinstance(name, str) for key, name in published.items()):
        return {int(key): name for key, name in published.items() if int(key)}, {}
    regions = {str(name): tuple(int(v) for v in value) for name, value in published.items() if isinstance(value, list)}
    names = {int(value): str(name) for name, value in published.items() if not isinstance(value, list)}
    names |= {int(value): str(name) for name, value in stated.items()}
    for name, values in regions.items():
        if len(values) == 1:
            names.setdefault(values[0], name)
    unnamed = sorted({value for values in regions.values() for value in values} - set(names))
    names |= {value: _by_regions(value, regions) for value in unnamed}
    if len({*names.values()}) != len(names):
        raise TumorboardError(codes.LABELS, path, found=f"{names}", expected="one name for each value")
    names.pop(0, None)
    if regions:  # single values beside regions are regions of one value
        regions |= {n: (v,) for n, v in published.items() if not isinstance(v, list) and v and n != "ignore"}
    return names, regions


def _by_regions(value: int, regions: Mapping[str, Sequence[int]]) -> str:
    """A name for a value that only regions mention: the regions it belongs to, largest first."""
    mine = sorted((name for name, values in regions.items() if value in values), key=lambda n: -len(regions[n]))
    return f"{' & '.join(mine)} ({value})"
