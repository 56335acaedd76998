"""Rows of a cohort -> a published scene graph; and what of a published one the rows do not give back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tumorboard.datasets.imagenome.objects import object_record, published_name
from tumorboard.datasets.imagenome.statements import CUES
from tumorboard.datasets.imagenome.words import HEDGE, PREDICATE_OF, published_change

__all__ = ["attribute_entries", "differences", "image_changes", "published_graph", "relationship_entries", "restore"]

Row = Mapping[str, Any]


def published_graph(
    *,
    image: Row,
    exam: Row,
    patient: Row,
    boxes: Sequence[Row],
    statements: Sequence[Row],
    changes: Sequence[Row],
    bodies: Mapping[str, str],
    reason: str,
) -> dict[str, Any]:
    """The scene graph of one image. Rows as in the cohort's tables, with `attributes` and `options` as dictionaries;
    `changes` are this image's; `bodies` texts by id."""
    options = image["options"]
    own = options.get("imagenome", {})
    image_id, exam_id = image["image_id"], exam["exam_id"]
    names = {row["label"]: row["attributes"] for row in boxes}
    order = exam["order"]
    return {
        "image_id": image_id,
        "viewpoint": options.get("viewpoint", ""),
        "patient_id": _plain_id(patient["patient_id"]),
        "study_id": _plain_id(exam_id),
        "gender": {"female": "F", "male": "M"}.get(patient.get("sex") or "", ""),
        "age_decile": patient.get("age_decile") or "",
        "reason_for_exam": reason,
        "StudyOrder": None if order is None else order + 1,
        "StudyDateTime": options.get("StudyDateTime", ""),
        "objects": [object_record(row, image_id) for row in boxes],
        "attributes": attribute_entries(statements, bodies, image_id, exam_id, own.get("order", ()), names),
        "relationships": relationship_entries(changes, bodies, image_id),
    }


def _plain_id(text: str) -> Any:
    """Published identifiers of patients and studies are numbers; others stay text."""
    return int(text) if text.isdecimal() and not text.startswith("0") and len(text) < 16 else text


def attribute_entries(
    statements: Sequence[Row],
    bodies: Mapping[str, str],
    image_id: str,
    exam_id: str,
    order: Sequence[str],
    names: Mapping[str, Row],
) -> list[dict[str, Any]]:
    """The list `attributes`: one entry per location, in the given order and then as first spoken of."""
    spoken: dict[str, list[_Slot]] = {location: [] for location in order}
    sentences: dict[tuple[str | None, int], tuple[tuple[str, str, str], dict[str, _Slot]]] = {}
    named: set[str] = set()
    for row in statements:
        a = row["attributes"]
        if "image" in a:
            continue
        start, end = a.get("sentence") or (row["start"] or 0, row["end"] or 0)
        place = (row["text_id"], start)
        if place not in sentences:
            phrase_id = a.get("phrase_id") or f"{exam_id}|{a.get('phrase', len(sentences) + 1)}"
            said = (bodies.get(row["text_id"], "")[start:end], phrase_id, a.get("section") or "")
            sentences[place] = (said, {})
        said, here = sentences[place]
        category, _, label = row["object"].partition("|")
        predicate = row["predicate"]
        text = f"{category}|{'no' if predicate == 'no' else 'yes'}|{label}" if category else label
        cues = _cues(a, hedged=predicate == "uncertain")
        cui = a.get("cui", "")
        for location in a["locations"]:
            slot = here.get(location)
            if slot is None:
                slot = here[location] = ([], [], [], [], [], [], *said)
                spoken.setdefault(location, []).append(slot)
            if text:
                slot[0].append(text)
                slot[1].append(cui)
            for at, cue in cues:
                if cue not in slot[at]:
                    slot[at].append(cue)
        named.update(a["locations"] if "default" not in a else [x for x in a["locations"] if x not in a["default"]])
    return [
        _entry(location, slots, image_id, names.get(location, {}), is_named=not slots or location in named)
        for location, slots in spoken.items()
    ]


_Slot = tuple[Any, ...]
"""One sentence at a location: attributes, their ids, the cues of each of `CUES`, phrase, phrase id, section."""
_SLOT_OF = {category: at for at, category in enumerate(CUES, 2)}


def _entry(location: str, slots: Sequence[_Slot], image_id: str, box: Row, *, is_named: bool) -> dict[str, Any]:
    return {
        location: is_named,
        "bbox_name": location,
        "synsets": box.get("synsets", []),
        "name": box["name"] if "name" in box else published_name(location),
        "attributes": [slot[0] for slot in slots],
        "attributes_ids": [slot[1] for slot in slots],
        "phrases": [slot[6] for slot in slots],
        "phrase_IDs": [slot[7] for slot in slots],
        "sections": [slot[8] for slot in slots],
        "comparison_cues": [slot[2] for slot in slots],
        "temporal_cues": [slot[3] for slot in slots],
        "severity_cues": [slot[4] for slot in slots],
        "texture_cues": [slot[5] for slot in slots],
        "object_id": f"{image_id}_{location}",
    }


