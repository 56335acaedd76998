"""`relationships` of a scene graph -> rows of `relations`: subject the current exam, object the previous one."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from tumorboard.datasets.imagenome import codes
from tumorboard.datasets.imagenome.problems import Problems
from tumorboard.datasets.imagenome.statements import Sentence
from tumorboard.datasets.imagenome.words import contradict, split_attribute, split_cue

__all__ = ["change_rows", "image_of"]


def image_of(object_id: Any) -> str:
    """The image in ``<image_id>_<location>``; empty for anything else."""
    return object_id.rpartition("_")[0] if isinstance(object_id, str) else ""


def change_rows(
    relationships: Any,
    image_id: str,
    exam_id: str,
    *,
    run_id: str,
    where: str,
    places: Mapping[Sentence, tuple[str, int, int]],
    problems: Problems,
) -> list[dict[str, Any]]:
    """One row per relationship, word of change and attribute; `object` is still the previous IMAGE's id, which the
    reader exchanges for its exam. An inverted relationship (CIG108) is read as meant: current image first."""
    if not isinstance(relationships, list):
        problems.add(codes.GRAPH_FORM, where, f"relationships of type {type(relationships).__name__}")
        return []
    by_words = {sentence[2]: place for sentence, place in places.items()}
    rows: list[dict[str, Any]] = []
    for entry in relationships:
        if not isinstance(entry, Mapping):
            problems.add(codes.GRAPH_FORM, where, "a relationship that is no record")
            continue
        words = _words(entry)
        if contradict(words):
            problems.add(codes.CUES_CONTRADICT, where, ", ".join(words))
        current, previous = image_of(entry.get("subject_id")), image_of(entry.get("object_id"))
        if current != image_id:
            problems.add(codes.RELATION_INVERTED, where, f"subject {current or 'none'}, object {previous or 'none'}")
            if previous == image_id:
                current, previous = previous, current
        common = {
            "location": entry.get("bbox_name") if isinstance(entry.get("bbox_name"), str) else "",
            "source": "text",
            "images": [current, previous],
        }
        if entry.get("relationship_id") is not None:
            common["relationship_id"] = str(entry["relationship_id"])
        if entry.get("synsets"):
            common["synsets"] = entry["synsets"]
        place = by_words.get(entry.get("phrase") or "")
        for word in words:
            for text in _strings(entry.get("attributes")) or [""]:
                number = len(rows)
                a = common | _attribute(text)
                if place:
                    a["sentence"] = list(place[1:])
                rows.append(
                    {
                        "relation_id": f"{run_id}.{image_id}.c{number}",
                        "subject": exam_id,
                        "predicate": word,
                        "object": previous,
                        "run_id": run_id,
                        "text_id": place[0] if place else None,
                        "start": place[1] if place else None,
                        "end": place[2] if place else None,
                        "confidence": None,
                        "attributes": a,
                    }
                )
    return rows


def _attribute(text: str) -> dict[str, Any]:
    if not text:
        return {"category": "", "attribute": ""}
    category, polarity, label = split_attribute(text)
    found = {"category": category, "attribute": label}
    return found if polarity == "yes" else found | {"polarity": polarity}


def _words(entry: Mapping[str, Any]) -> list[str]:
    """The words of change: from relationship_names, else from the predicate (a list written as text)."""
    names = [part for name in _strings(entry.get("relationship_names")) for part in name.split(";;")]
    words = [split_cue(name.strip(), "comparison") for name in names]
    if not words and isinstance(entry.get("predicate"), str):
        try:
            listed = ast.literal_eval(entry["predicate"])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            listed = [entry["predicate"]]
        listed = listed if isinstance(listed, list) else [listed]
        words = [str(word).casefold().replace("no status change", "no change") for word in listed]
    return list(dict.fromkeys(words)) or ["unknown"]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
