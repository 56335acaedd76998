"""`objects` of a scene graph <-> rows of `findings`, and what is odd about a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tumorboard.core.chest import LOCATIONS
from tumorboard.datasets.imagenome import codes
from tumorboard.datasets.imagenome.problems import Problems
from tumorboard.datasets.imagenome.space import SIDE

__all__ = ["KIND", "box_problems", "finding_rows", "object_record", "plain_numbers", "published_name"]

KIND = "anatomical location"
"""Kind of the findings that anatomical boxes are."""
_CORNERS = ("x1", "y1", "x2", "y2")
_LARGEST = 1e9
_LARGEST_GAP = 2
"""Source pixels by which width and the corners' distance may differ in the published files."""


@lru_cache(maxsize=1024)
def published_name(location: str) -> str:
    """How a location is called in the field `name`: with a capital letter."""
    return location[:1].upper() + location[1:]


def plain_numbers(values: Sequence[float]) -> list[Any]:
    """Whole numbers as integers, others as they are."""
    return [int(v) if v == int(v) else v for v in values]


def finding_rows(objects: Any, image_id: str, *, run_id: str, where: str, problems: Problems) -> list[dict[str, Any]]:
    """Rows of `findings` (attributes as a dictionary) for the list `objects`; boxes in source pixels.

    Whatever is odd goes to `problems` and, for a single box, to its own ``problems``; nothing is changed.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    if not isinstance(objects, list):
        problems.add(codes.GRAPH_FORM, where, f"objects of type {type(objects).__name__}")
        return rows
    for entry in objects:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("bbox_name"), str):
            problems.add(codes.GRAPH_FORM, where, "an object without bbox_name")
            continue
        location = entry["bbox_name"]
        seen[location] = seen.get(location, 0) + 1
        row = _row(entry, location, image_id, run_id)
        found = box_problems(row["attributes"].get("box_224"), row["box"], row["attributes"])
        if seen[location] > 1:
            row["finding_id"] += f"#{seen[location]}"
            found.append((codes.BOX_TWICE, location))
        if found:
            row["attributes"]["problems"] = [code.id for code, _ in found]
            for code, words in found:
                problems.add(code, where, f"{location}: {words}")
        rows.append(row)
    missing = [location for location in LOCATIONS if location not in seen]
    if missing:
        problems.add(codes.BOX_MISSING, where, ", ".join(missing[:4]))
    return rows


def _numbers(entry: Mapping[str, Any], prefix: str, names: Sequence[str]) -> list[float] | None:
    values = [entry.get(prefix + name) for name in names]
    for value in values:
        if type(value) not in (int, float) or abs(value) > _LARGEST:  # type: ignore[arg-type]
            return None
    return values  # type: ignore[return-value]


def _row(entry: Mapping[str, Any], location: str, image_id: str, run_id: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    small, source = _numbers(entry, "", _CORNERS), _numbers(entry, "original_", _CORNERS)
    if small:
        attributes["box_224"] = small
    for key, prefix, corners in (("size_224", "", small), ("size", "original_", source)):
        size = _numbers(entry, prefix, ("width", "height"))
        if size and (corners is None or size != [corners[2] - corners[0], corners[3] - corners[1]]):
            attributes[key] = size
    if entry.get("synsets"):
        attributes["synsets"] = entry["synsets"]
    if entry.get("name") != published_name(location):
        attributes["name"] = entry.get("name")
    return {
        "finding_id": f"{run_id}.{image_id}_{location}",
        "image_id": image_id,
        "run_id": run_id,
        "kind": KIND,
        "label": location,
        "box": [float(v) for v in source] if source else None,
        "attributes": attributes,
    }


def box_problems(
    small: Sequence[float] | None, source: Sequence[float] | None, sizes: Mapping[str, Any]
) -> list[tuple[Any, str]]:
    """(code, words) of each oddity of one box: empty, outside, or two spaces that do not fit each other."""
    found: list[tuple[Any, str]] = []
    if small is None or source is None:
        return [(codes.BOX_SPACES, "no coordinates in " + ("both spaces" if small is source else "one space"))]
    if source[2] <= source[0] or source[3] <= source[1] or small[2] <= small[0] or small[3] <= small[1]:
        found.append((codes.BOX_EMPTY, f"{source[0]:g}, {source[1]:g}, {source[2]:g}, {source[3]:g}"))
    if min(source) < 0 or min(small) < 0 or max(small) > SIDE:
        found.append((codes.BOX_OUTSIDE, f"{small[0]:g}, {small[1]:g}, {small[2]:g}, {small[3]:g} in the 224 space"))
    size = sizes.get("size")
    if size and max(abs(size[0] - source[2] + source[0]), abs(size[1] - source[3] + source[1])) > _LARGEST_GAP:
        found.append((codes.BOX_SPACES, f"size {size[0]:g} x {size[1]:g}"))
    elif not found:
        wide, high = small[2] - small[0], small[3] - small[1]
        ratios = (source[2] - source[0]) / wide, (source[3] - source[1]) / high
        # Both axes have one ratio; corners are rounded to whole pixels in the small space.
        slack = sum(abs(r) * 2 / n for r, n in zip(ratios, (wide, high), strict=True))
        if abs(ratios[0] - ratios[1]) > slack:
            found.append((codes.BOX_SPACES, f"scaled by {ratios[0]:.2f} in x and {ratios[1]:.2f} in y"))
    return found


def object_record(row: Mapping[str, Any], image_id: str) -> dict[str, Any]:
    """The entry of `objects` of one row of `findings` (attributes as a dictionary)."""
    a, location = row["attributes"], row["label"]
    record: dict[str, Any] = {"object_id": f"{image_id}_{location}"}
    for prefix, corners, size in (("", a.get("box_224"), a.get("size_224")), ("original_", row["box"], a.get("size"))):
        if corners is None:
            continue
        x1, y1, x2, y2 = plain_numbers(corners)
        wide, high = size or (x2 - x1, y2 - y1)
        record |= {f"{prefix}x1": x1, f"{prefix}y1": y1, f"{prefix}x2": x2, f"{prefix}y2": y2}
        record |= {f"{prefix}width": wide, f"{prefix}height": high}
    record["bbox_name"] = location
    record["synsets"] = a.get("synsets", [])
    record["name"] = a.get("name", published_name(location))
    return record
