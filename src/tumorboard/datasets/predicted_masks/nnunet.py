"""An output folder of nnU-Net v2 -> a run of a cohort."""

from __future__ import annotations

from pathlib import Path

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import Progress
from tumorboard.datasets.nnunet.reader import read_cases
from tumorboard.datasets.nnunet.spec import DatasetSpec
from tumorboard.datasets.predicted_masks.run import MaskRun, parse_names

__all__ = ["read"]


def read(
    source: Path,
    *,
    onto: Path | None = None,
    run: str = "nnunet",
    structures: str = "",
    cases: Path | None = None,
    progress: Progress | None = None,
) -> Cohort:
    """Add the masks of an nnU-Net output folder to a cohort, as a run.

    Parameters
    ----------
    source : the folder with `<case>.nii.gz` and `dataset.json`; it names the labels.
    onto : the cohort with the images.
    run : name of the run that the masks belong to; an earlier run of that name is replaced.
    structures : names that differ, theirs=ours, e.g. ``tumour=GTVp,nodes=GTVn``.
    cases : the raw folder of `export nnunet`, where its `case_ids.csv` says whose case it is.

    Regions are read by the values that nnU-Net writes for them. Errors: LAY101 no `dataset.json` or no mask of a known
    exam, LAY102 two masks of one exam, LAY103, LAY107 a mask on no grid of its exam, LAY110 a value without a name,
    LAY113.
    """
    source = Path(source).resolve()
    masks = MaskRun.onto(onto, run)
    spec = DatasetSpec.read(source)
    ours = parse_names(structures)
    unknown = [name for name in ours if name not in spec.labels.values()]
    if unknown:
        expected = ", ".join(spec.labels.values())
        raise TumorboardError(codes.OPTION, "option structures", found=repr(unknown[0]), expected=expected)
    labels = {value: ours.get(name, name) for value, name in spec.labels.items()}
    renamed = {case: f"{patient}.{order}" for case, (patient, order) in (read_cases(cases) if cases else {}).items()}
    ending = spec.file_ending.lower()
    files = [p for p in sorted(source.iterdir()) if p.name.lower().endswith(ending) and not p.name.startswith(".")]
    for done, path in enumerate(files, start=1):
        case = path.name[: -len(ending)]
        exam_id = masks.exam(renamed.get(case, case))
        if exam_id is not None:
            masks.add(path, exam_id, labels)
        if progress:
            progress(done, len(files))
    return masks.finish("nnunet-predictions", source, structures=structures)
