"""Scene graphs -> triples, in an order that depends on the cohort alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from tumorboard.datasets.graphs import ExamGraph, sentence_of
from tumorboard.datasets.termcodes import SYSTEMS, TermCodes

__all__ = ["NAMESPACE", "Iri", "Literal", "Triple", "graph_triples", "vocabulary_triples"]

NAMESPACE = "urn:tumorboard:ns:"
"""Classes and properties; see the table in `docs/how-to/scene-graphs.md`."""
_DATA = "urn:tumorboard:data:"
_CONCEPT = "urn:tumorboard:chest:"


@dataclass(frozen=True, slots=True)
class Iri:
    """A resource by its full IRI."""

    value: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, whole number, number or truth value."""

    value: str | int | float | bool


Triple = tuple[Iri, Iri, "Iri | Literal"]
TYPE = Iri("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
LABEL = Iri("http://www.w3.org/2000/01/rdf-schema#label")


def _of(name: str) -> Iri:
    return Iri(NAMESPACE + name)


def _thing(kind: str, identifier: str) -> Iri:
    return Iri(f"{_DATA}{kind}:{quote(identifier, safe='')}")


def concept(kind: str, label: str) -> Iri:
    """A location, attribute or word of change of the vocabulary."""
    return Iri(f"{_CONCEPT}{kind}:{quote(label, safe='')}")


class _Node:
    """One resource with its properties; empty values are left out."""

    def __init__(self, subject: Iri, kind: str) -> None:
        self.subject = subject
        self.triples: list[Triple] = [(subject, TYPE, _of(kind))]

    def add(self, name: str, value: object) -> None:
        if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
            return
        node = value if isinstance(value, Iri) else Literal(value)  # type: ignore[arg-type]
        self.triples.append((self.subject, _of(name), node))


def graph_triples(exam: ExamGraph) -> Iterator[Triple]:
    """All triples of one exam: patient, exam, images, boxes, statements, changes."""
    patient, this = _thing("patient", exam.patient["patient_id"]), _thing("exam", exam.exam["exam_id"])
    node = _Node(this, "Exam")
    node.add("ofPatient", patient)
    for name in ("order", "day", "kind"):
        node.add(name, exam.exam[name])
    yield from _Node(patient, "Patient").triples
    yield from node.triples
    for image in exam.images:
        yield from _image(exam, image, this)
    bodies = exam.bodies
    for row in exam.statements:
        node = _Node(_thing("statement", row["relation_id"]), "Statement")
        a = row["attributes"]
        category, _, label = row["object"].partition("|")
        node.add("about", this)
        node.add("attribute", concept("attribute", label) if label else None)
        node.add("category", category)
        node.add("polarity", row["predicate"])
        for location in a["locations"]:
            node.add("location", concept("location", location))
        for name in ("tense", "comparison", "severity", "section"):
            node.add(name, a.get(name))
        for kind, cue in a.get("cues") or ():
            node.add("cue", f"{kind}: {cue}")
        node.add("sentence", sentence_of(row, bodies))
        node.add("confidence", row["confidence"])
        node.add("run", row["run_id"])
        yield from node.triples
    for row in exam.changes:
        node = _Node(_thing("change", row["relation_id"]), "Change")
        a = row["attributes"]
        node.add("current", this)
        node.add("previous", _thing("exam", row["object"]) if row["object"] else None)
        node.add("word", row["predicate"])
        node.add("location", concept("location", a["location"]) if a.get("location") else None)
        node.add("attribute", concept("attribute", a["attribute"]) if a.get("attribute") else None)
        node.add("source", a.get("source"))
        node.add("run", row["run_id"])
        yield from node.triples


def _image(exam: ExamGraph, image: dict[str, object], this: Iri) -> Iterator[Triple]:
    image_id = str(image["image_id"])
    node = _Node(_thing("image", image_id), "Image")
    node.add("ofExam", this)
    node.add("modality", image["modality"])
    yield from node.triples
    for row in exam.boxes[image_id]:
        box = _Node(_thing("box", row["finding_id"]), "Box")
        box.add("onImage", node.subject)
        box.add("location", concept("location", row["label"]) if row["label"] else None)
        for name, value in zip(
            ("x1SourcePx", "y1SourcePx", "x2SourcePx", "y2SourcePx"), row["box"] or (), strict=False
        ):
            box.add(name, float(value))
        box.add("score", row["score"])
        box.add("run", row["run_id"])
        yield from box.triples


def vocabulary_triples(locations: set[str], labels: set[str], terms: TermCodes) -> Iterator[Triple]:
    """Names and known codes of the concepts that are used."""
    for kind, names in (("location", locations), ("attribute", labels)):
        for name in sorted(names):
            subject = concept(kind, name)
            yield subject, TYPE, _of("Concept")
            yield subject, LABEL, Literal(name)
            for system, code in sorted(terms.of(name).items()):
                yield subject, _of("exactMatch"), Iri(f"{SYSTEMS[system]}/{quote(code, safe='')}")