def _cues(a: Row, *, hedged: bool) -> list[tuple[int, str]]:
    """The cues of one statement: (position in a slot, ``category|yes|label``)."""
    listed = [(_SLOT_OF[c], f"{c}|yes|{label}") for c, label in a.get("cues") or () if c in _SLOT_OF]
    change, degree = published_change(a.get("comparison")), a.get("severity")
    if degree:
        listed.append((_SLOT_OF["severity"], f"severity|yes|{degree}"))
    if change:
        listed.append((_SLOT_OF["comparison"], f"comparison|yes|{change}"))
    if hedged:
        listed.append((_SLOT_OF["severity"], f"severity|yes|{HEDGE}"))
    return listed


def relationship_entries(changes: Sequence[Row], bodies: Mapping[str, str], image_id: str) -> list[dict[str, Any]]:
    """The list `relationships`: subject the current image, object the previous one."""
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(changes):
        a = row["attributes"]
        word = published_change(row["predicate"])
        if word is None:
            continue
        location = a.get("location", "")
        current, previous = a.get("images") or (image_id, row["object"])
        key = a.get("relationship_id") or f"{current}|{previous}|{location}|{number}"
        entry = found.get(key)
        if entry is None:
            start, end = a.get("sentence") or (row["start"] or 0, row["end"] or 0)
            entry = found[key] = {
                "relationship_id": key,
                "predicate": "",
                "synsets": a.get("synsets", []),
                "relationship_names": [],
                "relationship_contexts": [],
                "phrase": bodies.get(row["text_id"] or "", "")[start:end],
                "attributes": [],
                "bbox_name": location,
                "subject_id": f"{current}_{location}",
                "object_id": f"{previous}_{location}",
            }
        name = f"comparison|yes|{word}"
        if name not in entry["relationship_names"]:
            entry["relationship_names"].append(name)
            entry["relationship_contexts"].append(1.0)
        category, label = a.get("category") or "", a.get("attribute") or ""
        text = f"{category}|{a.get('polarity', 'yes')}|{label}"
        if label and text not in entry["attributes"]:
            entry["attributes"].append(text)
    for entry in found.values():
        words = [PREDICATE_OF[name.rpartition("|")[2]] for name in entry["relationship_names"]]
        entry["predicate"] = str(words)
    return list(found.values())


def image_changes(image_id: str, changes: Sequence[Row], shown: Mapping[str, Sequence[str]]) -> list[Row]:
    """One image's rows of change. Published ones name their pair of images; ours, between exams, become one row per
    previous image. `shown`: exam -> its images, this exam's and earlier ones."""
    found: list[Row] = []
    for row in changes:
        a = row["attributes"]
        if "images" in a:
            found += [row] if a["images"][0] == image_id else []
            continue
        for number, previous in enumerate(shown.get(row["object"], [row["object"]])):
            key = f"{row['relation_id']}|{image_id}|{number}"
            found.append({**row, "attributes": {**a, "images": [image_id, previous], "relationship_id": key}})
    return found


# ---- what the rows do not say -----------------------------------------------------------------------
def differences(published: Mapping[str, Any], composed: Mapping[str, Any]) -> list[list[Any]]:
    """What of a published graph would not come back: [key, position or None, digest of what was composed, published].

    A missing key is kept as such (published: ``{"absent": true}`` with position -1)."""
    kept: list[list[Any]] = []
    for key, value in published.items():
        mine = composed.get(key)
        if key in composed and mine == value and type(mine) is type(value):
            continue
        if key in composed and isinstance(value, list) and isinstance(mine, list) and len(value) == len(mine):
            kept += [
                [key, at, _digest(b), a]
                for at, (a, b) in enumerate(zip(value, mine, strict=True))
                if a != b or a.get(a.get("bbox_name")) is not b.get(b["bbox_name"])  # 1 equals True
            ]
        else:
            kept.append([key, None, _digest(mine), value])
    kept += [[key, -1, _digest(composed[key]), None] for key in composed if key not in published]
    return kept


def restore(composed: dict[str, Any], kept: Sequence[Sequence[Any]]) -> int:
    """Put the published parts back where what is composed today is what was composed when they were read; where a row
    has been changed since, the row counts. Returns how many parts were not put back."""
    changed = 0
    for key, at, digest, value in kept:
        whole = at is None or at == -1
        if not whole and at >= len(composed.get(key, ())):
            changed += 1
            continue
        now = composed.get(key) if whole else composed[key][at]
        if _digest(now) != digest:
            changed += 1
        elif at == -1:
            composed.pop(key, None)
        elif at is None:
            composed[key] = value
        else:
            composed[key][at] = value
    return changed


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
