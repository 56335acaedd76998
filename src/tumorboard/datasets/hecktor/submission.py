"""What HECKTOR wants back, byte for byte: outputs of the containers, and the CSV of 2022.

- 2022: CSV `PatientID,Prediction`, a risk; masks `<PatientID>.nii.gz`.
- 2025: `rfs.json`, one float, a risk; `hpv-status.json`, one boolean; masks in
  `images/tumor-lymph-node-segmentation/*.mha`.
- 2026: `rfs.json`, one float, days or a risk; `t-stage.json` "T2"; `n-stage.json` "N1"; mask
  `images/head-neck-tumor-segmentation/output.mha`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.volume import Volume
from tumorboard.datasets import codes
from tumorboard.io.files import atomic_write_text

__all__ = ["MASK_SOCKETS", "write_hpv", "write_mask", "write_predictions", "write_rfs", "write_stage"]

MASK_SOCKETS = {
    "2025": "images/tumor-lymph-node-segmentation",
    "2026": "images/head-neck-tumor-segmentation",
}


def write_rfs(out: Path, value: float) -> Path:
    """`rfs.json`: one bare float. LAY121 when it is not finite: no scorer can place it."""
    if not math.isfinite(value):
        raise TumorboardError(codes.SUBMISSION_VALUE, out / "rfs.json", found=f"{value}", expected="a finite number")
    return _json(out / "rfs.json", float(value))


def write_hpv(out: Path, positive: object) -> Path:
    """`hpv-status.json`: one bare boolean. LAY121 for anything else, 0 and 1 included."""
    if not isinstance(positive, bool):
        raise TumorboardError(
            codes.SUBMISSION_VALUE, out / "hpv-status.json", found=repr(positive), expected="true or false"
        )
    return _json(out / "hpv-status.json", positive)


def write_stage(out: Path, stage: str) -> Path:
    """`t-stage.json` or `n-stage.json`: one string, T1 to T4 or N0 to N3. LAY121 for another."""
    allowed = {f"T{n}" for n in range(1, 5)} | {f"N{n}" for n in range(4)}
    if stage not in allowed:
        raise TumorboardError(codes.SUBMISSION_VALUE, out, found=repr(stage), expected=", ".join(sorted(allowed)))
    return _json(out / f"{stage[0].lower()}-stage.json", stage)


def write_mask(out: Path, mask: Volume, *, edition: str) -> Path:
    """The label map (1 GTVp, 2 GTVn) as MetaImage in the socket's folder."""
    from tumorboard.io.itk import write_itk

    path = out / MASK_SOCKETS[edition] / "output.mha"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_itk(mask, path)
    return path


def write_predictions(out: Path, values: Mapping[str, Any], *, name: str = "predictions.csv") -> Path:
    """A CSV `PatientID,Prediction` of many patients, one line each in their order. LAY121 for a value that is not
    there or not finite: scorers count it as a tie, or not at all, and nobody would know which."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["PatientID", "Prediction"])
    for patient_id, value in values.items():
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise TumorboardError(
                codes.SUBMISSION_VALUE, f"{out / name}, {patient_id}", found=repr(value), expected="a prediction"
            )
        writer.writerow([patient_id, repr(value) if isinstance(value, float) else value])
    atomic_write_text(out / name, text.getvalue())
    return out / name


def _json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(value))
    return path
