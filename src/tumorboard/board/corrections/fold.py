"""An author's corrections as a run of the cohort: a whole reading, in the truth's shape.

Targets, as pages name them: ``lesion|LABEL|x y z`` (a connected part of a mask, by its middle in mm), ``finding|ID``
(a row
of `findings`), ``relation|ID`` (a row of `relations`), ``mask`` (the exam's mask as a whole). What a reader did not
speak of in an exam stays as it was in the corrected run; exams without a word of the reader are not in the reading.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard import __version__
from tumorboard.board.corrections.journal import Entry, Journal, last_words, run_of
from tumorboard.board.names import safe_names
from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LONG_AXIS_MM, SHORT_AXIS_MM, VOLUME_ML
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.files import sha256_of
from tumorboard.io.images import load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import open_cohort, update_cohort
from tumorboard.ops.components import components

__all__ = ["corrected_mask", "fold_corrections", "reading_of"]

Words = Mapping[str, Entry]
"""Target -> what holds."""


def fold_corrections(folder: Path) -> list[str]:
    """Make a run of every author's corrections in the cohort at `folder`; the runs' names. Done again, it gives the
    same rows; a reading that did not change is not written."""
    entries = Journal(folder).entries()
    authors = sorted({entry.author for entry in entries})
    for author in authors:
        mine = [entry for entry in entries if entry.author == author]
        known = open_cohort(folder).rows("runs", run_id=run_of(author))
        if known and json.loads(known[0]["config"] or "{}").get("last_entry") == mine[-1].number:
            continue

        def change(cohort: Cohort, author: str = author, mine: Sequence[Entry] = mine) -> Cohort:
            rows = reading_of(cohort, mine, author=author, folder=folder)
            return cohort.without_run(run_of(author)).with_rows(**rows)

        update_cohort(folder, change)
    return [run_of(author) for author in authors]


def reading_of(
    cohort: Cohort, entries: Sequence[Entry], *, author: str, folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """Rows of the author's run; masks are written below ``runs/`` of `folder`."""
    run_id = run_of(author)
    groups: dict[tuple[str, str], dict[str, Entry]] = defaultdict(dict)
    for (exam_id, base, target), entry in last_words(entries).items():
        groups[exam_id, base][target] = entry
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "findings": [], "relations": []}
    place = folder / "runs" / safe_names([run_id])[run_id]
    for (exam_id, base), words in sorted(groups.items()):
        rows["images"] += _masks(cohort, exam_id, base, words, run_id=run_id, folder=folder, place=place)
        rows["findings"] += _findings(cohort, exam_id, base, words, run_id=run_id)
        rows["relations"] += _relations(cohort, exam_id, base, words, run_id=run_id)
    config = {"author": author, "corrects": sorted({base for _, base in groups}), "last_entry": entries[-1].number}
    run = {
        "run_id": run_id,
        "task": "correction",
        "kind": "correction",
        "config": json.dumps(config, sort_keys=True),
        "code_version": __version__,
        "created": entries[-1].made,
    }
    return {"runs": [run], **rows}


def _masks(
    cohort: Cohort, exam_id: str, base: str, words: Words, *, run_id: str, folder: Path, place: Path
) -> list[dict[str, Any]]:
    about = {target: entry for target, entry in words.items() if target.startswith(("lesion|", "mask"))}
    if not about:
        return []
    masks = cohort.rows("images", exam_id=exam_id, run_id=base, role="mask")
    drawn = about.get("mask")
    named = drawn.payload["image_id"] if drawn else next((e.payload.get("image_id") for e in about.values()), None)
    row = next((mask for mask in masks if mask["image_id"] == named), masks[0] if masks else None)
    if row is None:
        return []
    source = load_image(row, cohort.root)
    if drawn:
        source = load_image({**row, "path": drawn.payload["file"], "format": "nifti", "options": None}, folder)
    mask = corrected_mask(source, row["labels"] or {}, [e for t, e in about.items() if t != "mask"])
    name = safe_names([f"{row['image_id']} {run_id}"])
    path = place / f"{next(iter(name.values()))}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(mask, path)
    made = {
        **row,
        "image_id": f"{row['image_id']} {run_id}",
        "run_id": run_id,
        "path": str(path),
        "format": "nifti",
        "options": None,
        "sha256": sha256_of(path),
        "problem": None,
    }
    return [made]


