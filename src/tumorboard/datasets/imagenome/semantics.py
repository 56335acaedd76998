"""`semantics`: the vocabulary as the release lists it, and the table of codes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tumorboard.core.chest import ATTRIBUTES, BOX_LOCATIONS, PUBLISHED_CHANGES, REPORT_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.imagenome import codes
from tumorboard.datasets.termcodes import TermCodes
from tumorboard.io.jsonfile import read_json

__all__ = ["read_semantics", "write_semantics"]

_LISTS = {
    "objects_detectable_by_bbox_pipeline_v1.txt": BOX_LOCATIONS,
    "objects_extracted_from_reports_v1.txt": REPORT_LOCATIONS,
    "comparison_relations_v1.txt": tuple(f"comparison|yes|{word}" for word in PUBLISHED_CHANGES),
    "attribute_relations_v1.txt": tuple(
        f"{category}|{polarity}|{label}"
        for category, labels in ATTRIBUTES.items()
        if category not in ("comparison", "laterality")
        for label in labels
        for polarity in ("yes", "no")
    ),
}
_MAPPING = "label_to_UMLS_mapping.json"


def write_semantics(folder: Path, terms: TermCodes | None = None) -> None:
    """Write the four lists (a name per line) and the mapping label -> concepts, empty where no code is known."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in _LISTS.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    known = terms or TermCodes()
    labels = [*REPORT_LOCATIONS, *(label for labels in ATTRIBUTES.values() for label in labels)]
    content = {"label_to_UMLS": {label: [known.cui(label)] if known.cui(label) else [] for label in labels}}
    (folder / _MAPPING).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_semantics(folder: Path) -> dict[str, Any]:
    """What a release's `semantics` says: ``lists`` (lines by file) and ``mapping`` (the JSON as it is; users know
    `all_children`, `possible_attribute_of` and label -> concepts). Files that are absent are left out.
    Errors: CIG118 a list that is no text, FIL105 and FIL112 the JSON."""
    found: dict[str, Any] = {"lists": {}, "mapping": {}}
    for name in _LISTS:
        path = folder / name
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except UnicodeDecodeError as error:
                raise TumorboardError(codes.GOLD_TABLE, path, found=f"{error.reason}", expected="UTF-8 text") from error
            found["lists"][name] = [line.strip() for line in lines if line.strip()]
    if (folder / _MAPPING).is_file():
        value, _ = read_json(folder / _MAPPING)
        found["mapping"] = value if isinstance(value, Mapping) else {}
    return found
