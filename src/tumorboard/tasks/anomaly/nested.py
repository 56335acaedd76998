"""Maps for one fold of a task that learns from them: no map that is learnt from owes anything to a held-out patient.

The patients of the other task's fold are on two sides. Networks are trained on normal slices of its training side
alone: one on all of it, for the held-out patients, and one per inner fold of it, without the patients of that inner
fold, for those (docs/adr/0179). Of a held-out exam with a part that is scored, the map is made of that part alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import Case, Exams, draw_cases, find_cases
from tumorboard.tasks.anomaly.maps import network_maps
from tumorboard.tasks.anomaly.model import AnomalyModel
from tumorboard.tasks.anomaly.normal import normal_slices, require_other_patients
from tumorboard.tasks.anomaly.rows import run_row, write_map, write_part_map
from tumorboard.tasks.anomaly.train import train_network
from tumorboard.tasks.segmentation.folds import split_patients

__all__ = ["INNER_FOLDS", "nested_maps"]

INNER_FOLDS = 2
"""Of the training side: so many networks besides the one of all of it."""

Row = dict[str, Any]


def nested_maps(
    cohort: Cohort,
    folder: Path,
    *,
    training: Sequence[str],
    held_out: Sequence[str],
    run_id: str,
    config: AnomalyConfig | None = None,
    inner_folds: int = INNER_FOLDS,
    progress: Callable[[float], None] | None = None,
) -> dict[str, list[Row]]:
    """Rows of `runs` and `images` (z-scores) with a map of every exam of the patients `training` and `held_out`.

    `training` patients need an expert's mask (which slices are normal is all that is taken from it); models and maps go
    below `folder`, finished models are taken over. The run names, for each patient, those whose normal slices its
    network was trained on. Errors: ANO107 for a patient on both sides, ANO102 with too few normal slices.
    """
    config = config or AnomalyConfig()
    require_other_patients(training, held_out, where=run_id)
    wanted = {*training, *held_out}
    cases = [case for case in find_cases(cohort) if case.patient_id in wanted]
    maker = _Maker(cohort, Exams(cohort, cases, grid_mm=config.grid_mm), config, folder, run_id)
    lessons = [case for case in cases if case.patient_id in set(training) and case.mask_id]
    centre_of = {case.patient_id: case.centre for case in lessons}
    inner = split_patients(centre_of, inner_folds, seed=config.seed)
    images: list[Row] = []
    teachers: dict[str, list[str]] = {}
    groups = [*((f"inner-{number}", mine) for number, mine in enumerate(inner)), ("outer", list(held_out))]
    for number, (name, mine) in enumerate(groups):
        others = [case for case in lessons if case.patient_id not in mine]
        others = draw_cases(others, config.most_exams, seed=config.seed + number)
        learnt = sorted({case.patient_id for case in others})
        require_other_patients(learnt, mine, where=f"{run_id}, {name}")
        model = maker.train(others, name, seed=config.seed + number)
        teachers |= dict.fromkeys(mine, learnt)
        images += [maker.map(model, case, part=name == "outer") for case in cases if case.patient_id in mine]
        if progress is not None:
            progress((number + 1) / len(groups))
    inputs = {"out_of_fold": True, "parts": True, "learnt_from": teachers}
    run = run_row(run_id, kind="model", config=config.model_dump(mode="json"), inputs=inputs)
    return {"runs": [run], "images": images}


class _Maker:
    """Trains networks on cases, and writes maps of others."""

    def __init__(self, cohort: Cohort, exams: Exams, config: AnomalyConfig, folder: Path, run_id: str) -> None:
        self._cohort, self._exams, self._config = cohort, exams, config
        self._folder, self._run_id = folder, run_id
        self._digests = {row["image_id"]: row["sha256"] for row in cohort.rows("images")}

    def train(self, cases: Sequence[Case], name: str, *, seed: int) -> AnomalyModel:
        training = []
        for case in cases:
            exam = self._exams[case.exam_id]
            training.append((exam, normal_slices(exam, guard_mm=self._config.guard_mm)))
        data = [[self._digests[i] for i in (c.ct_id, c.pet_id, c.mask_id) if i] for c in cases]
        return train_network(training, self._folder / name, config=self._config, seed=seed, data=data)

    def map(self, model: AnomalyModel, case: Case, *, part: bool) -> Row:
        """The map of a case; with `part`, of what is scored of it, where that is less than all."""
        exam = self._exams[case.exam_id]
        cut = part and case.cut is not None
        if cut:
            exam = exam.cropped()
        score = network_maps(model, exam)[self._config.network]
        folder = (self._folder / "maps").resolve()
        write = write_part_map if cut else write_map
        return write(self._cohort, exam, np.asarray(score), folder, run_id=self._run_id)
