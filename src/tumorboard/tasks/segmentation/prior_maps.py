"""Which map of abnormal uptake each exam brings to a segmentation, and that none of them tells of who is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.anomaly.prior import learnt_from, prior_maps
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.cases import Case
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.prior import FROM_MAPS

__all__ = ["with_available_maps", "with_fold_maps", "with_training_maps"]

_SEEDS_APART = 41


def with_training_maps(cohort: Cohort, cases: Sequence[Case], config: SegmentationConfig) -> list[Case]:
    """The cases with the maps that `config` wants; as they are where it wants none.

    SGM109 without a run, or for an exam of which it has no map; ANO106 for a map made in fold.
    """
    if config.prior not in FROM_MAPS:
        return list(cases)
    if config.prior_run is None:
        raise TumorboardError(codes.NO_PRIOR, f"prior={config.prior}", found="no prior_run", expected="a run of maps")
    if not cohort.rows("runs", run_id=config.prior_run):
        raise TumorboardError(
            codes.NO_PRIOR, cohort.name, found=f"no run {config.prior_run!r}", expected="a run of anomaly maps"
        )
    chosen = _chosen(cases, prior_maps(cohort, config.prior_run), config)
    for case in chosen:
        if not case.prior_id:
            raise TumorboardError(
                codes.NO_PRIOR,
                f"exam {case.case_id}",
                found=f"no map of the run {config.prior_run!r}",
                expected="one of every training exam",
            )
    return chosen


def with_available_maps(cohort: Cohort, cases: Sequence[Case], config: SegmentationConfig) -> list[Case]:
    """The cases with the maps there are: of the run `prior_run` of this cohort. ANO106 for a map made in fold."""
    if config.prior not in FROM_MAPS or config.prior_run is None or not cohort.rows("runs", run_id=config.prior_run):
        return list(cases)
    return _chosen(cases, prior_maps(cohort, config.prior_run), config)


def with_fold_maps(
    cohort: Cohort, training: Sequence[Case], held_out: Sequence[Case], folder: Path, *, config: SegmentationConfig
) -> tuple[Cohort, list[Case], list[Case]]:
    """Both sides of a fold with their maps, and the cohort that has these.

    Without `prior_run` the maps are made here, by networks of the training side (`anomaly.nested`); models and maps go
    below `folder`. With it they are the run's, if its networks have seen no patient who is held out, and have looked at
    no more of a held-out exam than is scored: SGM110. On each side a patient is given maps of that side alone.
    """
    if config.prior not in FROM_MAPS:
        return cohort, list(training), list(held_out)
    if config.prior_run is None:
        from tumorboard.tasks.anomaly.config import AnomalyConfig
        from tumorboard.tasks.anomaly.nested import nested_maps

        run_id = f"prior maps of {folder.name}"
        sides = [sorted({case.patient_id for case in side}) for side in (training, held_out)]
        settings = AnomalyConfig(seed=config.seed, steps=config.prior_steps)
        rows = nested_maps(cohort, folder, training=sides[0], held_out=sides[1], run_id=run_id, config=settings)
        cohort = cohort.without_run(run_id).with_rows(**rows)
        config = config.model_copy(update={"prior_run": run_id})
    else:
        require_blind(cohort, training, held_out, run_id=config.prior_run)
    one, other = (with_training_maps(cohort, side, config) for side in (training, held_out))
    return cohort, one, other


def require_blind(cohort: Cohort, training: Sequence[Case], held_out: Sequence[Case], *, run_id: str) -> None:
    """SGM110 unless the maps of both sides were made by networks that have seen no held-out patient, and from no more
    of a held-out exam than is scored."""
    tests = {case.patient_id for case in held_out}
    for patient in sorted({case.patient_id for case in (*training, *held_out)}):
        seen = sorted(tests & learnt_from(cohort, run_id, patient))
        if seen:
            raise TumorboardError(
                codes.PRIOR_KNOWS,
                f"run {run_id}, patient {patient}",
                found=f"a map learnt from {', '.join(seen)}, held out here",
                expected="none of the held-out patients",
            )
    for case in held_out:
        if case.evaluation != ((0, 0, 0), tuple(cohort.geometry(case.ct_id).shape)):
            raise TumorboardError(
                codes.PRIOR_KNOWS,
                f"run {run_id}, exam {case.case_id}",
                found="a map of the whole exam, of which a part is scored",
                expected="a map of that part",
            )


def _chosen(cases: Sequence[Case], maps: dict[str, str], config: SegmentationConfig) -> list[Case]:
    """Each case with its own map, or with another patient's, drawn by seed among these cases; one without any keeps an
    empty id."""
    if config.prior == "anomaly":
        return [replace(case, prior_id=maps.get(case.case_id, "")) for case in cases]
    of_patient = {case.patient_id: maps[case.case_id] for case in reversed(cases) if case.case_id in maps}
    other = _others(sorted(of_patient), seed=config.seed)
    return [replace(case, prior_id=of_patient.get(other.get(case.patient_id, ""), "")) for case in cases]


def _others(patients: Sequence[str], *, seed: int) -> dict[str, str]:
    """Another patient for each: the next one round a circle in random order. Nobody where there is only one."""
    if len(patients) < 2:
        return {}
    order = [patients[i] for i in np.random.default_rng([seed, _SEEDS_APART]).permutation(len(patients)).tolist()]
    return dict(zip(order, [*order[1:], order[0]], strict=True))
