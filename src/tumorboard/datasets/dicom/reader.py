"""Folder tree of DICOM series -> Cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import Progress, import_entry
from tumorboard.datasets.dicom.images import ImageOptions, exam_images, patient_facts
from tumorboard.datasets.dicom.masks import MaskOptions, dose_rows, segmentation_rows, structure_rows
from tumorboard.datasets.identifiers import natural_key, read_ids, require_safe
from tumorboard.io.dicom.scan import Scan, SeriesEntry, scan_folder
from tumorboard.io.images import load_image

__all__ = ["read"]

_IMAGES = ("CT", "PT", "MR")
_OTHERS = ("RTSTRUCT", "SEG", "RTDOSE")


@dataclass
class _Study:
    """The series of one study, by modality."""

    uid: str
    date: str
    time: str
    series: list[SeriesEntry] = field(default_factory=list)

    def of(self, *modalities: str) -> list[SeriesEntry]:
        return [entry for entry in self.series if entry.modality in modalities]


def read(
    source: Path,
    *,
    name: str | None = None,
    patient_from: Literal["tag", "folder"] = "tag",
    several: Literal["all", "largest"] = "all",
    structures: str = "",
    rename: str = "",
    place: Literal["slice", "slab"] = "slice",
    outside: Literal["error", "drop"] = "error",
    threshold: float | None = None,
    padding_hu: float | None = -1024.0,
    allow_shear: bool = False,
    allow_incomplete: bool = False,
    assume_weight_kg: float | None = None,
    assume_dose_bq: float | None = None,
    assume_half_life_s: float | None = None,
    assume_injection_time: str | None = None,
    assume_scan_start: Literal["series", "acquisition"] | None = None,
    assume_decay_correction: Literal["START", "ADMIN", "NONE"] | None = None,
    assume_corrected: bool = False,
    assume_midnight: bool = False,
    assume_same_day: bool = False,
    progress: Progress | None = None,
) -> Cohort:
    """Read every series below a folder. Patients are told apart by PatientID, exams by StudyInstanceUID, in the order
    of their dates; only days since a patient's first study are kept, no dates and no names.

    Parameters
    ----------
    source : the folder (or one file).
    name : of the cohort; default: the folder's name.
    patient_from : ``tag`` PatientID, or the ``folder`` directly below `source`.
    several : what becomes of several CT (or PT) series of one study: keep ``all`` (the first is the one that masks
        refer to, then the one with most slices), or the first only (``largest``).
    structures : pattern (regular expression) of the structures and segments to keep; default all.
    rename : names of structures, e.g. ``GTV_Mass_CT=GTV,GTV-1=GTVp``.
    place, outside : contours between slices and beyond the image, as in `io.dicom.rtstruct.structure_mask`.
    threshold : for fractional segmentations.
    padding_hu : value of CT pixels that the header declares as padding; none keeps what is stored.
    allow_shear, allow_incomplete : as in `io.dicom.series.read_series`.
    assume_* : what the PET headers lack, as in `io.dicom.suv.SuvAssumptions`; holds for the whole import.

    A series, structure or dose that cannot be read becomes a row with its code in `problem`; files that are in no
    series are listed in the notes. Errors: LAY101 no series at all, LAY106 a patient without a usable id, SUV111.
    """
    source = Path(source)
    found = scan_folder(source)
    if not found.series:
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no DICOM series", expected="at least one")
    suv = {
        "assume_weight_kg": assume_weight_kg,
        "assume_dose_bq": assume_dose_bq,
        "assume_half_life_s": assume_half_life_s,
        "assume_injection_time": assume_injection_time,
        "assume_scan_start": assume_scan_start,
        "assume_decay_correction": assume_decay_correction,
        "assume_corrected": assume_corrected,
        "assume_midnight": assume_midnight,
        "assume_same_day": assume_same_day,
    }
    image_options = ImageOptions(
        several,
        padding_hu,
        allow_shear,
        allow_incomplete,
        {key: value for key, value in suv.items() if value not in (None, False)},
    )
    mask_options = MaskOptions(structures, _renamed(rename), place, outside, threshold)
    notes = [str(remark) for remark in found.skipped if remark.severity != "info"]
    others = sum(remark.severity == "info" for remark in found.skipped)
    if others:
        notes.append(f"{others} files are not DICOM")
    rows = _Rows(found, notes, _counter(found, progress))
    original = read_ids(source) if source.is_dir() else {}
    for written, studies in _patients(found, source, patient_from).items():
        rows.add_patient(original.get(written, written), studies, image_options, mask_options)
    entry = import_entry(
        "dicom",
        source.resolve(),
        notes=notes,
        identifying=found.identifying,
        patient_from=patient_from,
        several=several,
        structures=structures,
        rename=rename,
        place=place,
        outside=outside,
        threshold=threshold,
        padding_hu=padding_hu,
        allow_shear=allow_shear,
        allow_incomplete=allow_incomplete,
        **suv,
    )
    return Cohort.build(
        name or source.resolve().name,
        provenance=[entry],
        loader=load_image,
        patients=rows.patients,
        exams=rows.exams,
        images=rows.images,
        runs=list(rows.runs.values()),
    )


@dataclass
class _Rows:
    """Rows of the cohort while patients are added."""

    scan: Scan
    notes: list[str]
    done: Callable[[SeriesEntry], None]
    patients: list[dict[str, Any]] = field(default_factory=list)
    exams: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_patient(
        self, patient_id: str, studies: Sequence[_Study], image_options: ImageOptions, mask_options: MaskOptions
    ) -> None:
        """Patient, exams and images. Masks may refer to images of any study of the patient."""
        exam_ids = {study.uid: f"{patient_id}.{order}" for order, study in enumerate(studies)}
        days = _days(studies)
        images: list[dict[str, Any]] = []
        for study, day in zip(studies, days, strict=True):
            rows, notes = exam_images(study.of(*_IMAGES), exam_ids[study.uid], self.scan, image_options, study.series)
            for entry in study.of(*_IMAGES):
                self.done(entry)
            self.notes += notes
            images += rows
            order = int(exam_ids[study.uid].rpartition(".")[2])
            self.exams.append(
                {
                    "exam_id": exam_ids[study.uid],
                    "patient_id": patient_id,
                    "day": day,
                    "order": order,
                    "kind": _kind(study),
                }
            )
        for study in studies:
            images += self._masks(study, exam_ids[study.uid], images, mask_options)
            skipped = sorted({entry.modality for entry in study.series} - {*_IMAGES, *_OTHERS})
            if skipped:
                self.notes.append(f"{exam_ids[study.uid]}: series of modality {', '.join(skipped)} left out")
        self.images += images
        self.patients.append({"patient_id": patient_id, **patient_facts(studies[0].series)})

    def _masks(
        self, study: _Study, exam_id: str, images: Sequence[Mapping[str, Any]], options: MaskOptions
    ) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for entry in _by_reference(study.of(*_OTHERS)):
            for path in entry.files:
                if entry.modality == "RTSTRUCT":
                    rows, notes = structure_rows(path, images, options)
                elif entry.modality == "SEG":
                    rows, notes = segmentation_rows(path, images, options)
                else:
                    rows, notes = dose_rows(path)
                made += rows
                self.notes += notes
            self.done(entry)
        position = {row["image_id"]: index for index, row in enumerate(images)}
        made.sort(key=lambda row: position.get(row["reference_image_id"], len(position)))
        counts: dict[str, int] = {}
        for row in made:
            stem = {"dose": "dose"}.get(row["role"], "mask" if row["run_id"] == "expert" else f"mask.{row['run_id']}")
            counts[stem] = counts.get(stem, 0) + 1
            row["exam_id"] = exam_id
            row["image_id"] = f"{exam_id}.{stem}" + (f"-{counts[stem]}" if counts[stem] > 1 else "")
            if row["run_id"] and row["run_id"] != "expert":
                self.runs[row["run_id"]] = {"run_id": row["run_id"], "task": "segmentation", "kind": "import"}
        return made


def _counter(found: Scan, progress: Progress | None) -> Callable[[SeriesEntry], None]:
    total = len(found.series)
    count = 0

    def done(_: SeriesEntry) -> None:
        nonlocal count
        count += 1
        if progress:
            progress(count, total)

    return done


def _patients(found: Scan, source: Path, patient_from: str) -> dict[str, list[_Study]]:
    """Patient id -> studies in the order of their dates (then of their UIDs)."""
    patients: dict[str, dict[str, _Study]] = {}
    root = source.resolve()
    for entry in found.series:
        path = entry.files[0]
        if patient_from == "folder" and path.resolve().parent != root:
            written = path.resolve().relative_to(root).parts[0]
        else:
            written = entry.patient_id
        studies = patients.setdefault(require_safe(written, str(path)), {})
        study = studies.setdefault(entry.study_uid, _Study(entry.study_uid, entry.study_date, entry.study_time))
        study.series.append(entry)
    return {
        patient: sorted(patients[patient].values(), key=lambda study: (study.date, study.time, study.uid))
        for patient in sorted(patients, key=natural_key)
    }


def _days(studies: Sequence[_Study]) -> list[float | None]:
    """Days since the first study; nothing where a date is missing or none."""
    dates = []
    for study in studies:
        try:
            dates.append(datetime.strptime(study.date, "%Y%m%d"))
        except ValueError:
            dates.append(None)
    if None in dates:
        return [None] * len(dates)
    return [float((date - dates[0]).days) for date in dates if date and dates[0]]


def _kind(study: _Study) -> str:
    present = {entry.modality for entry in study.series}
    if {"CT", "PT"} <= present:
        return "PET/CT"
    if "RTDOSE" in present:
        return "RT planning"
    return next((modality for modality in _IMAGES if modality in present), "other")


def _by_reference(entries: Sequence[SeriesEntry]) -> list[SeriesEntry]:
    return sorted(entries, key=lambda entry: (_OTHERS.index(entry.modality), entry.series_uid))


def _renamed(text: str) -> dict[str, str]:
    """``A=GTV,B=GTVn`` -> {"A": "GTV", "B": "GTVn"}; LAY113 when it is not of this form."""
    names: dict[str, str] = {}
    for part in text.split(",") if text else []:
        old, sign, new = part.partition("=")
        if not sign or not old.strip() or not new.strip() or old.strip() in names:
            raise TumorboardError(codes.OPTION, "option rename", found=repr(text), expected="OLD=NEW,OLD=NEW")
        names[old.strip()] = new.strip()
    return names
