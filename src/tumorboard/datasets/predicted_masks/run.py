"""What both importers share: which exam a file answers, on which image's grid, and the rows of the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import import_entry, row_grid
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.store import open_cohort

__all__ = ["MaskRun", "parse_names"]


def parse_names(text: str) -> dict[str, str]:
    """``tumour=GTVp,nodes=GTVn`` -> their name to ours; LAY113 when it is not of this form."""
    names: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        theirs, sign, ours = (word.strip() for word in part.partition("="))
        if not (sign and theirs and ours) or theirs in names:
            raise TumorboardError(
                codes.OPTION, "option structures", found=repr(text), expected="a list such as tumour=GTVp,nodes=GTVn"
            )
        names[theirs] = ours
    return names


@dataclass
class MaskRun:
    """The masks of one run on the images of a cohort, while an importer collects them."""

    cohort: Cohort
    run_id: str
    images: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _exams_of: dict[str, list[str]] = field(default_factory=dict)
    _answered: dict[str, str] = field(default_factory=dict)

    @classmethod
    def onto(cls, folder: Path | None, run_id: str) -> MaskRun:
        """LAY113 without a cohort to add to, or with the expert's own name for the run."""
        if folder is None:
            raise TumorboardError(
                codes.OPTION, "option onto", found="none", expected="the cohort with the images, onto=COHORT"
            )
        if run_id == EXPERT or not run_id.strip():
            raise TumorboardError(codes.OPTION, "option run", found=repr(run_id), expected="a name of its own")
        run = cls(open_cohort(folder), run_id)
        names: dict[str, set[str]] = defaultdict(set)
        for exam in run.cohort.rows("exams"):
            names[_plain(exam["exam_id"])].add(exam["exam_id"])
            names[_plain(exam["patient_id"])].add(exam["exam_id"])
        for row in run.cohort.rows("images", role=Role.IMAGE):
            names[_plain(row["image_id"])].add(row["exam_id"])
            if row["path"]:
                names[_plain(Path(row["path"]).name.split(".nii")[0])].add(row["exam_id"])
        run._exams_of = {name: sorted(exams) for name, exams in names.items()}
        return run

    def exam(self, name: str) -> str | None:
        """The exam that a case is named after (by patient, where that is one exam, by exam, or by image); None, and
        noted, where there is none or several. LAY102 when an exam is answered twice."""
        found = self._exams_of.get(_plain(name), [])
        if len(found) != 1:
            self.notes.append(f"{name}: {'no exam' if not found else f'{len(found)} exams'} of this name")
            return None
        if found[0] in self._answered:
            both = f"{self._answered[found[0]]} and {name}"
            raise TumorboardError(codes.FILE_ROLE, f"exam {found[0]}", found=both, expected="one prediction")
        self._answered[found[0]] = name
        return found[0]

    def reference(self, exam_id: str, grid: Geometry, where: str | Path) -> dict[str, Any]:
        """The acquired image of the exam on this grid, CT first; LAY107 where there is none."""
        images = [row for row in self.cohort.rows("images", exam_id=exam_id, role=Role.IMAGE) if row["shape"]]
        images.sort(key=lambda row: row["modality"] != Modality.CT)
        for row in images:
            if row_grid(row).same_grid(grid):
                return row
        expected = "; or ".join(f"{row['image_id']}: {row_grid(row)}" for row in images) or "an image of the exam"
        raise TumorboardError(codes.MASK_WITHOUT_GRID, where, found=str(grid), expected=expected)

    def add(self, path: Path, exam_id: str, labels: Mapping[int, str]) -> None:
        """A mask file of an exam. LAY107 for a grid of none of its images, LAY110 for values without a name."""
        row = describe_image(
            path,
            image_id=f"{exam_id}.mask.{self.run_id}",
            exam_id=exam_id,
            modality=Modality.SEG,
            role=Role.MASK,
            unit=Unit.LABEL,
            run_id=self.run_id,
            labels=dict(labels),
        )
        image = self.reference(exam_id, row_grid(row), path)
        require_named(load_image(row, None), labels, path)
        self.images.append(row | {"reference_image_id": image["image_id"], "affine": image["affine"]})

    def finish(self, layout: str, source: Path, **options: Any) -> Cohort:
        """The cohort with this run in place of an earlier one of its name. LAY101 when no file answers an exam."""
        if not self.images:
            raise TumorboardError(
                codes.LAYOUT_NOT_FOUND,
                source,
                found="no mask named after an exam" + (f" ({self.notes[0]})" if self.notes else ""),
                expected="masks named by patient, exam or image, e.g. "
                + (f"{self.cohort.patient_ids[0]}.nii.gz" if self.cohort.patient_ids else "P-1.nii.gz"),
            )
        run = {"run_id": self.run_id, "task": "segmentation", "kind": "import"}
        cohort = self.cohort.without_run(self.run_id).with_rows(runs=[run], images=self.images)
        return cohort.with_provenance(import_entry(layout, source, notes=self.notes, run=self.run_id, **options))


def require_named(mask: Volume, labels: Mapping[int, str], where: str | Path) -> None:
    """LAY110 for a voxel value that is no whole number or has no name."""
    strange = [float(value) for value in np.unique(mask.array) if value and value not in labels]
    if strange:
        listed = ", ".join(f"{value} ({name})" for value, name in list(labels.items())[:6])
        raise TumorboardError(codes.LABELS, where, found=f"voxels of value {strange[:5]}", expected=f"0 or {listed}")


def _plain(name: str) -> str:
    return name.replace("_", "-").casefold()
