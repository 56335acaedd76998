"""Cohort -> the published release: scene graphs, tables, splits, gold set."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.graphs import ExamGraph, collector_paused, exam_graphs, image_size
from tumorboard.datasets.identifiers import require_safe
from tumorboard.datasets.imagenome.compose import image_changes, published_graph, restore
from tumorboard.datasets.imagenome.files import SPLITS, SUFFIX
from tumorboard.datasets.imagenome.objects import plain_numbers
from tumorboard.datasets.imagenome.space import SIDE, Scaling
from tumorboard.datasets.imagenome.tables import write_rows
from tumorboard.datasets.termcodes import TermCodes, read_term_codes

__all__ = ["compose_graphs", "write"]

_FIRST_DAY = datetime(2100, 1, 1)
_SPLIT_COLUMNS = ("index", "subject_id", "study_id", "dicom_id", "path", "ViewPosition")


@dataclass
class _Mapped:
    """What had to be said in other words, counted for `mapping.json`."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, words: str, count: int = 1) -> None:
        if count:
            self.counts[words] = self.counts.get(words, 0) + count


def write(
    cohort: Cohort,
    out: Path,
    *,
    run: str = "",
    boxes: str = "",
    tables: bool = True,
    zipped: bool = False,
    clip: bool = False,
    terms: Path | None = None,
    lossy: bool = False,
) -> None:
    """Write the graphs of a run in the published layout: `silver_dataset/scene_graph/<image>_SceneGraph.json`,
    tables in `scene_tabular`, `splits`, `semantics`; rows of the run ``expert`` as `gold_dataset`.

    Parameters
    ----------
    run, boxes : runs of the statements and of the boxes (default: ``silver``, the only one, or ``expert``).
    tables : also write the TAB separated tables.
    zipped : the graphs as `scene_graph.zip` instead of a folder.
    clip : cut boxes at the borders of the image; otherwise they are written as they are.
    terms : CSV ``label,cui,radlex,snomed`` to fill `synsets` and `attributes_ids` of graphs that have none.
    lossy : leave out exams without images, and the 224 coordinates of images of unknown size.

    Three polarities become two and six words of change three, as `words` says; counts are in `mapping.json`. Graphs
    that were read from this layout come back equal in content. Errors: LAY111, LAY112, LAY113, LAY106.
    """
    known = read_term_codes(terms) if terms else TermCodes()
    mapped = _Mapped()
    with new_folder(Path(out), cohort) as folder:
        silver = folder / "silver_dataset"
        graphs = _graphs(cohort, run, boxes, known, mapped, clip=clip, lossy=lossy)
        members: list[tuple[str, dict[str, Any]]] = []
        with _Target(silver, zipped=zipped) as target:
            for split, graph in graphs:
                target.put(graph)
                members.append((split, _split_row(graph)))
        if target.count == 0:
            raise TumorboardError(
                codes.NOT_WRITABLE,
                cohort.name,
                found="no image with a graph",
                expected="X-rays with boxes or statements",
            )
        _write_rest(cohort, folder, members, mapped, terms=known, tables=tables, zipped=zipped)


