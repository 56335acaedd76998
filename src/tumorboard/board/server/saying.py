"""What pages send, as entries of the journal, after every part was looked up in the cohort; and what they are told."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.board import codes
from tumorboard.board.corrections.agreement import compare_readers
from tumorboard.board.corrections.journal import KINDS, Entry
from tumorboard.board.server.live import LiveSite
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import read_nifti, write_nifti

__all__ = ["agreement_json", "entry_json", "mask_entry", "parsed_entry"]

_AUTHOR = re.compile(r"[^\W_][\w .'@-]{0,59}")
_NONCE = re.compile(r"[A-Za-z0-9-]{8,64}")
_MASK_FOLDER = "corrections"


def parsed_entry(body: bytes, site: LiveSite) -> Entry:
    """The entry in a request's JSON: author, nonce, page, exam (number), run, kind, target, payload. BRD113
    otherwise."""
    try:
        said = json.loads(body)
        if not isinstance(said, dict):
            raise ValueError("no object")
        words = {key: said[key] for key in ("author", "nonce", "page", "run", "kind", "target")}
        if not all(isinstance(word, str) and len(word) <= 300 for word in words.values()):
            raise ValueError("words that are no short texts")
        exam, payload = said["exam"], said.get("payload") or {}
        if isinstance(exam, bool) or not isinstance(exam, int):
            raise ValueError("exam")
    except (ValueError, KeyError, RecursionError) as error:
        raise _unfit(f"{type(error).__name__}: {str(error)[:80]}", "a correction as the pages send it") from error
    patient_id = site.board.patient_of_page.get(words["page"])
    exams = site.board.exams_of.get(patient_id or "", [])
    if patient_id is None or not 0 <= exam < len(exams):
        raise _unfit("an exam that is not there", "an exam of this cohort")
    if words["kind"] not in KINDS or words["kind"] == "mask":
        raise _unfit(f"kind {words['kind'][:20]!r}", ", ".join(KINDS))
    exam_id = str(exams[exam]["exam_id"])
    image = _require_target(words["target"], words["run"], exam_id, site)
    return Entry(
        nonce=_nonce(words["nonce"]),
        author=_author(words["author"]),
        made=_now(),
        patient_id=patient_id,
        exam_id=exam_id,
        run_id=words["run"],
        kind=words["kind"],
        target=words["target"],
        payload={**_payload(payload, words["kind"]), **({"image_id": image} if image else {})},
    )


def _require_target(target: str, run: str, exam_id: str, site: LiveSite) -> str:
    """BRD113 unless the run has such a part in this exam. The mask's image for a lesion, else nothing."""
    board, (kind, _, name) = site.board, target.partition("|")
    images = board.images_of.get(exam_id, [])
    if kind == "lesion" or target == "mask":
        label, _, place = name.partition("|")
        masks = [row for row in images if row["run_id"] == run and row["role"] == "mask"]
        if masks and target == "mask":
            return str(masks[0]["image_id"])
        named = [row for row in masks if label in (row["labels"] or {}).values()]
        if named and len(_numbers(place.split())) == 3:
            return str(named[0]["image_id"])
    elif kind == "finding":
        rows = [row for image in images for row in board.findings_of.get(image["image_id"], [])]
        if any(row["finding_id"] == name and row["run_id"] == run for row in rows):
            return ""
    elif kind == "relation":
        rows = board.relations_of.get(exam_id, [])
        if any(row["relation_id"] == name and row["run_id"] == run for row in rows):
            return ""
    raise _unfit(f"the target {target[:60]!r} of run {run[:40]!r}", "a finding, lesion or relation of this exam")


def _payload(payload: Any, kind: str) -> dict[str, Any]:
    """Only the parts that a correction may change, in their types. BRD113 otherwise."""
    if not isinstance(payload, dict):
        raise _unfit("a payload that is no object", "an object")
    kept: dict[str, Any] = {}
    for key, value in payload.items():
        short = isinstance(value, str) and len(value) <= 300
        numbers = key == "box" and isinstance(value, list) and len(value) in (4, 6)
        ends = key == "points_mm" and isinstance(value, list) and len(value) == 12
        names = key == "locations" and isinstance(value, list) and len(value) <= 40
        if key in ("label", "predicate", "object", "note") and short:
            kept[key] = value
        elif (numbers or ends) and len(_numbers(value)) == len(value):
            kept[key] = [float(number) for number in value]
        elif names and all(isinstance(one, str) and len(one) <= 100 for one in value):
            kept[key] = value
        else:
            raise _unfit(f"{str(key)[:30]!r}", "label, box, points_mm, predicate, object, locations or note")
    if kind == "edit" and not kept.keys() - {"note"}:
        raise _unfit("an edit that changes nothing", "label, box, points_mm, predicate, object or locations")
    return kept


