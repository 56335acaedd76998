"""Results of TotalSegmentator -> a run of a cohort (Wasserthal et al., Radiol Artif Intell 2023; 5: e230024)."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import Progress, parse_labels
from tumorboard.datasets.predicted_masks.run import MaskRun, parse_names
from tumorboard.io.inflate import is_gzip
from tumorboard.io.nifti import read_nifti, write_nifti

__all__ = ["label_names", "read"]

_MOST_HEADER = 2**20
_MOST_STRUCTURES = 255
_LABEL = re.compile(
    r'<Label\b[^>]*\bKey="(\d{1,5})"[^>]*>\s*(?:<!\[CDATA\[)?\s*([^<\]]{1,80}?)\s*(?:\]\]>)?\s*</Label>'
)
_SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


def read(
    source: Path,
    *,
    onto: Path | None = None,
    run: str = "totalsegmentator",
    structures: str = "",
    only: str = "",
    labels: str = "",
    case: str = "",
    progress: Progress | None = None,
) -> Cohort:
    """Add results of TotalSegmentator to a cohort, as a run.

    Parameters
    ----------
    source : a folder with one folder of masks per case (`<case>/spleen.nii.gz`), or one file of all labels per case
        (`<case>.nii.gz`, written with ``--ml``); or one such folder of masks itself, with `case`.
    onto : the cohort with the images.
    run : name of the run that the masks belong to; an earlier run of that name is replaced.
    structures : names that differ, theirs=ours, e.g. ``brain=Brain``.
    only : structures to take, by their names, e.g. ``brain,urinary_bladder``; default all.
    labels : names of values, e.g. ``1=spleen,2=kidney_right``, where a file's header does not say them.
    case : patient, exam or image that a single folder of masks belongs to.

    Folders of masks are written as one mask below the cohort's `runs`; where two structures claim a voxel, the later
    one by name has it, which is noted. Errors: LAY101, LAY102, LAY107, LAY110, LAY113.
    """
    source = Path(source).resolve()
    masks = MaskRun.onto(onto, run)
    ours, wanted = parse_names(structures), [word.strip() for word in only.split(",") if word.strip()]
    stated = parse_labels(labels) if labels else {}
    results = _results(source, case)
    for done, (name, paths) in enumerate(sorted(results.items()), start=1):
        exam_id = masks.exam(name)
        if exam_id is not None and len(paths) == 1 and paths[0].parent == source and not case:
            named = stated or label_names(paths[0])
            masks.add(paths[0], exam_id, {value: ours.get(n, n) for value, n in named.items()})
        elif exam_id is not None:
            assert onto is not None
            target = Path(onto).resolve() / "runs" / _file_name(run) / f"{_file_name(exam_id)}.nii.gz"
            united = _united(masks, exam_id, _chosen(paths, wanted, name), target)
            masks.add(target, exam_id, {value: ours.get(n, n) for value, n in united.items()})
        if progress:
            progress(done, len(results))
    return masks.finish("totalsegmentator", source, structures=structures, only=only)


def _results(source: Path, case: str) -> dict[str, list[Path]]:
    """Case -> its files: one of all labels, or several of one structure each."""
    if not source.is_dir():
        raise TumorboardError(codes.LAYOUT_NOT_FOUND, source, found="no folder", expected="results of TotalSegmentator")
    if case:
        return {case: _masks_in(source)}
    found = {_SUFFIX.sub("", path.name): [path] for path in _masks_in(source)}
    for folder in sorted(p for p in source.iterdir() if p.is_dir()):
        inside = _masks_in(folder) or (_masks_in(folder / "segmentations"))
        if inside and folder.name in found:
            raise TumorboardError(
                codes.FILE_ROLE, folder, found=f"a folder and a file called {folder.name}", expected="one result"
            )
        found |= {folder.name: inside} if inside else {}
    return found


def _masks_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if _SUFFIX.search(p.name) and p.is_file()) if folder.is_dir() else []


def _chosen(paths: Sequence[Path], wanted: Sequence[str], case: str) -> dict[str, Path]:
    """Structure -> file; LAY113 for a wanted structure that is not there."""
    named = {_SUFFIX.sub("", path.name): path for path in paths}
    absent = [name for name in wanted if name not in named]
    if absent:
        listed = ", ".join(list(named)[:8])
        raise TumorboardError(codes.OPTION, "option only", found=f"{absent[0]!r}, not in {case}", expected=listed)
    chosen = {name: named[name] for name in wanted} if wanted else named
    if len(chosen) > _MOST_STRUCTURES:
        found = f"{len(chosen)} structures"
        raise TumorboardError(codes.OPTION, "option only", found=found, expected=f"at most {_MOST_STRUCTURES}")
    return chosen


def _united(masks: MaskRun, exam_id: str, files: Mapping[str, Path], target: Path) -> dict[int, str]:
    """Write the masks of an exam as one label map; returns its labels. LAY107, LAY110."""
    labels, whole = {}, None
    for value, (name, path) in enumerate(sorted(files.items()), start=1):
        mask = read_nifti(path, unit=Unit.LABEL)
        masks.reference(exam_id, mask.geometry, path)
        present = np.unique(mask.array)
        if not np.isin(present, (0, 1)).all():
            raise TumorboardError(codes.LABELS, path, found=f"values {present.tolist()[:5]}", expected="0 and 1")
        if whole is None:
            whole = Volume(np.zeros(mask.shape, np.uint8), mask.affine, Unit.LABEL)
        mine = mask.array > 0
        claimed = int((whole.array[mine] > 0).sum())
        if claimed:
            masks.notes.append(f"{exam_id}: {name} takes {claimed} voxels that other structures claim too")
        whole.array[mine] = value
        labels[value] = name
    assert whole is not None
    write_nifti(whole, target)
    return labels


def label_names(path: Path) -> dict[int, str]:
    """Value -> structure, from the label table in the header of a NIfTI file (an extension in XML, as TotalSegmentator
    and Workbench write it). LAY110 without one."""
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
            head = file.read(_MOST_HEADER)
    except (OSError, EOFError, zlib.error) as error:
        raise TumorboardError(codes.LABELS, path, found=str(error)[:80], expected="a NIfTI file") from error
    start = head.find(b"<LabelTable")
    end = head.find(b"</LabelTable>", start)
    text = head[start:end].decode("utf-8", "replace") if 0 <= start < end else ""
    names = {int(key): name for key, name in _LABEL.findall(text) if int(key)}
    if not names:
        raise TumorboardError(
            codes.LABELS,
            path,
            found="no label table in its header",
            expected="one, as TotalSegmentator writes with --ml",
            fix="state the names with --set labels=1=spleen,2=kidney_right",
        )
    return names


def _file_name(identifier: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", identifier).strip("-.") or "run"
