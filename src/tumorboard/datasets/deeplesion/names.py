"""Names of DeepLesion: PPPPPP_SS_RR_NNN.png (patient, study, series, slice) and PPPPPP_SS_RR_FFF-LLL (sub-volume)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.deeplesion import codes
from tumorboard.datasets.deeplesion.table import LesionTable

__all__ = ["SliceName", "SubVolumeName", "require_names", "slice_name", "sub_volume_name"]

_SLICE = re.compile(r"(\d{6})_(\d{2})_(\d{2})[_/\\](\d{3,5})\.png")
_SUB_VOLUME = re.compile(r"(\d{6}_\d{2}_\d{2})_(\d{3,5})-(\d{3,5})")


@dataclass(frozen=True)
class SliceName:
    """One slice; `number` as published, from 1."""

    patient: int
    study: int
    series: int
    number: int

    @property
    def series_name(self) -> str:
        """Name of the folder."""
        return f"{self.patient:06d}_{self.study:02d}_{self.series:02d}"

    @property
    def file_name(self) -> str:
        """As in DL_info.csv: the last separator is an underscore."""
        return f"{self.series_name}_{self.number:03d}.png"


@dataclass(frozen=True)
class SubVolumeName:
    """Slices `first` to `last`, both included, of one series."""

    series_name: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.series_name}_{self.first:03d}-{self.last:03d}"


def slice_name(text: str) -> SliceName | None:
    """What `PPPPPP_SS_RR_NNN.png` (or with a slash before the slice) means; None for other text."""
    match = _SLICE.fullmatch(text)
    return SliceName(*(int(part) for part in match.groups())) if match else None


def sub_volume_name(text: str) -> SubVolumeName | None:
    """What `PPPPPP_SS_RR_FFF-LLL` (with or without `.nii`, `.nii.gz`) means; None for other text."""
    match = _SUB_VOLUME.fullmatch(text.removesuffix(".gz").removesuffix(".nii"))
    if not match or int(match[3]) < int(match[2]):
        return None
    return SubVolumeName(match[1], int(match[2]), int(match[3]))


def require_names(lesions: LesionTable) -> None:
    """DPL108 unless every slice name says the same as its row."""
    columns = zip(lesions.file_name, lesions.patient, lesions.study, lesions.series, lesions.key_slice, strict=True)
    for text, *numbers in columns:
        name = slice_name(text)
        if name is None or "_" not in text or [name.patient, name.study, name.series, name.number] != numbers:
            raise TumorboardError(
                codes.SLICE_NAME,
                f"File_name {text}",
                found=f"{text!r} in the row of patient, study, series, slice {[int(n) for n in numbers]}",
                expected="PPPPPP_SS_RR_NNN.png of the same numbers",
            )
