"""The experts' set of a release as rows of the run ``expert``, beside the silver ones, and back to tables."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality
from tumorboard.datasets.graphs import exam_graphs
from tumorboard.datasets.imagenome.batch import Batch, Choice, read_batch
from tumorboard.datasets.imagenome.compose import image_changes, published_graph, restore
from tumorboard.datasets.imagenome.files import SUFFIX
from tumorboard.datasets.imagenome.goldtables import graphs_from_gold, tables_from_graphs

__all__ = ["gold_graphs", "read_gold", "with_gold", "write_gold"]


def read_gold(source: Path, *, name: str | None = None) -> Cohort:
    """The gold tables in a folder (or below its `gold_dataset`) as a cohort of their own, run ``expert``.
    Errors: CIG118, LAY103."""
    from tumorboard.datasets.assembly import import_entry

    source = Path(source).resolve()
    folder = source / "gold_dataset" if (source / "gold_dataset").is_dir() else source
    batch = _batch(folder)
    entry = import_entry("imagenome-gold", source, notes=batch.problems.notes(), name=name)
    rows: dict[str, Any] = batch.rows
    return Cohort.build(name or source.name, provenance=[entry], **rows)


def _batch(folder: Path) -> Batch:
    files = [(g["image_id"] + SUFFIX, json.dumps(g).encode()) for g in graphs_from_gold(folder)]
    batch = read_batch(files, choice=Choice(run_id=EXPERT), splits={})
    for row in batch.rows["images"]:
        options = json.loads(row["options"])
        scaling: dict[str, str] = next(
            (v["scaling"] for k, _, _, v in options["imagenome"].get("kept", ()) if k == "gold" and "scaling" in v), {}
        )
        with suppress(KeyError, ValueError):  # no such table, or other columns: the boxes' own fit stays
            options["scaling"] = [float(scaling[key]) for key in ("ratio", "left", "top")]
        options["gold"] = options.pop("imagenome")
        row["options"] = json.dumps(options, ensure_ascii=False, separators=(",", ":"))
    return batch


def with_gold(cohort: Cohort, folder: Path) -> Cohort:
    """The cohort with the experts' rows added; patients, exams and images that it has already stay as they are, but the
    images learn the order and extra columns of the gold tables."""
    batch = _batch(folder)
    added: dict[str, Any] = {}
    for table, key in (("patients", "patient_id"), ("exams", "exam_id")):
        known = set(cohort.tables[table][key].to_pylist())
        added[table] = [row for row in batch.rows[table] if row[key] not in known]
    images = cohort.images
    gold = {row["image_id"]: row for row in batch.rows["images"]}
    owner = dict(zip(images["image_id"].to_pylist(), images["exam_id"].to_pylist(), strict=True))
    options = images["options"].to_pylist()
    for at, image_id in enumerate(owner):
        if image_id in gold:
            options[at] = json.dumps(
                json.loads(options[at] or "{}") | {"gold": json.loads(gold[image_id]["options"])["gold"]}
            )
    images = images.set_column(images.column_names.index("options"), "options", pa.array(options, pa.string()))
    added["images"] = [row for image_id, row in gold.items() if image_id not in owner]
    # A study that a comparison table does not name was called after its image.
    exam_of = {row["exam_id"]: owner[row["image_id"]] for row in gold.values() if row["image_id"] in owner}
    for table, keys in (("texts", ("exam_id",)), ("relations", ("subject", "object"))):
        added[table] = [row | {key: exam_of.get(row[key], row[key]) for key in keys} for row in batch.rows[table]]
    added["exams"] = [row for row in added["exams"] if exam_of.get(row["exam_id"], row["exam_id"]) == row["exam_id"]]
    needed = {row["patient_id"] for row in added["exams"]}
    added["patients"] = [row for row in added["patients"] if row["patient_id"] in needed]
    added["findings"] = batch.rows["findings"]
    return cohort.replace_tables(images=images).with_rows(**{k: v for k, v in added.items() if v})


def gold_graphs(cohort: Cohort) -> list[dict[str, Any]]:
    """The experts' graphs of the cohort in the silver form; empty without rows of the run ``expert``."""
    relations = cohort.relations.filter(pc.equal(cohort.relations["run_id"], EXPERT))
    boxes = cohort.findings.filter(pc.equal(cohort.findings["run_id"], EXPERT))
    if not relations.num_rows:
        return []
    graphs = []
    shown: dict[str, list[str]] = {}
    for exam in exam_graphs(cohort, run=EXPERT, boxes=EXPERT if boxes.num_rows else ""):
        images = [image for image in exam.images if image["modality"] == Modality.DX]
        shown[exam.exam["exam_id"]] = [image["image_id"] for image in images]
        for image in images:
            own = image["options"].get("gold", {})
            if not own and not (exam.statements or exam.changes):
                continue
            image["options"]["imagenome"] = own
            mine = image_changes(image["image_id"], exam.changes, shown)
            graph = published_graph(
                image=image, exam=exam.exam, patient=exam.patient, boxes=exam.boxes[image["image_id"]],
                statements=exam.current, changes=mine, bodies=exam.bodies, reason="",
            )  # fmt: skip
            restore(graph, own.get("kept", ()))
            graphs.append(graph)
    return graphs


def write_gold(cohort: Cohort, folder: Path) -> set[str]:
    """Write the gold tables of the run ``expert``, if it has rows; the ids of its patients."""
    graphs = gold_graphs(cohort)
    if graphs:
        folder.mkdir(parents=True)
        tables_from_graphs(graphs, folder)
    return {str(graph["patient_id"]) for graph in graphs}
