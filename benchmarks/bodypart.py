"""Body-part scores: virtual CT of unseen patients, out of fold, and real CTs left out one patient at a time.

    python benchmarks/bodypart.py VIRTUAL --out OUT [--data DATA [--real-steps N] [--alone]] [--date DAY]
        [--machine WORDS] [--set key=value ...] [--write]

VIRTUAL is a cohort of virtual CT (`tumorboard phantom VIRTUAL --region body-ct --patients 64 --exams 3`). DATA holds
`ct/` and `sts_petct/`: real CTs, most of them small parts of a body. They are scored by a network of virtual CT alone,
and by networks of virtual CT and the real CTs of all other patients; with `--alone`, by the first fold's network and
no others. A rerun takes over finished trainings. `--write` puts the tables into benchmarks/results/bodypart.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import machine

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import read_nifti
from tumorboard.io.store import open_cohort
from tumorboard.tasks.bodypart.answer import Answer
from tumorboard.tasks.bodypart.baselines import CONSTANT, FRACTION
from tumorboard.tasks.bodypart.benchmark import benchmark
from tumorboard.tasks.bodypart.cache import SliceCache
from tumorboard.tasks.bodypart.cases import find_cases, landmarks_of
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.evaluate import rank_correlation
from tumorboard.tasks.bodypart.model import BodyPartModel
from tumorboard.tasks.bodypart.train import prepare_cases, train_network

TARGET = Path(__file__).parent / "results" / "bodypart.md"
REAL = {
    "ts_example_ct": "TotalSegmentator A",
    "ts_aorta_ct_cropped": "TotalSegmentator B",
    "ts_pulm_ct_cropped": "TotalSegmentator B",
    "lidc_idri_0314_chest": "LIDC-IDRI-0314",
    "ibsi1_phantom": "IBSI 1",
}
"""File -> patient; the two crops named after vessels are very likely of one patient."""
VERTEBRAE = {26: "S1", 27: "L5", 28: "L4", 29: "L3", 30: "L2", 31: "L1", 32: "T12", 33: "T11"}
"""Labels of `ts_spine_totalseg` (TotalSegmentator's numbers)."""
REAL_SHARE = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("virtual", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--real-steps", type=int, help="Steps of each training for real CTs; default: as the others.")
    parser.add_argument("--alone", action="store_true", help="Real CTs by the first fold's network, nothing else.")
    parser.add_argument("--date", default="")
    parser.add_argument("--machine", default=machine())
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    settings = {"budget_clock": "cpu", **dict(setting.split("=", 1) for setting in arguments.set)}
    config = BodyPartConfig.model_validate(settings)
    told = f"{', '.join(arguments.set) or 'defaults'}. {arguments.date}, {arguments.machine}".strip(", ")
    text = [f"# Body part of CT slices\n\nMade by `benchmarks/bodypart.py`; settings: {told}.\n"]
    virtual = open_cohort(arguments.virtual)
    text += virtual_section(virtual, arguments.out / "virtual", config)
    if arguments.data:
        shorter = config.model_copy(update={"steps": arguments.real_steps or config.steps})
        text += real_section(virtual, arguments.data, arguments.out / "real", shorter, alone=arguments.alone)
    page = "\n".join(text) + "\n"
    print(page)
    if arguments.write:
        TARGET.write_text(page, encoding="utf-8")


# ---- virtual patients ------------------------------------------------------------------------------------------------
def virtual_section(cohort: Cohort, out: Path, config: BodyPartConfig) -> list[str]:
    """Every score of every run, with interval and n."""
    result = benchmark(cohort, out, config=config)
    rows = {(r["run"], r["metric"], r["label"], r["subset"]): r for r in result.scores}
    runs = (config.network, FRACTION, CONSTANT)
    spent = [_training(out / f"fold-{number}") for number in range(config.folds)]
    lines = [
        f"## Virtual patients (SYNTHETIC): {len(cohort)} patients, out of fold, {config.folds} folds by patient\n",
        "Training, per fold: "
        + "; ".join(spent)
        + ". Means over patients with 95 % bootstrap intervals. Whole volumes "
        "are of many fields of view; a part is a random stretch of a quarter to 60 % of a volume's slices. One volume "
        "of each patient is spoilt in six ways; all flags that are due must be raised. The place in the volume orders "
        "slices by definition, since it looks at nothing else.\n",
        f"| what | subset | n | {' | '.join(runs)} |",
        "|---|---|---|" + "---|" * len(runs),
    ]
    for metric, label, subset in dict.fromkeys(key[1:] for key in rows):
        found = [rows.get((run, metric, label, subset)) for run in runs]
        n = next(row["n"] for row in found if row)
        lines.append(f"| {' '.join((metric, label)).strip()} | {subset} | {n} | {' | '.join(map(cell, found))} |")
    return [*lines, "", *result.notes]


def _training(folder: Path) -> str:
    facts = BodyPartModel.load(folder).facts
    minutes = float(facts["seconds"]) / 60
    return f"{facts['volumes']} volumes, {facts['slices']} slices, {facts['steps']} steps, {minutes:.1f} CPU-minutes"


def cell(row: Mapping[str, Any] | None) -> str:
    """A value with its interval."""
    if row is None or row["value"] is None:
        return "-"
    digits = 1 if row["metric"].endswith("_mm") else 4 if row["metric"] in ("slice_order", "landmark_spread") else 3
    interval = "" if row["low"] is None else f" ({row['low']:.{digits}f} to {row['high']:.{digits}f})"
    return f"{row['value']:.{digits}f}{interval}"


# ---- real CTs --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Known:
    """Prepared volumes of a cohort: patient, image, cache key, landmarks."""

    rows: tuple[tuple[str, str, str, Mapping[str, float]], ...]
    cache: SliceCache

    @classmethod
    def of(cls, cohort: Cohort, folder: Path, config: BodyPartConfig) -> Known:
        cache, cases = SliceCache(folder, cohort), find_cases(cohort)
        keys = prepare_cases(cache, cases, config, refused={})
        marks = landmarks_of(cohort, config.landmark_runs)
        rows = [
            (c.patient_id, c.image_id, keys[c.image_id], marks.get(c.image_id, {})) for c in cases if c.image_id in keys
        ]
        return cls(tuple(rows), cache)


def real_cohort(data: Path) -> Cohort:
    """The real CTs of `data` as a cohort: parts of bodies and, for training only, of sarcomas."""
    files = [(name, patient, data / "ct" / f"{name}.nii.gz") for name, patient in REAL.items()]
    files += [(path.parent.name, path.parent.name, path) for path in sorted(data.glob("sts_petct/*/CT_image.nii.gz"))]
    common = {"modality": Modality.CT, "role": Role.IMAGE, "unit": Unit.HU}
    return Cohort.build(
        "real CT",
        root=data,
        loader=load_image,
        patients=[{"patient_id": patient} for patient in dict.fromkeys(patient for _, patient, _ in files)],
        exams=[{"exam_id": name, "patient_id": patient, "order": 0, "kind": "CT"} for name, patient, _ in files],
        images=[describe_image(path, image_id=name, exam_id=name, **common) for name, _, path in files],
    )


def real_section(virtual: Cohort, data: Path, out: Path, config: BodyPartConfig, *, alone: bool) -> list[str]:
    """Each real CT by a network of virtual CT alone, and by one that has seen the other real patients too."""
    first = out.parent / "virtual" / "fold-0"
    synthetic = Known.of(virtual, out / "cache", config)
    real = Known.of(real_cohort(data), out / "cache", config)
    spine = vertebrae(data / "ct" / "ts_spine_totalseg.nii.gz")
    lines = [
        "## Real CTs\n",
        "Partial volumes; the orientation is that of each file's affine (head first after it). Scores: 0 top, 1 feet "
        "end. `order`: Spearman with depth; `rising`: share of neighbouring slices whose score rises towards the feet. "
        "Regions: slices of head-neck, chest, abdomen, pelvis. "
        + (
            "By the network of the first fold above.\n"
            if alone
            else "Trained on virtual CT alone, or on virtual CT and all real CTs (those of sarcomas too) but the "
            f"patient's own, {config.steps} steps each.\n"
        ),
        "| CT | stored | trained on | scores | order | rising | regions | flags |",
        "|---|---|---|---|---|---|---|---|",
    ]
    spines = []
    for patient in dict.fromkeys(REAL.values()):
        for name, others in (("virtual", None), ("virtual and real", patient))[: 1 if alone else 2]:
            model = BodyPartModel.load(first) if alone else _trained(synthetic, real, others, out, config)
            for image, own in REAL.items():
                if own == patient:
                    slices = real.cache.read(next(row[2] for row in real.rows if row[1] == image))
                    found = model.answer(slices, tolerance=config.tolerance)
                    stored = read_nifti(data / "ct" / f"{image}.nii.gz", unit=Unit.HU).geometry
                    lines.append(
                        f"| {image} | {stored.axis_codes}, {stored.extent_mm[2]:.0f} mm | {name} | {_words(found)} |"
                    )
                    if image == "ts_example_ct":
                        spines.append((name, [float(v) for v in found.curve.score_at(list(spine.values()))]))
    lines += ["", "Scores at the middle of the vertebrae of `ts_example_ct` (labels of a program, not of an expert):\n"]
    lines += [f"| trained on | {' | '.join(spine)} |", "|---|" + "---|" * len(spine)]
    lines += [f"| {name} | {' | '.join(f'{v:.3f}' for v in values)} |" for name, values in spines]
    return lines


def vertebrae(path: Path) -> dict[str, float]:
    """RAS z (mm) of the middle of each vertebra, head first."""
    labels = read_nifti(path, unit=Unit.LABEL)
    middle = {
        name: float(labels.geometry.to_world(np.argwhere(labels.array == number))[:, 2].mean())
        for number, name in VERTEBRAE.items()
    }
    return dict(sorted(middle.items(), key=lambda item: -item[1]))


def _trained(synthetic: Known, real: Known, left_out: str | None, out: Path, config: BodyPartConfig) -> BodyPartModel:
    """Virtual CT alone (`left_out` None), or with all real patients but one, their volumes repeated to `REAL_SHARE`."""
    rows = list(synthetic.rows)
    if left_out is not None:
        mine = [row for row in real.rows if row[0] != left_out]
        repeats = max(1, round(REAL_SHARE / (1 - REAL_SHARE) * len(rows) / len(mine)))
        rows += mine * repeats
    name = "virtual" if left_out is None else f"without {left_out}"
    return train_network(
        [row[2] for row in rows],
        out / "cache",
        config=config,
        seed=config.seed,
        folder=out / name.replace(" ", "-"),
        landmarks=[row[3] for row in rows],
        facts={"patients": _unique(row[0] for row in rows)},
    )


def _unique(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


def _words(found: Answer) -> str:
    score: Sequence[float] = found.curve.score.tolist()
    order = rank_correlation(found.curve)
    rising = float((np.diff(found.curve.score) > 0).mean())
    regions = "-" if found.regions is None else "/".join(str(found.regions.count(r)) for r in
                                                         ("head-neck", "chest", "abdomen", "pelvis"))  # fmt: skip
    told = "constant" if order is None else f"{order:.3f}"
    flags = ", ".join(found.check.flags) or ("none" if found.check.familiar else "not judged: unlike training")
    return f"{score[0]:.2f} to {score[-1]:.2f} | {told} | {rising:.2f} | {regions} | {flags}"


if __name__ == "__main__":
    main()