def mask_entry(
    body: bytes, row: Mapping[str, Any] | None, *, said: Mapping[str, str], page: str, site: LiveSite, folder: Path
) -> Entry:
    """The entry of a drawn mask: gzipped NIfTI on the grid of the mask (or image) that it replaces; the file is in its
    place, whole and flushed, before the entry is made. BRD113, BRD114; the errors of a damaged file."""
    if row is None:
        raise _unfit("an image that is not there", "a mask of this cohort")
    author, nonce = _author(said["author"]), _nonce(said["nonce"])
    if row["role"] != "mask":
        raise TumorboardError(codes.MASK_UNFIT, page, found=f"a {row['role']}", expected="a mask to correct")
    grid = Geometry(tuple(row["shape"]), np.asarray(row["affine"], float).reshape(4, 4))
    with tempfile.TemporaryDirectory(dir=site.folder) as scratch:
        path = Path(scratch) / ("m.nii.gz" if body[:2] == b"\x1f\x8b" else "m.nii")
        path.write_bytes(body)
        sent = read_nifti(path, unit=Unit.LABEL, max_bytes=4 * math.prod(grid.shape) + 4096)
        array = _on_grid(sent, grid, page)
    known = {0, *(row["labels"] or {})}
    strange = sorted(set(np.unique(array).tolist()) - known)
    if strange:
        raise TumorboardError(codes.MASK_UNFIT, page, found=f"value {strange[0]}", expected=f"values {sorted(known)}")
    data = hashlib.sha256(array.tobytes() + str(row["image_id"]).encode()).hexdigest()
    target = folder / _MASK_FOLDER / f"{data[:32]}.nii.gz"
    if not target.is_file():
        write_nifti(Volume(array, grid.affine, Unit.LABEL), target)
    patient_id = site.board.patient_of_page[page]
    payload = {"file": f"{_MASK_FOLDER}/{target.name}", "image_id": row["image_id"]}
    run = str(row["run_id"])
    return Entry(nonce, author, _now(), patient_id, str(row["exam_id"]), run, "mask", "mask", payload)


def _on_grid(sent: Volume, grid: Geometry, page: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The voxels in the order of the grid: browsers send them along the patient's axes. BRD114 for another grid."""
    tolerance_mm = 0.01 * float(grid.spacing_mm.min())
    for volume in (sent, sent.reorient(grid.axis_codes) if grid.is_axis_aligned else sent):
        if volume.geometry.same_grid(grid, tolerance_mm=tolerance_mm):
            return np.ascontiguousarray(volume.array, np.uint8)
    found = f"shape {sent.shape}, affine {np.round(sent.affine, 3).tolist()}"
    expected = f"shape {grid.shape}, affine {np.round(grid.affine, 3).tolist()}"
    raise TumorboardError(codes.MASK_UNFIT, page, found=found, expected=expected)


def entry_json(entry: Entry, site: LiveSite) -> dict[str, Any]:
    """An entry as pages show it."""
    exams = [row["exam_id"] for row in site.board.exams_of.get(entry.patient_id, [])]
    return {
        "number": entry.number,
        "author": entry.author,
        "made": entry.made,
        "exam": exams.index(entry.exam_id) if entry.exam_id in exams else None,
        "run": entry.run_id,
        "kind": entry.kind,
        "target": entry.target,
        "payload": {key: value for key, value in entry.payload.items() if key != "file"},
    }


def agreement_json(entries: Sequence[Entry], first: str, second: str) -> str:
    """Readers, and how two of them agree (the first two when none are named)."""
    authors = sorted({entry.author for entry in entries})
    chosen = [first or (authors[0] if authors else ""), second or (authors[1] if len(authors) > 1 else "")]
    made: dict[str, Any] = {"authors": authors, "first": chosen[0], "second": chosen[1], "n": 0}
    if all(author in authors for author in chosen) and chosen[0] != chosen[1]:
        found = compare_readers(entries, chosen[0], chosen[1]).findings
        if found is not None:
            for name, interval in (("percent", found.percent), ("kappa", found.kappa)):
                made[name] = [interval.value, interval.low, interval.high]
            made["n"] = found.n
    return json.dumps(made, allow_nan=False)


def _author(text: str) -> str:
    if not _AUTHOR.fullmatch(text.strip()):
        raise _unfit(f"the author {text[:30]!r}", "a name of letters, digits, spaces and .'@-")
    return text.strip()


def _nonce(text: str) -> str:
    if not _NONCE.fullmatch(text):
        raise _unfit("no nonce", "8 to 64 letters, digits and dashes")
    return text


def _numbers(values: Sequence[Any]) -> list[float]:
    try:
        numbers = [float(value) for value in values if not isinstance(value, bool)]
    except (TypeError, ValueError):
        return []
    return [number for number in numbers if math.isfinite(number) and abs(number) < 1e6]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unfit(found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.CORRECTION_UNFIT, "a correction", found=found, expected=expected)