def _write_rest(
    cohort: Cohort,
    folder: Path,
    members: list[tuple[str, dict[str, Any]]],
    mapped: _Mapped,
    *,
    terms: TermCodes,
    tables: bool,
    zipped: bool,
) -> None:
    from tumorboard.datasets.imagenome.gold import write_gold
    from tumorboard.datasets.imagenome.semantics import write_semantics
    from tumorboard.datasets.imagenome.tabular import write_tabular

    silver = folder / "silver_dataset"
    gold_patients = write_gold(cohort, folder / "gold_dataset")
    if any(split in SPLITS for split, _ in members):
        for name in SPLITS:
            rows = [row for split, row in members if split == name]
            numbered = [row | {"index": number} for number, row in enumerate(rows)]
            write_rows(silver / "splits" / f"{name}.csv", _SPLIT_COLUMNS, numbered)
    avoid = [row for _, row in members if str(row["subject_id"]) in gold_patients]
    if avoid:
        write_rows(silver / "splits" / "images_to_avoid.csv", _SPLIT_COLUMNS[1:], avoid)
    if tables:
        source = silver / ("scene_graph.zip" if zipped else "scene_graph")
        write_tabular(source, silver / "scene_tabular")
    write_semantics(folder / "semantics", terms)
    content = {"mapped": dict(sorted(mapped.counts.items())), "space": "x1..y2: 224 x 224; original_*: source pixels"}
    (folder / "mapping.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


class _Target:
    """A folder of graph files, or one archive of them (the same bytes for the same graphs)."""

    def __init__(self, silver: Path, *, zipped: bool) -> None:
        self.count = 0
        self._folder = silver / "scene_graph"
        self._archive = None
        silver.mkdir(parents=True)
        if zipped:
            self._archive = zipfile.ZipFile(silver / "scene_graph.zip", "w", zipfile.ZIP_DEFLATED)
        else:
            self._folder.mkdir()

    def put(self, graph: Mapping[str, Any]) -> None:
        name = require_safe(graph["image_id"], "image_id") + SUFFIX
        text = json.dumps(graph)
        if self._archive is None:
            (self._folder / name).write_text(text, encoding="utf-8")
        else:
            entry = zipfile.ZipInfo(f"scene_graph/{name}", (2000, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            self._archive.writestr(entry, text)
        self.count += 1

    def __enter__(self) -> _Target:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._archive is not None:
            self._archive.close()


def compose_graphs(cohort: Cohort, *, run: str = "", boxes: str = "") -> Iterator[dict[str, Any]]:
    """The published graphs of a cohort's images, one at a time; parameters as in `write`."""
    for _, graph in _graphs(cohort, run, boxes, TermCodes(), _Mapped(), clip=False, lossy=False):
        yield graph


def _graphs(
    cohort: Cohort, run: str, boxes: str, terms: TermCodes, mapped: _Mapped, *, clip: bool, lossy: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(split, graph) of every image with a graph."""
    shown: dict[str, list[str]] = {}
    run, boxes = _silver(cohort, "relations", run), _silver(cohort, "findings", boxes)
    for exam in exam_graphs(cohort, run=run, boxes=boxes):
        if exam.statements and not exam.images and not lossy:
            raise TumorboardError(
                codes.NOT_WRITABLE,
                exam.exam["exam_id"],
                found="statements without an image",
                expected="an image",
                fix="leave such exams out with --set lossy=true, or name the images at import",
            )
        shown[exam.exam["exam_id"]] = [row["image_id"] for row in exam.images if row["modality"] == Modality.DX]
        _count_mapped(exam, mapped)
        bodies = exam.bodies
        reason = next((r["body"] for r in exam.texts if r["section"] in ("reason for exam", "indication")), "") or ""
        for image in exam.images:
            if image["modality"] != Modality.DX:
                continue
            own = image["options"].get("imagenome")
            if own is None:
                _prepare(exam, image, terms, mapped, clip=clip, lossy=lossy)
            elif clip:
                _clip(exam.boxes[image["image_id"]], image, mapped)
            with collector_paused():
                graph = published_graph(
                    image=image,
                    exam=exam.exam,
                    patient=exam.patient,
                    boxes=exam.boxes[image["image_id"]],
                    statements=exam.current,
                    changes=image_changes(image["image_id"], exam.changes, shown),
                    bodies=bodies,
                    reason=reason,
                )
            if own is None:
                _say_normal_or_abnormal(graph)
            elif own.get("kept"):
                mapped.add("published part replaced by a corrected row", restore(graph, own["kept"]))
            yield exam.patient.get("split") or "", graph


def _silver(cohort: Cohort, table: str, run_id: str) -> str:
    """The run that was asked for; without one, ``silver`` where there is one."""
    return run_id or ("silver" if "silver" in cohort.tables[table]["run_id"].unique().to_pylist() else "")


def _count_mapped(exam: ExamGraph, mapped: _Mapped) -> None:
    mapped.add("not of this exam: left out", len(exam.statements) - len(exam.current))
    for row in exam.current:
        if row["predicate"] == "uncertain":
            mapped.add("uncertain: yes with severity|yes|hedge")
        word = row["attributes"].get("comparison")
        if word in ("new", "resolved", "removed"):
            said = {"new": "worsened", "resolved": "improved", "removed": "no comparison"}[word]
            mapped.add(f"{word}: {said}")
    for row in exam.changes:
        if row["predicate"] in ("new", "resolved", "removed"):
            said = {"new": "worsened", "resolved": "improved", "removed": "left out"}[row["predicate"]]
            mapped.add(f"change {row['predicate']}: {said}")


def _prepare(
    exam: ExamGraph, image: dict[str, Any], terms: TermCodes, mapped: _Mapped, *, clip: bool, lossy: bool
) -> None:
    """Give an image of our own what the published form also has: view, time, the 224 box, codes where known."""
    options, image_id = image["options"], image["image_id"]
    view = options.get("projection", {}).get("view") or options.get("facts", {}).get("ViewPosition") or ""
    options.setdefault("viewpoint", view)
    if exam.exam["day"] is not None:
        options.setdefault("StudyDateTime", str(_FIRST_DAY + timedelta(days=exam.exam["day"])))
    age = exam.patient.get("age_years")
    if not exam.patient.get("age_decile") and age is not None:
        exam.patient["age_decile"] = f"{int(age) // 10 * 10}-{int(age) // 10 * 10 + 10}"
    size = image_size(image)
    scaling = Scaling.pad_to_square(*size) if size else Scaling(*options["scaling"]) if "scaling" in options else None
    boxes = [row for row in exam.boxes[image_id] if row["box"] and len(row["box"]) == 4]
    if boxes and scaling is None and not lossy:
        raise TumorboardError(
            codes.NOT_WRITABLE,
            image_id,
            found="boxes on an image of unknown size",
            expected="its width and height",
            fix="read the images too, or leave the 224 coordinates out with --set lossy=true",
        )
    if clip:
        _clip(boxes, image, mapped)
    for row in boxes:
        row["box"] = [round(v) for v in row["box"]]
        if scaling:
            row["attributes"].setdefault("box_224", [round(v) for v in scaling.to_small(row["box"])])
        if terms.cui(row["label"]):
            row["attributes"].setdefault("synsets", [terms.cui(row["label"])])
    exam.boxes[image_id] = boxes
    for row in exam.statements:
        row["attributes"].setdefault("cui", terms.cui(row["object"].partition("|")[2]))
        if any("default" in rule for rule in row["attributes"].get("rules") or ()):  # the sentence names no place
            row["attributes"].setdefault("default", row["attributes"]["locations"])


def _clip(boxes: list[dict[str, Any]], image: Mapping[str, Any], mapped: _Mapped) -> None:
    """Cut boxes at the image's borders in both spaces, as far as its size is known."""
    size = image_size(image)
    limits = [*size, *size] if size else [float("inf")] * 4
    for row in boxes:
        cut = [min(max(v, 0), limit) for v, limit in zip(row["box"] or (), limits, strict=False)]
        small = [min(max(v, 0), SIDE) for v in row["attributes"].get("box_224", ())]
        if cut != row["box"] or small != row["attributes"].get("box_224", []):
            mapped.add("box clipped to the image")
            row["box"] = cut
            row["attributes"]["box_224"] = plain_numbers(small)


def _say_normal_or_abnormal(graph: dict[str, Any]) -> None:
    """Add `nlp|yes|abnormal` or `nlp|yes|normal` to every sentence of a location that lacks both."""
    for entry in graph["attributes"]:
        for labels, cuis in zip(entry["attributes"], entry["attributes_ids"], strict=True):
            found = [label for label in labels if label.startswith(("anatomicalfinding", "disease"))]
            if found and not any(label.startswith("nlp|") for label in labels):
                bad = any("|yes|" in label for label in found)
                labels.append(f"nlp|yes|{'abnormal' if bad else 'normal'}")
                cuis.append("")


def _split_row(graph: Mapping[str, Any]) -> dict[str, Any]:
    patient, study, image = str(graph["patient_id"]), graph["study_id"], graph["image_id"]
    return {
        "subject_id": patient,
        "study_id": study,
        "dicom_id": image,
        "path": f"files/p{patient[:2]}/p{patient}/s{study}/{image}.dcm",
        "ViewPosition": graph["viewpoint"],
    }
