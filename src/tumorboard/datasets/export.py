"""What writers share: a new folder that appears whole or not at all, and images as files in it."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import SYNTHETIC_FILE
from tumorboard.io.images import image_path
from tumorboard.io.nifti import write_nifti

__all__ = ["PatientRows", "export_nifti", "new_folder", "rows_by_patient"]

_SYNTHETIC_TEXT = "SYNTHETIC: virtual patients made by tumorboard; no real person is behind any file here.\n"


@dataclass
class PatientRows:
    """One patient's rows as a writer wants them: exams in time order, images as acquired or drawn by experts, the
    experts' outcomes."""

    patient_id: str
    record: dict[str, Any]
    exams: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    def images_of(self, exam_id: str) -> list[dict[str, Any]]:
        return [row for row in self.images if row["exam_id"] == exam_id]


def rows_by_patient(cohort: Cohort) -> list[PatientRows]:
    """All patients, in table order, each table walked once."""
    found = {row["patient_id"]: PatientRows(row["patient_id"], row) for row in cohort.rows("patients")}
    owner = {}
    for exam in sorted(cohort.rows("exams"), key=lambda exam: (exam["order"] or 0, exam["exam_id"])):
        found[exam["patient_id"]].exams.append(exam)
        owner[exam["exam_id"]] = exam["patient_id"]
    for image in cohort.rows("images"):
        if image["run_id"] in (None, EXPERT):
            found[owner[image["exam_id"]]].images.append(image)
    for outcome in cohort.rows("outcomes", run_id=EXPERT):
        found[outcome["patient_id"]].outcomes.append(outcome)
    return list(found.values())


@contextmanager
def new_folder(out: Path, cohort: Cohort | None = None) -> Iterator[Path]:
    """A folder beside `out` that takes its name on success and disappears on error; of a cohort of virtual patients it
    says so in a file, which `import_entry` finds. What a killed export left beside `out` is removed; one that is under
    way keeps a lock on its folder. LAY112 when `out` exists and is not empty."""
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TumorboardError(codes.TARGET_OCCUPIED, out, found="files in it", expected="a new or empty folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(out)
    temporary, held = _locked_folder(out)
    try:
        yield temporary
        history = cohort.provenance if cohort else ()
        if any(str(value).startswith("SYNTHETIC") for entry in history for value in entry.values()):
            (temporary / SYNTHETIC_FILE).write_text(_SYNTHETIC_TEXT, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(held)


def _locked_folder(out: Path) -> tuple[Path, int]:
    """A new hidden folder beside `out` and the descriptor that holds the lock on it, which ends with the process."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=".writing-", suffix=f"-{out.name}", dir=out.parent))
        held = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks: nothing is taken for abandoned there
            fcntl.flock(held, fcntl.LOCK_EX)
        if folder.exists():  # and was not taken for abandoned before it was locked
            return folder, held
        os.close(held)


def _remove_abandoned(out: Path) -> None:
    for folder in out.parent.glob(f".writing-*-{glob.escape(out.name)}"):
        with suppress(OSError):  # under way (locked), or not ours
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(held)


def export_nifti(cohort: Cohort, row: Mapping[str, Any], target: Path) -> None:
    """One image as `.nii.gz`: the same bytes where they already are one, else its voxels and affine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    changed = {"read", "convert"} & json.loads(row["options"] or "{}").keys()
    if row["format"] == "nifti" and row["path"].lower().endswith(".nii.gz") and not changed:
        shutil.copyfile(image_path(row, cohort.root), target)
    else:
        write_nifti(cohort.image(row["image_id"]), target)