def corrected_mask(mask: Volume, labels: Mapping[int, str], entries: Sequence[Entry]) -> Volume:
    """The mask without rejected lesions, and with relabelled ones: each is the connected part (26 neighbours) of its
    label whose middle is nearest to the place that was named, at most 10 mm away; further away it is not there."""
    array = mask.array.astype(np.uint8)
    values = {name: value for value, name in labels.items()}
    for entry in entries:
        if entry.kind not in ("reject", "edit"):
            continue
        _, label, place = entry.target.split("|")
        part = _part_at(mask, values.get(label, 0), np.array([float(word) for word in place.split()]))
        if part is not None:
            array[part] = 0 if entry.kind == "reject" else values.get(str(entry.payload.get("label")), values[label])
    return Volume(array, mask.affine, Unit.LABEL)


def _part_at(mask: Volume, value: int, place_mm: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    if not value:
        return None
    parts, found = components(mask.with_array((mask.array == value).astype(np.uint8), Unit.LABEL))
    if not found:
        return None
    distances = [float(np.linalg.norm(np.array(part.centroid_mm) - place_mm)) for part in found]
    nearest = int(np.argmin(distances))
    return parts.array == found[nearest].label if distances[nearest] <= 10.0 else None


def _findings(cohort: Cohort, exam_id: str, base: str, words: Words, *, run_id: str) -> list[dict[str, Any]]:
    about = {target[8:]: entry for target, entry in words.items() if target.startswith("finding|")}
    if not about:
        return []
    images = {row["image_id"] for row in cohort.rows("images", exam_id=exam_id)}
    made = []
    for row in cohort.rows("findings", run_id=base):
        entry = about.get(row["finding_id"])
        if row["image_id"] not in images or (entry and entry.kind == "reject"):
            continue
        changed = dict(entry.payload) if entry and entry.kind == "edit" else {}
        made.append(
            {
                **row,
                **_marked(row, "finding_id", run_id, entry),
                **_allowed(changed, "label", "box"),
                **_axes(row, changed),
            }
        )
    return made


def _axes(row: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Moved ends of a RECIST pair with the axes measured anew, the longer one first; a volume that was estimated from
    the old axes is left out."""
    if "points_mm" not in changed:
        return {}
    ends = np.array(changed["points_mm"], float).reshape(2, 2, 3)
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    order = np.argsort(-lengths, kind="stable")
    figures = {key: value for key, value in dict(row["measurements"] or {}).items() if key != VOLUME_ML}
    figures |= {LONG_AXIS_MM: float(lengths[order[0]]), SHORT_AXIS_MM: float(lengths[order[1]])}
    return {"points_mm": ends[order].ravel().tolist(), "measurements": figures}


def _relations(cohort: Cohort, exam_id: str, base: str, words: Words, *, run_id: str) -> list[dict[str, Any]]:
    about = {target[9:]: entry for target, entry in words.items() if target.startswith("relation|")}
    if not about:
        return []
    made = []
    for row in cohort.rows("relations", run_id=base, subject=exam_id):
        entry = about.get(row["relation_id"])
        if entry and entry.kind == "reject":
            continue
        changed = dict(entry.payload) if entry and entry.kind == "edit" else {}
        marked = _marked(row, "relation_id", run_id, entry)
        if "locations" in changed:
            marked["attributes"] = json.dumps(
                {**json.loads(marked["attributes"]), "locations": changed["locations"]}, sort_keys=True
            )
        made.append({**row, **marked, **_allowed(changed, "predicate", "object")})
    return made


def _marked(row: Mapping[str, Any], key: str, run_id: str, entry: Entry | None) -> dict[str, Any]:
    """The row as the reader's own: its id, its run, and who said what of it."""
    facts = json.loads(row["attributes"] or "{}")
    said = {"corrects": row[key], "said": entry.kind if entry else "not judged"}
    if entry:
        said |= {"author": entry.author, "made": entry.made}
    return {
        key: f"{row[key]} {run_id}",
        "run_id": run_id,
        "attributes": json.dumps({**facts, "correction": said}, sort_keys=True, ensure_ascii=False),
    }


def _allowed(changed: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: changed[name] for name in names if name in changed}
