"""The map of abnormal uptake as a third channel of the segmentation, against controls, by annotated patients.

    python benchmarks/anomaly_prior.py real DATA/sts_petct --out OUT [--set key=value ...] [--write]
    python benchmarks/anomaly_prior.py virtual COHORT --out OUT [--set key=value ...] [--write]

`real`: a folder of CT, PET and masks; what is scored is the part of each exam that its `cuts.csv` leaves. `virtual`: a
cohort of whole bodies as benchmarks/anomaly.py makes it (made where the folder does not exist). The patients are split
once into `--folds`; each is scored by networks of the other folds. Of the training side, 1, 2, 4, 8 and all patients
are annotated (`--counts`), the same for every prior, in `--draws` nested draws; every fit has the same steps. Finished
fits below OUT are taken over (the time printed counts them, but not maps made before). `--set` are settings of the
segmentation. `--write` puts the part and its picture into benchmarks/results/anomaly_prior.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anomaly import SEED, real, virtual
from anomaly_prior_report import CONTROLS, write_part

from tumorboard.core.cohort import Cohort
from tumorboard.io.files import atomic_write_text
from tumorboard.metrics.overlap import dice_of_counts
from tumorboard.tasks.segmentation.baselines import threshold_labels
from tumorboard.tasks.segmentation.cache import CaseCache
from tumorboard.tasks.segmentation.cases import Case, find_cases, load_case, structures_of
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.folds import split_patients
from tumorboard.tasks.segmentation.members import TrainingJob, train_members
from tumorboard.tasks.segmentation.predict import predict_prepared
from tumorboard.tasks.segmentation.preprocess import Prepared, Preprocessing
from tumorboard.tasks.segmentation.prior import PriorName
from tumorboard.tasks.segmentation.prior_maps import with_fold_maps, with_training_maps
from tumorboard.tasks.segmentation.train import identity_of

ARMS: tuple[PriorName, ...] = ("anomaly", *CONTROLS)
CURVE: tuple[PriorName, ...] = ("none", "smoothed-suv", "anomaly")
SHORT = {
    "steps": 150,
    "patch_voxels": 32,
    "batch": 2,
    "spacing_mm": 4.0,
    "members": 1,
    "mirror": False,
    "overlap": 0.25,
}
"""One fit in about half a minute of one core."""
FREE = "SUV>2.5"


@dataclass(frozen=True)
class Fit:
    """One network: prior, fold, number of annotated patients (0: all of the training side) and draw."""

    prior: PriorName
    fold: int
    count: int
    draw: int

    @property
    def name(self) -> str:
        return f"fold-{self.fold}/{self.prior}-{self.count or 'all'}-{self.draw}"


@dataclass(frozen=True)
class Side:
    """Cached arrays of the cases of one side of a fold, by prior; `told` is the cohort with the fold's maps."""

    told: Cohort
    training: Mapping[PriorName, Sequence[Case]]
    held_out: Mapping[PriorName, Sequence[Case]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["real", "virtual"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--counts", default="1,2,4,8", help="annotated patients, besides all")
    parser.add_argument("--draws", type=int, default=1, help="of which patients are annotated; all: one")
    parser.add_argument("--patients", type=int, default=12, help="of a virtual cohort that is to be made")
    parser.add_argument("--seed", type=int, default=SEED, help="of a virtual cohort that is to be made")
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    config = SegmentationConfig.model_validate(SHORT | dict(setting.split("=", 1) for setting in arguments.set))
    cohort = (
        real(arguments.data)
        if arguments.what == "real"
        else virtual(arguments.data, arguments.patients, arguments.seed)
    )
    counts = [int(count) for count in arguments.counts.split(",") if count]
    found = measure(cohort, arguments.out, config, folds=arguments.folds, counts=counts, draws=arguments.draws)
    print(write_part(found, arguments))


def measure(
    cohort: Cohort, out: Path, config: SegmentationConfig, *, folds: int, counts: Sequence[int], draws: int
) -> dict[str, Any]:
    """Dice by prior, count (0: all) and patient, mean over draws, and what it took."""
    cases = find_cases(cohort, labelled=True)
    centre_of = {case.patient_id: case.centre for case in cases}
    held_out = split_patients(centre_of, folds, seed=config.seed)
    structures = structures_of(cases)
    before = time.process_time()
    sides = [_side(cohort, cases, mine, number, out, config) for number, mine in enumerate(held_out)]
    spent = {"maps": time.process_time() - before, "fits": 0.0}
    fits = [Fit(prior, fold, 0, 0) for prior in ARMS for fold in range(len(sides))]
    wanted = [(draw, count) for draw in range(draws) for count in counts]
    fits += [Fit(prior, f, count, draw) for draw, count in wanted for f in range(len(sides)) for prior in CURVE]
    dice: dict[tuple[str, int], dict[str, list[float | None]]] = {}
    for number, fit in enumerate(fits):
        began = time.perf_counter()
        record = _fitted(cohort, sides[fit.fold], fit, out, config, structures)
        spent["fits"] += record["cpu_s"]
        for patient, value in record["dice"].items():
            dice.setdefault((fit.prior, fit.count), {}).setdefault(patient, []).append(value)
        mean = np.mean([value for value in record["dice"].values() if value is not None])
        took = f"{time.perf_counter() - began:.0f} s, {record['cpu_s']:.0f} CPU-s"
        print(f"{number + 1}/{len(fits)} {fit.name}: Dice {mean:.3f} ({took})", flush=True)
    truth = {case.case_id: _truth(cohort, case) for case in cases}
    free = {case.patient_id: [_free(cohort, case, truth[case.case_id])] for case in cases}
    sizes = sorted({len(centre_of) - len(mine) for mine in held_out})
    means = {key: _means(values) for key, values in dice.items()}
    return {"dice": means, "free": _means(free), "spent": spent, "fits": len(fits), "all": sizes, "config": config}


def _side(
    cohort: Cohort, cases: Sequence[Case], held_out: Sequence[str], number: int, out: Path, config: SegmentationConfig
) -> Side:
    """Both sides of a fold with the map that each prior wants; the maps are made once."""
    training = [case for case in cases if case.patient_id not in held_out]
    tests = [case for case in cases if case.patient_id in held_out]
    mine = config.model_copy(update={"prior": "anomaly"})
    told, own, own_tests = with_fold_maps(cohort, training, tests, out / f"prior-{number}", config=mine)
    maps = told.row("images", image_id=own[0].prior_id)["run_id"]
    others = config.model_copy(update={"prior": "other-patient", "prior_run": maps})
    learn: dict[PriorName, Sequence[Case]] = dict.fromkeys(ARMS, training)
    score: dict[PriorName, Sequence[Case]] = dict.fromkeys(ARMS, tests)
    learn |= {"anomaly": own, "other-patient": with_training_maps(told, training, others)}
    score |= {"anomaly": own_tests, "other-patient": with_training_maps(told, tests, others)}
    return Side(told, learn, score)


def _annotated(patients: Sequence[str], fit: Fit, seed: int) -> list[str]:
    """The first `count` of the training patients in the draw's order, which all priors share."""
    order = np.random.default_rng([seed, fit.fold, fit.draw]).permutation(len(patients)).tolist()
    return [patients[i] for i in order[: fit.count or len(patients)]]


def _fitted(
    cohort: Cohort, side: Side, fit: Fit, out: Path, config: SegmentationConfig, structures: tuple[str, ...]
) -> dict[str, Any]:
    """Train on the annotated patients and score the held-out ones; a finished fit is taken over."""
    began = time.process_time()
    settings = config.model_copy(update={"prior": fit.prior})
    assert config.spacing_mm is not None
    preprocessing = Preprocessing(config.spacing_mm, config.ct_window_hu, structures, fit.prior)
    cache = CaseCache(out / "cache", side.told)
    mine = _annotated(sorted({case.patient_id for case in side.training["none"]}), fit, config.seed)
    paths = [cache.training(case, preprocessing) for case in side.training[fit.prior] if case.patient_id in mine]
    tests = [(case, cache.evaluation(case, preprocessing)) for case in side.held_out[fit.prior]]
    seed = config.seed + 100 * fit.draw + fit.fold
    names = [path.name for _, path in tests]
    key = [identity_of(paths, settings, preprocessing, validation=(), seed=seed), names, config.overlap]
    folder = out / fit.name
    if (folder / "dice.json").exists():
        record: dict[str, Any] = json.loads((folder / "dice.json").read_text(encoding="utf-8"))
        if record["key"] == key:
            return record
    job = TrainingJob(
        folder=folder,
        config=settings.model_dump(mode="json"),
        preprocessing=preprocessing.to_json(),
        cases=tuple(paths),
        patients=tuple(sorted(mine)),
        seed=seed,
    )
    model = train_members(job)
    dice: dict[str, float | None] = {}
    for case, path in tests:
        native = cohort.geometry(case.ct_id).crop(*case.evaluation)
        inputs = np.load(path, allow_pickle=False)
        labels = predict_prepared(model, Prepared(inputs, None, preprocessing.working_grid(native), native))
        dice[case.patient_id] = _dice(labels.array > 0, _truth(cohort, case))
    record = {"key": key, "dice": dice, "annotated": sorted(mine), "cpu_s": round(time.process_time() - began, 1)}
    atomic_write_text(folder / "dice.json", json.dumps(record, indent=1) + "\n")
    return record


def _truth(cohort: Cohort, case: Case) -> Any:
    assert case.mask_id is not None
    return cohort.image(case.mask_id).crop(*case.evaluation).array > 0


def _dice(answer: Any, truth: Any) -> float | None:
    """None where nothing is drawn: whether anything was wrongly found there is another question."""
    if not truth.any():
        return None
    return dice_of_counts(float(truth.sum()), float(answer.sum()), float((truth & answer).sum()))


def _free(cohort: Cohort, case: Case, truth: Any) -> float | None:
    pet = load_case(cohort, case).crop(case.evaluation).pet
    assert pet is not None
    return _dice(threshold_labels(pet, FREE, structures=1).array > 0, truth)


def _means(values: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """Mean over draws (and exams) of every patient with a tumour drawn."""
    known = {patient: [value for value in mine if value is not None] for patient, mine in values.items()}
    return {patient: float(np.mean(mine)) for patient, mine in sorted(known.items()) if mine}


if __name__ == "__main__":
    main()
