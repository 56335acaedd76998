"""One patient end to end: `predict` from NIfTI and from DICOM to mask, measurements and DICOM SEG; seconds and memory.

    python benchmarks/predict_times.py --out FOLDER [--fields neck whole-body] [--run RUN] [--no-dicom]

SYNTHETIC: virtual patients. neck: 512 x 512 x 110 (0.98 x 0.98 x 3 mm); whole-body: 400 x 400 x 600 (2 mm below, 3 mm
above), made below FOLDER once. `--run`: a trained run; default a small network with random weights, which costs the
same. Each step is a process of its own: its wall and processor seconds, and the peak of its resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import machine

SHAPES = {"neck": (512, 512, 110), "whole-body": (400, 400, 600)}
SPACINGS_MM = {"neck": (0.977, 0.977, 3.0), "whole-body": (1.37, 1.37, 3.0)}
REGIONS = {"neck": "head-neck", "whole-body": "whole-body"}


def make_patient(folder: Path, field: str) -> None:
    """A cohort of one virtual patient whose CT has the wanted shape; the mask of the phantom is left out."""
    from tumorboard.core.cohort import Cohort
    from tumorboard.core.geometry import Geometry
    from tumorboard.core.units import Modality, Role
    from tumorboard.io.images import describe_image, load_image
    from tumorboard.io.nifti import write_nifti
    from tumorboard.io.store import save_cohort
    from tumorboard.ops.resample import resample_to
    from tumorboard.phantom.cohort import draw_patients
    from tumorboard.phantom.exam import ImagingOptions, scan

    person = draw_patients(2, seed=7, centres=("VA",), exams=1, followed=0)[0]
    images = scan(person, 0, ImagingOptions(region=REGIONS[field], spacing_mm=3.0, dose=False)).volumes
    ct = images["CT"].astype(np.float32)
    shape, spacing_mm = SHAPES[field], SPACINGS_MM[field]
    middle = ct.geometry.to_world((np.array(ct.shape) - 1) / 2)
    affine = np.eye(4)
    affine[:3, :3] = ct.geometry.direction * np.array(spacing_mm)
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    ct = resample_to(ct, Geometry(shape, affine))
    ct = ct.with_array(np.rint(ct.array).astype(np.int16))
    rows = []
    for kind, volume in (("CT", ct), ("PT", images["PT"].astype(np.float32))):
        path = folder / "images" / f"{kind}.nii.gz"
        write_nifti(volume, path)
        ids = {"image_id": f"V-1.0.{kind}", "exam_id": "V-1.0", "modality": Modality(kind), "role": Role.IMAGE}
        rows.append(describe_image(path, unit=volume.unit, **ids))
    cohort = Cohort.build(
        f"SYNTHETIC {field}",
        loader=load_image,
        patients=[{"patient_id": "V-1", "weight_kg": person.person.weight_kg}],  # a PET in DICOM needs it
        exams=[{"exam_id": "V-1.0", "patient_id": "V-1", "order": 0, "kind": "PET/CT"}],
        images=rows,
    )
    save_cohort(cohort, folder / "cohort")


def make_run(folder: Path) -> None:
    """A model that was never trained: a residual-encoder of size S at 3 mm, as a run folder."""
    import torch

    from tumorboard.tasks.segmentation.config import SegmentationConfig
    from tumorboard.tasks.segmentation.model import SegmentationModel, build_network
    from tumorboard.tasks.segmentation.postprocess import KEEP_ALL
    from tumorboard.tasks.segmentation.preprocess import Preprocessing
    from tumorboard.tasks.segmentation.settle import FACT, Answering

    torch.manual_seed(0)
    config = SegmentationConfig(network="unet", window_voxels=96)
    network = build_network(config, 2).eval()
    with torch.no_grad():  # a network that finds little, as a trained one does
        for parameter in network.parameters():
            parameter.mul_(0.5)
    structures = ("GTVp", "GTVn")
    answering = Answering("head-neck", (KEEP_ALL, KEEP_ALL), {}, "").to_json(structures)
    model = SegmentationModel((network,), config, Preprocessing(3.0, (-160.0, 240.0), structures), {FACT: answering})
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder)


_METER = """
import json, resource, sys, time
start = time.perf_counter()
from tumorboard.cli.main import build_app
from typer.testing import CliRunner
result = CliRunner().invoke(build_app(), sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
facts = {"exit": result.exit_code, "seconds": time.perf_counter() - start, "cpu_seconds": used.ru_utime + used.ru_stime,
         "peak_mib": used.ru_maxrss / 1024, "error": repr(result.exception) if result.exit_code else ""}
print("METER " + json.dumps(facts))
"""


def step(name: str, *words: object) -> dict[str, Any]:
    """Run one verb of the command line in a process of its own."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH")]))
    ran = subprocess.run(
        [sys.executable, "-c", _METER, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if "METER " not in ran.stdout:
        raise RuntimeError(f"{name}: {ran.stderr[-2000:]}")
    facts: dict[str, Any] = json.loads(ran.stdout.split("METER ")[-1])
    if facts["exit"]:
        raise RuntimeError(f"{name}: {facts['error']}")
    return {"name": name, **facts}


def patient(folder: Path, field: str, run: Path, *, dicom: bool) -> list[dict[str, Any]]:
    """The steps of one patient."""
    cohort = folder / field / "cohort"
    if not (cohort / "cohort.json").exists():
        make_patient(folder / field, field)
    steps = [step(f"{field}, NIfTI: predict (mask + measurements)", "predict", run, cohort, "--name", "ours")]
    if dicom:
        series, read = folder / field / "dicom", folder / field / "from-dicom"
        if not series.exists():
            step("write DICOM", "export", "dicom", cohort, series)
        steps.append(step(f"{field}, DICOM: import", "import", "dicom", series, read, "--replace"))
        steps.append(step(f"{field}, DICOM: predict", "predict", run, read, "--name", "ours"))
        out = folder / field / f"seg-{os.getpid()}"
        steps.append(step(f"{field}, DICOM: export SEG", "export", "dicom-seg", read, out, "--set", "run_id=ours"))
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fields", nargs="+", choices=sorted(SHAPES), default=list(SHAPES))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--no-dicom", action="store_true")
    arguments = parser.parse_args()
    run = arguments.run or arguments.out / "run"
    if not (run / "model.safetensors").exists():
        make_run(run)
    print(machine())
    print("| step | wall s | processor s | peak MiB |\n|---|---|---|---|")
    for field in arguments.fields:
        for line in patient(arguments.out, field, run, dicom=not arguments.no_dicom):
            print(f"| {line['name']} | {line['seconds']:.1f} | {line['cpu_seconds']:.1f} | {line['peak_mib']:.0f} |")


if __name__ == "__main__":
    main()
