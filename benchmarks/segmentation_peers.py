"""Soft-tissue sarcomas in PET/CT, the same CPU-minutes for each: ours, the official HECKTOR recipe, nnU-Net v2.

    python benchmarks/segmentation_peers.py DATA/sts_petct --out OUT --nnunet-python VENV/bin/python [--minutes 5]
        [--set key=value ...] [--only recipe,nnunet,ours] [--date DATE] [--machine WORDS] [--write]

VENV: an environment of its own with `pip install torch==2.13.0 nnunetv2`. All learn on the same folds by patient and
see nothing outside the cut sub-volumes when they predict; our scorer scores them all, thresholds and the image-blind
ellipsoid too. Only training is timed; preparing the data and predicting are not. Finished folds below OUT are taken
over. Trainings run side by side, one thread each. `--write` puts the page into benchmarks/results.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from segmentation_peers_report import OURS, RECIPE, page

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.pairs.reader import read
from tumorboard.io.files import atomic_write_text
from tumorboard.io.nifti import read_nifti, write_nifti
from tumorboard.tasks.segmentation.baselines import ELLIPSOID, THRESHOLDS
from tumorboard.tasks.segmentation.benchmark import benchmark
from tumorboard.tasks.segmentation.cases import Case, find_cases, load_case, structures_of
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.evaluate import evaluate
from tumorboard.tasks.segmentation.folds import split_patients
from tumorboard.tasks.segmentation.rows import mask_path, write_mask

HERE = Path(__file__).parent
TARGET = HERE / "results" / "segmentation_peers.md"
NNUNET = "nnunet"
SCRIPTS = {RECIPE: HERE / "segmentation_peers_recipe.py", NNUNET: HERE / "segmentation_peers_nnunet.py"}


def main() -> None:
    arguments = parsed()
    out = arguments.out.resolve()
    cohort = read(arguments.data)
    cases = find_cases(cohort, labelled=True)
    config = own_config(arguments)
    held_out = split_patients({case.patient_id: case.centre for case in cases}, arguments.folds, seed=arguments.seed)
    files = export_cases(cohort, cases, out / "cases")
    if NNUNET in arguments.only:
        prepare_nnunet(arguments, out, files, cases, held_out)
    jobs = [
        job_of(arguments, out, method, number, files, cases, patients)
        for number, patients in enumerate(held_out)
        for method in SCRIPTS
        if method in arguments.only
    ]
    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(lambda job: run_job(job, arguments), jobs))
    masks = out / "masks"
    for job in jobs:
        paste(cohort, cases, job, masks)
    folders = {method: masks / method for method in SCRIPTS if method in arguments.only}
    if OURS in arguments.only:
        result = benchmark(cohort, out / OURS, config=config)
        runs = {OURS: config.network, **{name: name for name in (*THRESHOLDS, ELLIPSOID)}}
        folders |= {name: mask_path(out / OURS / "masks", cases[0], run).parent for name, run in runs.items()}
        own = next(row for row in result.rows["runs"] if row["run_id"] == config.network)["metrics"]
        atomic_write_text(out / OURS / "facts.json", own)
    results = {name: evaluate(cohort, folder, seed=arguments.seed) for name, folder in folders.items()}
    text = page(results, facts_of(out, arguments), arguments, config)
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0, help="Of training per method and fold.")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu", help="wall: for a GPU.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="Of the two peers.")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="Trainings side by side, one thread each.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="Settings of ours.")
    parser.add_argument("--only", type=lambda words: words.split(","), default=[RECIPE, NNUNET, OURS])
    parser.add_argument("--recipe-spacing-mm", type=float, default=2.0, help="1: as published.")
    parser.add_argument("--recipe-patch", type=int, default=64, help="128: as published.")
    parser.add_argument("--recipe-volumes", type=int, default=1, help="Volumes per update; 2: as published.")
    parser.add_argument("--recipe-samples", type=int, default=2, help="Patches per volume; 3: as published.")
    parser.add_argument("--nnunet-python", default=sys.executable)
    parser.add_argument("--nnunet-memory-gib", type=float, default=8.0, help="The planner's memory target.")
    parser.add_argument("--nnunet-spacing-mm", type=float, default=None, help="Default: the planner's own spacing.")
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def own_config(arguments: argparse.Namespace) -> SegmentationConfig:
    """Our settings: the defaults, with one network per fold, ended by the same time as the peers."""
    rounds = -(-arguments.folds // arguments.workers) if arguments.clock == "wall" else arguments.folds
    settings = {
        "members": 1,
        "budget_minutes": arguments.minutes * rounds,
        "budget_clock": arguments.clock,
        "folds": arguments.folds,
        "seed": arguments.seed,
        "workers": arguments.workers,
    }
    return SegmentationConfig.model_validate(settings | dict(setting.split("=", 1) for setting in arguments.set))


def export_cases(cohort: Cohort, cases: Sequence[Case], folder: Path) -> dict[str, dict[str, str]]:
    """Patient -> files: CT, PET on the CT's grid and mask of the whole exam (for training), CT and PET of the part on
    which scores are taken (for prediction)."""
    structures = structures_of(cases)
    files = {}
    for case in cases:
        names = ("ct", "pet", "mask", "part_ct", "part_pet")
        paths = {name: folder / f"{case.patient_id}_{name}.nii.gz" for name in names}
        if not all(path.exists() for path in paths.values()):
            whole = load_case(cohort, case, structures=structures)
            part = whole.crop(case.evaluation)
            assert whole.mask is not None
            for name, volume in zip(names, (whole.ct, whole.pet, whole.mask, part.ct, part.pet), strict=True):
                write_nifti(volume, paths[name])
        files[case.patient_id] = {name: str(path) for name, path in paths.items()}
    return files


def options_of(arguments: argparse.Namespace, method: str) -> dict[str, Any]:
    common = {"device": arguments.device, "clock": arguments.clock}
    if method == RECIPE:
        return common | {
            "spacing_mm": arguments.recipe_spacing_mm,
            "patch": arguments.recipe_patch,
            "volumes": arguments.recipe_volumes,
            "samples": arguments.recipe_samples,
        }
    return common | {"memory_gib": arguments.nnunet_memory_gib, "spacing_mm": arguments.nnunet_spacing_mm}


def prepare_nnunet(
    arguments: argparse.Namespace,
    out: Path,
    files: Mapping[str, Mapping[str, str]],
    cases: Sequence[Case],
    held_out: Sequence[Sequence[str]],
) -> None:
    """Plan and preprocess once for all folds (its fingerprint knows all patients, as nnU-Net's own folds do)."""
    patients = sorted(files)
    splits = [{"train": [p for p in patients if p not in fold], "val": sorted(fold)} for fold in held_out]
    job = {
        "method": NNUNET,
        "what": "prepare",
        "work": str(out / NNUNET),
        "options": options_of(arguments, NNUNET),
        "cases": [{"name": patient, **files[patient]} for patient in patients],
        "splits": splits,
        "facts": str(out / NNUNET / "prepared.json"),
    }
    run_job(job, arguments)


def job_of(
    arguments: argparse.Namespace,
    out: Path,
    method: str,
    number: int,
    files: Mapping[str, Mapping[str, str]],
    cases: Sequence[Case],
    patients: Sequence[str],
) -> dict[str, Any]:
    folder = out / method / f"fold-{number}"
    tests = [
        {"name": p, "ct": files[p]["part_ct"], "pet": files[p]["part_pet"], "out": str(folder / f"{p}.nii.gz")}
        for p in sorted(patients)
    ]
    return {
        "method": method,
        "what": "fold",
        "fold": number,
        "seed": arguments.seed + number,
        "minutes": arguments.minutes,
        "options": options_of(arguments, method),
        "work": str(out / method),
        "training": [{"name": p, **files[p]} for p in sorted(files) if p not in patients],
        "tests": tests,
        "facts": str(folder / "facts.json"),
    }


def run_job(job: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Run a job in a process of its own with one thread, unless this very job is done."""
    facts = Path(job["facts"])
    facts.parent.mkdir(parents=True, exist_ok=True)
    path, done = facts.with_suffix(".job.json"), facts.with_suffix(".done")
    text = json.dumps(job, indent=1, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if facts.exists() and done.exists() and done.read_text(encoding="utf-8") == digest:
        return
    atomic_write_text(path, text)
    recipe = job["method"] == RECIPE
    command = [
        sys.executable if recipe else arguments.nnunet_python,
        str(SCRIPTS[job["method"]]),
        job["what"],
        str(path),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with facts.with_suffix(".log").open("w", encoding="utf-8") as log:
        subprocess.run(command, check=True, env=environment, stdout=log, stderr=subprocess.STDOUT)
    atomic_write_text(done, digest)


def paste(cohort: Cohort, cases: Sequence[Case], job: Mapping[str, Any], masks: Path) -> None:
    """Put a peer's label maps of the parts onto the CTs' whole grids."""
    case_of = {case.patient_id: case for case in cases}
    for test in job["tests"]:
        case = case_of[test["name"]]
        whole = cohort.geometry(case.ct_id)
        labels = read_nifti(Path(test["out"]), unit=Unit.LABEL)
        part = Volume(labels.array, whole.crop(*case.evaluation).affine, Unit.LABEL)
        part.require_same_grid(labels, where=test["out"], tolerance_mm=0.01)
        write_mask(part, case.evaluation, whole, mask_path(masks, case, job["method"]))


def facts_of(out: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the trainings said of themselves, by method."""
    found: dict[str, Any] = {}
    for method in (method for method in SCRIPTS if method in arguments.only):
        paths = [out / method / f"fold-{number}" / "facts.json" for number in range(arguments.folds)]
        found[method] = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    if NNUNET in arguments.only:
        found["plan"] = json.loads((out / NNUNET / "prepared.json").read_text(encoding="utf-8"))
    if OURS in arguments.only:
        found[OURS] = json.loads((out / OURS / "facts.json").read_text(encoding="utf-8"))["folds"]
    return found


if __name__ == "__main__":
    main()
