"""nnU-Net v2 as its authors publish it, for as many CPU-minutes as the others get. Runs in an environment of its own.

    python benchmarks/segmentation_peers_nnunet.py prepare JOB.json    (fingerprint, plan, preprocessing of all cases)
    python benchmarks/segmentation_peers_nnunet.py fold JOB.json       (one fold: train, predict)

Needs `pip install torch==2.13.0 nnunetv2` and nothing of this package. The trainer's own network, loss, sampling,
augmentation, SGD and polynomial fall are used, from random weights; the fall follows the time instead of 1000 epochs of
250 updates, and there are no validation epochs: the last weights predict, with mirroring and half-overlapping windows.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATASET = "Dataset001_Peers"
CONFIGURATION = "3d_fullres"


def main() -> None:
    what, path = sys.argv[1:]
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    work = Path(job["work"])
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(work / name)  # read when nnunetv2 is imported
    if what == "fold" and job["options"]["clock"] == "cpu":
        os.environ["nnUNet_n_proc_DA"] = "0"  # noqa: SIM112 - augmentation in this process, so that its time is counted
    facts = prepare(job, work) if what == "prepare" else fold(job, work)
    Path(job["facts"]).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def prepare(job: Mapping[str, Any], work: Path) -> dict[str, Any]:
    """Raw folder, plan and preprocessed cases; the folds are those of the job."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    raw = work / "raw" / DATASET
    for folder in (raw / "imagesTr", raw / "labelsTr", work / "preprocessed", work / "results"):
        folder.mkdir(parents=True, exist_ok=True)
    for case in job["cases"]:
        shutil.copyfile(case["ct"], raw / "imagesTr" / f"{case['name']}_0000.nii.gz")
        shutil.copyfile(case["pet"], raw / "imagesTr" / f"{case['name']}_0001.nii.gz")
        shutil.copyfile(case["mask"], raw / "labelsTr" / f"{case['name']}.nii.gz")
    description = {
        "channel_names": {"0": "CT", "1": "SUV"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": len(job["cases"]),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    options = job["options"]
    extract_fingerprints([1], num_processes=1, check_dataset_integrity=False, clean=True, verbose=False)
    name = plan_experiments(
        [1],
        gpu_memory_target_in_gb=options["memory_gib"],
        overwrite_target_spacing=options["spacing_mm"] and [options["spacing_mm"]] * 3,
        overwrite_plans_name="peersPlans",
    )
    preprocess([1], plans_identifier=name, configurations=(CONFIGURATION,), num_processes=(1,), verbose=False)
    folder = work / "preprocessed" / DATASET
    (folder / "splits_final.json").write_text(json.dumps(job["splits"]), encoding="utf-8")
    plan = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["configurations"][CONFIGURATION]
    return {**options, "plans": name, **{key: plan[key] for key in ("patch_size", "batch_size", "spacing")}}


def fold(job: Mapping[str, Any], work: Path) -> dict[str, Any]:
    """Train one fold for the job's CPU-minutes and predict its parts."""
    import numpy as np
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    torch.set_num_threads(1)
    np.random.seed(job["seed"])  # noqa: NPY002 - what nnU-Net draws from
    torch.manual_seed(job["seed"])
    device = torch.device(job["options"]["device"])
    trainer = get_trainer_from_args("1", CONFIGURATION, job["fold"], "nnUNetTrainer", "peersPlans", device=device)
    trainer.disable_checkpointing = True
    trainer.on_train_start()
    trainer.network.train()
    minutes = job["minutes"]
    clock = time.process_time if job["options"]["clock"] == "cpu" else time.perf_counter
    start, steps, losses = clock(), 0, []
    while (over := (clock() - start) / (60 * minutes)) < 1:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - over) ** 0.9
        losses.append(round(float(trainer.train_step(next(trainer.dataloader_train))["loss"]), 4))
        steps += 1
    seconds, start = clock() - start, clock()
    predict(trainer, job["tests"], device)
    return {"steps": steps, "seconds": seconds, "loss": losses, "predicted_s": clock() - start}


def predict(trainer: Any, tests: list[Mapping[str, str]], device: Any) -> None:
    """nnU-Net's own preprocessing, windows, mirroring and way back, part by part."""
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=True,
        perform_everything_on_device=device.type == "cuda",
        device=device,
        verbose=False,
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        None,
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    predictor.list_of_parameters = [trainer.network.state_dict()]
    for test in tests:
        image, properties = SimpleITKIO().read_images([test["ct"], test["pet"]])
        with contextlib.redirect_stdout(sys.stderr):
            labels = predictor.predict_single_npy_array(image, properties)
        SimpleITKIO().write_seg(labels, test["out"], properties)


if __name__ == "__main__":
    main()
