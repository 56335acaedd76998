"""Triples -> Turtle and JSON-LD, one statement at a time. Both files hold the same graph (no blank nodes)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.graphs import exam_graphs
from tumorboard.datasets.rdf.triples import NAMESPACE, TYPE, Iri, Literal, Triple, graph_triples, vocabulary_triples
from tumorboard.datasets.termcodes import TermCodes, read_term_codes

__all__ = ["write"]

_XSD = "http://www.w3.org/2001/XMLSchema#"
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def write(cohort: Cohort, out: Path, *, run: str = "", boxes: str = "", terms: Path | None = None) -> None:
    """Write `graph.ttl` and `graph.jsonld`.

    `run` and `boxes` are the runs of the statements and of the boxes (default: the only one, else ``expert``);
    `terms` a CSV ``label,cui,radlex,snomed`` whose codes become ``exactMatch``. Boxes are in source pixels, as
    their properties' names say. Errors: LAY111 nothing to write, LAY112, LAY113.
    """
    known = read_term_codes(terms) if terms else TermCodes()
    with new_folder(Path(out), cohort) as folder:
        with (
            (folder / "graph.ttl").open("w", encoding="utf-8", newline="\n") as turtle,
            (folder / "graph.jsonld").open("w", encoding="utf-8", newline="\n") as linked,
        ):
            turtle.write(f"@prefix tb: <{NAMESPACE}> .\n@prefix xsd: <{_XSD}> .\n\n")
            linked.write('{"@graph": [\n')
            count = 0
            for node in _nodes(cohort, run, boxes, known):
                _turtle(turtle, node)
                linked.write(("" if count == 0 else ",\n") + json.dumps(_json_ld(node), ensure_ascii=False))
                count += 1
            linked.write("\n]}\n")
        if not count:
            raise TumorboardError(codes.NOT_WRITABLE, cohort.name, found="no exam", expected="statements or boxes")


def _nodes(cohort: Cohort, run: str, boxes: str, terms: TermCodes) -> Iterator[list[Triple]]:
    """Triples by subject."""
    locations: set[str] = set()
    labels: set[str] = set()
    for exam in exam_graphs(cohort, run=run, boxes=boxes):
        for row in exam.statements:
            locations |= set(row["attributes"]["locations"])
            labels.add(row["object"].partition("|")[2])
        for row in exam.changes:
            locations.add(row["attributes"].get("location") or "")
            labels.add(row["attributes"].get("attribute") or "")
        locations |= {row["label"] or "" for rows in exam.boxes.values() for row in rows}
        yield from _by_subject(graph_triples(exam))
    yield from _by_subject(vocabulary_triples(locations - {""}, labels - {""}, terms))


def _by_subject(triples: Iterable[Triple]) -> Iterator[list[Triple]]:
    for _, members in groupby(triples, key=lambda triple: triple[0]):
        yield list(members)


def _turtle(file: TextIO, node: list[Triple]) -> None:
    lines = [f"{'a' if p == TYPE else _resource(p)} {_object(o)}" for _, p, o in node]
    file.write(f"{_resource(node[0][0])} " + " ;\n    ".join(lines) + " .\n\n")


def _resource(iri: Iri) -> str:
    name = iri.value.removeprefix(NAMESPACE)
    return f"tb:{name}" if name != iri.value and name.isalnum() and name[0].isalpha() else f"<{iri.value}>"


def _object(node: Iri | Literal) -> str:
    if isinstance(node, Iri):
        return _resource(node)
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f'"{value!r}"^^xsd:double'
    return '"' + "".join(_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04X}") for c in value) + '"'


def _json_ld(node: list[Triple]) -> dict[str, Any]:
    """One node in expanded form: full IRIs, no context needed."""
    record: dict[str, Any] = {"@id": node[0][0].value}
    for _, predicate, value in node:
        if predicate == TYPE:
            record.setdefault("@type", []).append(value.value)
        elif isinstance(value, Iri):
            record.setdefault(predicate.value, []).append({"@id": value.value})
        elif isinstance(value.value, float):
            typed = {"@value": repr(value.value), "@type": _XSD + "double"}
            record.setdefault(predicate.value, []).append(typed)
        else:
            record.setdefault(predicate.value, []).append({"@value": value.value})
    return record
