"""The ontology file: labels with their locations, places, head words and what "normal" denies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorboard.core import chest
from tumorboard.core.errors import TumorboardError
from tumorboard.nlp.codes import LEXICON_UNREADABLE
from tumorboard.nlp.terms import Label, Places

__all__ = ["Ontology", "by_side", "read_ontology"]


@dataclass(frozen=True)
class Ontology:
    """Compiled ontology.

    `compose` maps (head word, place) to a label, or to None where the pair means nothing; place ``*`` is the label
    without place. `normal` maps a place to the labels that "clear" or "normal" denies there.
    """

    name: str
    version: str
    labels: Mapping[str, Label]
    places: Mapping[str, Places]
    compose: Mapping[tuple[str, str], Label | None]
    normal: Mapping[str, tuple[Label, ...]]
    heads: frozenset[str]


def by_side(templates: Iterable[str]) -> Places:
    """Location names for no side, right, left and both, of templates with ``{side}``."""
    right: list[str] = []
    left: list[str] = []
    for template in templates:
        if "{side}" in template:
            right.append(template.replace("{side}", "right"))
            left.append(template.replace("{side}", "left"))
        else:
            right.append(template)
            left.append(template)
    both = tuple(dict.fromkeys((*right, *left)))
    return both, tuple(right), tuple(left), both


def read_ontology(content: Mapping[str, Any], path: Path) -> Ontology:
    """Compile the file's content; raises NLP102 for a missing key or an unknown name."""
    try:
        return _read(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise TumorboardError(
            LEXICON_UNREADABLE, path, found=f"{type(error).__name__}: {error}", expected="the keys of an ontology"
        ) from error


def _read(content: Mapping[str, Any]) -> Ontology:
    groups = {name: by_side(templates)[0] for name, templates in content["groups"].items()}
    categories: Mapping[str, str] = (
        chest.CATEGORY_OF if content.get("locations") == "chest" else content.get("categories", {})
    )
    everywhere = tuple(name for places in content["places"].values() for name in by_side(places)[0])
    labels = {}
    for name, entry in content["labels"].items():
        allowed = entry["allowed"]
        if allowed == "all":
            names: Iterable[str] = everywhere
        else:
            names = groups[allowed] if isinstance(allowed, str) else by_side(allowed)[0]
        labels[name] = Label(
            name=name,
            category=entry.get("category") or categories[name],
            default=by_side(entry.get("default", ())),
            allowed=frozenset(names),
            parents=tuple(entry.get("parents", ())),
            diffuse=bool(entry.get("diffuse")),
            device=bool(entry.get("device")),
            entry=bool(entry.get("entry")),
            lasting=bool(entry.get("lasting")),
        )
    compose = {
        (head, place): None if label == "-" else labels[label]
        for head, entries in content.get("compose", {}).items()
        for place, label in entries.items()
    }
    return Ontology(
        name=content["name"],
        version=str(content["version"]),
        labels=labels,
        places={name: by_side(templates) for name, templates in content["places"].items()},
        compose=compose,
        normal={place: tuple(labels[name] for name in names) for place, names in content.get("normal", {}).items()},
        heads=frozenset(head for head, _ in compose),
    )
