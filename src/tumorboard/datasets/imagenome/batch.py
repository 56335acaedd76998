"""Graph files of some whole patients -> rows of a cohort. The unit of work of reading, checking and streaming."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets.graphs import collector_paused
from tumorboard.datasets.identifiers import require_safe
from tumorboard.datasets.imagenome import codes
from tumorboard.datasets.imagenome.comparisons import change_rows
from tumorboard.datasets.imagenome.compose import differences, published_graph
from tumorboard.datasets.imagenome.files import image_of_place
from tumorboard.datasets.imagenome.objects import finding_rows
from tumorboard.datasets.imagenome.problems import Problems
from tumorboard.datasets.imagenome.space import Scaling
from tumorboard.datasets.imagenome.statements import Study
from tumorboard.io.jsonfile import parse_json

__all__ = ["Batch", "Choice", "Rows", "read_batch"]

Rows = dict[str, list[dict[str, Any]]]
_VIEWS = ("AP", "PA")
_FACTS = ("viewpoint", "StudyDateTime")


@dataclass(frozen=True)
class Choice:
    """How graphs are read: the run their rows carry, what a hedge means, and what becomes of damaged files."""

    run_id: str = "silver"
    hedge: str = "uncertain"
    damaged: str = "error"


@dataclass
class Batch:
    """Rows by table, and what was noticed."""

    rows: Rows = field(
        default_factory=lambda: {name: [] for name in ("patients", "exams", "images", "findings", "relations", "texts")}
    )
    problems: Problems = field(default_factory=Problems)
    skipped: list[str] = field(default_factory=list)


@dataclass
class _Image:
    """One graph under way."""

    where: str
    graph: Mapping[str, Any]
    image_id: str
    exam_id: str
    patient_id: str
    row: dict[str, Any]
    order: list[str] = field(default_factory=list)
    boxes: list[dict[str, Any]] = field(default_factory=list)


def read_batch(files: Iterable[tuple[str, bytes]], *, choice: Choice, splits: Mapping[str, str]) -> Batch:
    """Rows for these graph files; attributes and options are JSON text, as in a cohort.

    What the rows cannot give back is kept in the image's options, found by composing each graph again. Errors: FIL112,
    CIG101, CIG117 and LAY106 for a file that is no graph (`choice.damaged` ``skip`` leaves it out and lists it).
    """
    with collector_paused():
        return _read(files, choice, splits)


def _read(files: Iterable[tuple[str, bytes]], choice: Choice, splits: Mapping[str, str]) -> Batch:
    batch = Batch()
    images: dict[str, _Image] = {}
    for place, data in files:
        try:
            image = _parse(place, data, batch.problems)
            if image.image_id in images:
                raise TumorboardError(
                    codes.IMAGE_TWICE, place, found=f"image {image.image_id} again", expected="one graph per image"
                )
        except TumorboardError as error:
            if choice.damaged == "error":
                raise
            batch.skipped.append(str(error))
            continue
        images[image.image_id] = image
    owners: dict[str, str] = {}
    studies: dict[str, list[_Image]] = {}
    patients: dict[str, dict[str, list[_Image]]] = {}
    for image in images.values():
        owner = owners.setdefault(image.exam_id, image.patient_id)
        if owner != image.patient_id:
            batch.problems.add(codes.GRAPH_FORM, image.where, f"study {image.exam_id} of a second patient")
            image.patient_id = owner
        studies.setdefault(image.exam_id, []).append(image)
        patients.setdefault(owner, {})[image.exam_id] = studies[image.exam_id]
    for patient_id, exams in patients.items():
        _patient(batch, patient_id, exams, choice, splits)
    _previous_exams(batch, images)
    for name in ("findings", "relations"):
        for row in batch.rows[name]:
            row["attributes"] = _json(row["attributes"])
    for row in batch.rows["images"]:
        row["options"] = _json(row["options"])
    return batch


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _parse(place: str, data: bytes, problems: Problems) -> _Image:
    value, _ = parse_json(data, place, max_bytes=8 * 2**20)
    if not isinstance(value, Mapping):
        raise _form(place, f"a {type(value).__name__}", "a record")
    ids = []
    for key in ("image_id", "study_id", "patient_id"):
        found = value.get(key)
        if isinstance(found, bool) or not isinstance(found, (str, int)):
            raise _form(place, f"{key} {found!r}"[:80], "an identifier")
        ids.append(require_safe(found, f"{place}, {key}"))
    image_id, exam_id, patient_id = ids
    if image_of_place(place) != image_id:
        problems.add(codes.FILE_NAME, place, f"image_id {image_id}")
    return _Image(place.rpartition("/")[2], value, image_id, exam_id, patient_id, {})


def _form(where: str, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.GRAPH_FORM, where, found=found, expected=expected)


def _patient(
    batch: Batch, patient_id: str, exams: Mapping[str, list[_Image]], choice: Choice, splits: Mapping[str, str]
) -> None:
    first = next(iter(exams.values()))[0].graph
    patient: dict[str, Any] = {"patient_id": patient_id}
    patient["sex"] = {"F": "female", "M": "male"}.get(_word(first.get("gender")) or "")
    patient["age_decile"] = _word(first.get("age_decile"))
    mine = {splits[image.image_id] for members in exams.values() for image in members if image.image_id in splits}
    if len(mine) > 1:
        batch.problems.add(codes.SPLIT_CONFLICT, f"patient {patient_id}", ", ".join(sorted(mine)))
    patient["split"] = min(mine) if len(mine) == 1 else None
    batch.rows["patients"].append(patient)
    stamps = {exam_id: _stamp(members[0].graph.get("StudyDateTime")) for exam_id, members in exams.items()}
    orders = {exam_id: _order(members[0].graph.get("StudyOrder")) for exam_id, members in exams.items()}
    _check_order(batch, patient_id, stamps, orders)
    known = [stamp for stamp in stamps.values() if stamp is not None]
    for exam_id in sorted(exams, key=lambda e: (orders[e] is None, orders[e] or 0, e)):
        stamp = stamps[exam_id]
        exam = {
            "exam_id": exam_id,
            "patient_id": patient_id,
            "day": None if stamp is None else (stamp - min(known)).total_seconds() / 86400,
            "order": orders[exam_id],
            "kind": "X-ray",
        }
        batch.rows["exams"].append(exam)
        _exam(batch, exam, patient, exams[exam_id], choice)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _order(value: Any) -> int | None:
    return value - 1 if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31 else None


def _stamp(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value).replace(tzinfo=None)
    except (TypeError, ValueError):
        return None


def _check_order(
    batch: Batch, patient_id: str, stamps: Mapping[str, datetime | None], orders: Mapping[str, int | None]
) -> None:
    listed = [(order, stamps[exam]) for exam, order in orders.items() if order is not None]
    if len({order for order, _ in listed}) < len(listed):
        batch.problems.add(codes.STUDY_ORDER, f"patient {patient_id}", "the same StudyOrder twice")
    dated = [stamp for _, stamp in sorted(listed, key=lambda pair: pair[0]) if stamp is not None]
    if any(later < earlier for earlier, later in pairwise(dated)):
        batch.problems.add(codes.STUDY_ORDER, f"patient {patient_id}", "dates against the order")


def _exam(
    batch: Batch, exam: dict[str, Any], patient: Mapping[str, Any], members: list[_Image], choice: Choice
) -> None:
    study = Study(exam["exam_id"], choice.run_id, choice.hedge)
    found: dict[str, dict[str, int]] = {}
    batch.problems.next_image()
    for image in members:
        image.boxes = finding_rows(
            image.graph.get("objects"), image.image_id, run_id=choice.run_id, where=image.where, problems=batch.problems
        )
        image.order = study.add(image.graph, image.image_id, image.where, batch.problems)
        found[image.image_id] = batch.problems.next_image()
    texts, places = study.texts()
    statements = study.statements(places)
    bodies = {row["text_id"]: row["body"] for row in texts}
    changes: list[dict[str, Any]] = []
    for image in members:
        if image.graph.get("viewpoint") not in _VIEWS:
            batch.problems.add(codes.VIEW_OTHER, image.where, repr(image.graph.get("viewpoint"))[:40])
        mine = change_rows(
            image.graph.get("relationships"), image.image_id, exam["exam_id"],
            run_id=choice.run_id, where=image.where, places=places, problems=batch.problems,
        )  # fmt: skip
        changes += mine
        image.row = _image_row(image)
        counts = found[image.image_id] | batch.problems.next_image()
        composed = published_graph(
            image=image.row, exam=exam, patient=patient, boxes=image.boxes, statements=statements,
            changes=mine, bodies=bodies, reason=study.reason,
        )  # fmt: skip
        kept = differences(image.graph, composed)
        if kept:
            image.row["options"]["imagenome"]["kept"] = kept
        if counts:
            image.row["problem"] = Problems.worst(counts)
            image.row["options"]["problems"] = counts
        batch.rows["images"].append(image.row)
        batch.rows["findings"] += image.boxes
    batch.rows["texts"] += texts
    batch.rows["relations"] += statements + changes


def _image_row(image: _Image) -> dict[str, Any]:
    options: dict[str, Any] = {"imagenome": {"order": image.order}}
    options |= {key: image.graph[key] for key in _FACTS if isinstance(image.graph.get(key), str)}
    small = [row["attributes"].get("box_224") for row in image.boxes]
    pairs = [(a, row["box"]) for a, row in zip(small, image.boxes, strict=True) if a and row["box"]]
    scaling = Scaling.fitted([a for a, _ in pairs], [b for _, b in pairs]) if pairs else None
    if scaling:
        options["scaling"] = [round(scaling.ratio, 4), round(scaling.left, 1), round(scaling.top, 1)]
    return {
        "image_id": image.image_id,
        "exam_id": image.exam_id,
        "modality": str(Modality.DX),
        "role": str(Role.IMAGE),
        "unit": str(Unit.UNKNOWN),
        "options": options,
    }


def _previous_exams(batch: Batch, images: Mapping[str, _Image]) -> None:
    """Exchange the previous image for its exam in the rows of change."""
    for row in batch.rows["relations"]:
        if "images" not in row["attributes"]:
            continue
        previous = images.get(row["object"])
        if previous is None:
            batch.problems.add(codes.PREVIOUS_UNKNOWN, f"exam {row['subject']}", f"image {row['object'] or 'none'}")
        else:
            row["object"] = previous.exam_id
