"""Pages drawn when they are opened, and volumes unpacked when they are asked for, in one folder of bounded size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.board.context import Board, PatientSummary
from tumorboard.board.crops import MARK_PX, Crop, crop_picture
from tumorboard.board.exam import save_picture
from tumorboard.board.site import Site
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LONG_AXIS_MM, RECIST_PAIR
from tumorboard.io.images import load_image
from tumorboard.io.nifti import write_nifti

__all__ = ["CACHE_BYTES", "LiveSite"]

CACHE_BYTES = 8 * 2**30
"""Unpacked volumes that are kept; the one that was not asked for the longest goes first."""


class LiveSite:
    """A board below `folder` whose pages come into being one by one. Safe to use from many threads. `findings`: of the
    data checks; None when they were not run."""

    def __init__(
        self,
        cohort: Cohort,
        folder: Path,
        *,
        scores: Sequence[Mapping[str, Any]] = (),
        findings: Sequence[Mapping[str, str]] | None = (),
        pictures: Sequence[Mapping[str, str]] = (),
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        checked = findings is not None
        self.board = Board(cohort, scores, findings or (), pictures, mode="server", checked=checked)
        self.folder = folder
        self._site = Site(self.board, folder)
        self._site.write_assets()
        (folder / "whole").mkdir(exist_ok=True)
        self._drawing, self._unpacking, self._index = threading.Lock(), threading.Lock(), threading.Lock()
        self._drawn: dict[str, PatientSummary] = {}
        self._written = -1
        self._whole: OrderedDict[Path, int] = OrderedDict()
        self._cache_bytes = cache_bytes

    def patient(self, page: str) -> Path | None:
        """The page of a patient, drawn now if it was not before; None for a page that is not there."""
        patient_id = self.board.patient_of_page.get(page)
        if patient_id is None:
            return None
        if patient_id not in self._drawn:
            with self._drawing:
                if patient_id not in self._drawn:
                    exams = self._site.drawer()(self._site.job(patient_id))
                    self._drawn[patient_id] = self._site.write_patient(patient_id, exams)
        return self.folder / "patients" / f"{page}.html"

    def index(self) -> Path:
        """The cohort's page, written anew when patients were drawn since."""
        with self._index:
            if self._written != len(self._drawn):
                drawn = dict(self._drawn)
                self._site.write_cohort(drawn)
                self._written = len(drawn)
        return self.folder / "index.html"

    def crop(self, page: str, number: int) -> Path | None:
        """A small picture of a marked lesion, drawn now if it was not before; None when there is none."""
        patient_id = self.board.patient_of_page.get(page)
        if patient_id is None:
            return None
        with self._unpacking:
            return self._site.crop(patient_id, number)

    def mark(self, page: str, exam: int, number: int) -> Path | None:
        """A picture of the slice that a RECIST pair lies in, drawn now if it was not before; None when there is no such
        mark. `number`: its place among the findings of the exam. Errors: those of reading the scan."""
        exams = self.board.exams_of.get(self.board.patient_of_page.get(page) or "", [])
        images = self.board.images_of.get(exams[exam]["exam_id"], []) if 0 <= exam < len(exams) else []
        found = [(image, row) for image in images for row in self.board.findings_of.get(image["image_id"], [])]
        if not 0 <= number < len(found):
            return None
        image, row = found[number]
        points = row["points_mm"] or ()
        if row["kind"] != RECIST_PAIR or len(points) != 12 or not image["path"]:
            return None
        path = self.folder / "marks" / page / f"{exam}-{number}.png"
        with self._unpacking:
            if not path.is_file():
                middle = tuple(sum(points[axis::3]) / 4 for axis in range(3))
                crop = Crop(number, image, middle, (row["measurements"] or {}).get(LONG_AXIS_MM) or 0.0, "")
                volume = (self.board.cohort.loader or load_image)(image, self.board.cohort.root)
                path.parent.mkdir(parents=True, exist_ok=True)
                save_picture(path, np.repeat(crop_picture(volume, crop, pixels=MARK_PX)[..., None], 3, axis=-1))
        return path

    def image_row(self, page: str, exam: int, index: int) -> Mapping[str, Any] | None:
        """The row of an image by its place in the patient's exam; None when there is none."""
        patient_id = self.board.patient_of_page.get(page)
        exams = self.board.exams_of.get(patient_id or "", [])
        if not 0 <= exam < len(exams):
            return None
        images = self.board.images_of.get(exams[exam]["exam_id"], [])
        return images[index] if 0 <= index < len(images) and images[index]["path"] else None

    def whole(self, page: str, exam: int, index: int) -> Path | None:
        """An uncompressed NIfTI file of an image, of which any part can be sent; None when there is no such image.

        Errors: those of reading the image.
        """
        row = self.image_row(page, exam, index)
        if row is None:
            return None
        path = self.folder / "whole" / f"{page}-{exam}-{index}.nii"
        with self._unpacking:
            if path not in self._whole or not path.is_file():
                write_nifti((self.board.cohort.loader or load_image)(row, self.board.cohort.root), path)
                self._whole[path] = path.stat().st_size
            self._whole.move_to_end(path)
            while len(self._whole) > 1 and sum(self._whole.values()) > self._cache_bytes:
                old, _ = self._whole.popitem(last=False)
                old.unlink(missing_ok=True)  # who is reading it keeps it open
        return path

    def draw_ahead(self, most: int, *, stop: threading.Event) -> None:
        """Draw up to `most` patients while nobody waits, so that their pages open at once. For a thread."""
        for page in list(self.board.patient_of_page)[:most]:
            if stop.is_set():
                return
            try:
                self.patient(page)
            except TumorboardError:
                continue  # told when the page is opened
