"""The same lesion over exams: published DeepLesion pairs (centres and sequences) and virtual patients.

    python benchmarks/tracking.py --deeplesion DATA/deeplesion [--pairs dls_valid.json.gz] [--table DL_info_val.csv.gz]
        [--virtual COHORT] --out OUT [--date D --machine M] [--write]

Centres of the pairs are predicted from coordinates and relative locations alone (no pixel is read), beside doing
nothing and beside the answers in the published file, all by the published rules. `--virtual`: a cohort of
`tumorboard phantom --region body-ct` with images, aligned by registration. `--write` puts the tables into
benchmarks/results/tracking.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.datasets.deeplesion.companions import DlsPair, read_companion, read_pairs
from tumorboard.datasets.deeplesion.reader import read
from tumorboard.io.store import open_cohort
from tumorboard.metrics.intervals import bootstrap
from tumorboard.metrics.tracking import centre_errors_mm, centre_hits, score_centres, target_radius_mm
from tumorboard.tasks.tracking.benchmark import ASSIGNMENT, benchmark
from tumorboard.tasks.tracking.config import TrackingConfig
from tumorboard.tasks.tracking.marks import Mark, marks_of
from tumorboard.tasks.tracking.propagate import propagate_by_marks
from tumorboard.tasks.tracking.rows import sequences_of_run

TARGET = Path(__file__).parent / "results" / "tracking.md"
NOTHING, OURS = "doing nothing: same voxel", "body frame (no pixels)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deeplesion", type=Path)
    parser.add_argument("--pairs", default="dls_valid.json.gz")
    parser.add_argument("--table", default="DL_info_val.csv.gz")
    parser.add_argument("--virtual", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--date", default="")
    parser.add_argument("--machine", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    text = ["# The same lesion over exams\n", f"{arguments.date} {arguments.machine}".strip() + "\n"]
    if arguments.deeplesion:
        cohort = read(arguments.deeplesion, tables=arguments.table)
        text += centres(cohort, arguments.deeplesion / arguments.pairs)
        text += sequences("DeepLesion, sequences of the pairs", cohort, arguments.out / "deeplesion")
    if arguments.virtual:
        virtual = open_cohort(arguments.virtual)
        text += sequences(
            f"Virtual patients (SYNTHETIC): {virtual.name}", virtual, arguments.out / "virtual", events=True
        )
    print("\n".join(text))
    if arguments.write:
        TARGET.write_text("\n".join(text) + "\n", encoding="utf-8")


def centres(cohort: Cohort, path: Path) -> list[str]:
    """Predicted centres of the directed pairs, by the published rules."""
    found = read_companion(path)
    assert found is not None, path
    pairs = read_pairs(found[1], path)
    target = np.array([pair.target.centre for pair in pairs])
    spacing = np.array([pair.target.spacing_mm for pair in pairs])
    diameters = np.array([pair.target.diameters_px for pair in pairs])
    ours, sizes = body_frame(cohort, pairs)
    answers: dict[str, NDArray[np.float64]] = {
        NOTHING: np.array([pair.source.centre for pair in pairs]),
        "same mm from the corner": np.array([same_mm(pair) for pair in pairs]),
        "same mm about the middle of the image": np.array(
            [about_middle(p, *s) for p, s in zip(pairs, sizes, strict=True)]
        ),
        OURS: ours,
    }
    if all(pair.predicted_centre is not None for pair in pairs):
        answers["the file's own prediction (uses pixels)"] = np.array([pair.predicted_centre for pair in pairs])
    patients = [pair.source.volume.series_name.split("_")[0] for pair in pairs]
    lines = [
        f"\n## DeepLesion: centres of {len(pairs)} directed pairs, {len(set(patients))} patients\n",
        "Coordinates are those of the sub-volumes, which were cut round the lesions: their middle tells much of z.\n",
        "| prediction | CPM@10mm | CPM@radius | error mm (sd) | x | y | z |",
        "|---|---|---|---|---|---|---|",
    ]
    hits = {}
    for name, predicted in answers.items():
        one = score_centres(predicted, target, spacing_mm=spacing, diameters_px=diameters)
        assert one.cpm_10mm is not None and one.cpm_radius is not None and one.axes_mm is not None
        axes = " | ".join(f"{axis:.2f}" for axis in one.axes_mm)
        shares = f"{one.cpm_10mm:.4f} | {one.cpm_radius:.4f}"
        lines.append(f"| {name} | {shares} | {one.error_mm:.2f} ({one.error_sd_mm:.2f}) | {axes} |")
        hits[name] = centre_hits(
            centre_errors_mm(predicted, target, spacing), target_radius_mm(diameters, spacing[:, 0])
        )
    for place, rule in enumerate(("CPM@10mm", "CPM@radius")):
        lines.append(
            f"\n{rule}, {OURS} minus {NOTHING}: {difference(hits[OURS][place], hits[NOTHING][place], patients)}."
        )
    return lines


def difference(mine: NDArray[np.bool_], theirs: NDArray[np.bool_], patients: Sequence[str]) -> str:
    """Difference of two shares of pairs with its paired interval, patients drawn."""
    names = sorted(set(patients))
    which = np.array([names.index(patient) for patient in patients])
    table = np.stack([np.bincount(which, weights=w) for w in (mine, theirs, np.ones(len(which)))], axis=1)
    found = bootstrap(lambda t: float((t[:, 0].sum() - t[:, 1].sum()) / t[:, 2].sum()), [table], seed=0, resamples=2000)
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def body_frame(cohort: Cohort, pairs: Sequence[DlsPair]) -> tuple[NDArray[np.float64], list[tuple[float, float]]]:
    """Predicted voxels of the targets, and rows/columns of source and target images. What is to be predicted, and every
    other sighting of that lesion but the source, is withheld."""
    marks = {mark.finding_id: mark for listed in marks_of(cohort).values() for mark in listed}
    by_patient: dict[str, list[Mark]] = {}
    for mark in marks.values():
        by_patient.setdefault(mark.patient_id, []).append(mark)
    images = {row["image_id"]: row for row in cohort.rows("images")}
    lesion_of = {
        mark.finding_id: (patient, label)
        for patient, listed in by_patient.items()
        for mark, label in zip(
            listed, sequences_of_run(cohort, EXPERT, [m.finding_id for m in listed]).tolist(), strict=True
        )
    }
    by_slice: dict[str, list[Mark]] = {}
    for mark in marks.values():
        by_slice.setdefault(mark.finding_id.rsplit(".", 1)[0], []).append(mark)
    predicted, sizes = [], []
    for pair in pairs:
        source, target = (_mark(by_slice, images, side) for side in (pair.source, pair.target))
        anchors = [
            one
            for one in by_patient[source.patient_id]
            if one is source or lesion_of[one.finding_id] != lesion_of[target.finding_id]
        ]
        image = images[target.image_id]
        found = propagate_by_marks(source, anchors, image, images=images)
        affine = np.asarray(image["affine"], float).reshape(4, 4)
        voxel = np.linalg.solve(affine, [*found.centre_mm, 1.0])[:3]
        predicted.append(voxel)
        sizes.append((float(images[source.image_id]["shape"][0]), float(image["shape"][0])))
    return np.array(predicted), sizes


def _mark(by_slice: dict[str, list[Mark]], images: dict[str, Any], lesion: Any) -> Mark:
    """The mark that a lesion of a pair is: nearest centre among those of its slice."""
    stem = f"{lesion.slice.series_name}_{lesion.slice.number:03d}"

    def away(mark: Mark) -> float:
        affine = np.asarray(images[mark.image_id]["affine"], float).reshape(4, 4)
        return float(np.abs(np.linalg.solve(affine, [*mark.centre_mm, 1.0])[:2] - lesion.centre[:2]).max())

    return min(by_slice[stem], key=away)


def same_mm(pair: DlsPair) -> NDArray[np.float64]:
    return np.asarray(pair.source.centre) * pair.source.spacing_mm / pair.target.spacing_mm


def about_middle(pair: DlsPair, source_px: float, target_px: float) -> NDArray[np.float64]:
    """x and y as many mm from the middle of the image, z as many from the first slice."""
    found = same_mm(pair)
    ratio = np.asarray(pair.source.spacing_mm)[:2] / np.asarray(pair.target.spacing_mm)[:2]
    found[:2] = (target_px - 1) / 2 + (np.asarray(pair.source.centre)[:2] - (source_px - 1) / 2) * ratio
    return found


def sequences(title: str, cohort: Cohort, out: Path, *, events: bool = False) -> list[str]:
    """The task's benchmark as a table; with `events`, how planted splits and merges came out."""
    start = time.process_time()
    result = benchmark(cohort, out, config=TrackingConfig())
    seconds = time.process_time() - start
    runs = list(dict.fromkeys(row["run"] for row in result.scores))
    wanted = list(dict.fromkeys((row["metric"], row["subset"]) for row in result.scores))
    cells = {(row["run"], row["metric"], row["subset"]): row for row in result.scores}
    n = max(row["n"] for row in result.scores)
    lines = [
        f"\n## {title}: {n} patients\n",
        f"| figure | pairs | {' | '.join(runs)} |",
        "|---|---|" + "---|" * len(runs),
    ]
    for metric, subset in wanted:
        lines.append(f"| {metric} | {subset} | {' | '.join(cell(cells.get((run, metric, subset))) for run in runs)} |")
    if events:
        lines.append("\n" + planted(cohort, result.rows["relations"]))
    lines += ["", *(f"- {note}" for note in result.notes), f"\n{seconds:.0f} CPU-s."]
    return lines


def planted(cohort: Cohort, relations: Sequence[dict[str, Any]]) -> str:
    """Pairs of lesions of one track of which one split or grew together: how many the assignment joined."""
    mine = cohort.with_rows(
        runs=[{"run_id": ASSIGNMENT, "task": "tracking"}],
        relations=[row for row in relations if row["run_id"] == ASSIGNMENT],
    )
    special = {
        row["finding_id"]
        for row in cohort.rows("findings", run_id=EXPERT)
        if '"event"' in (row["attributes"] or "") and json.loads(row["attributes"]).get("event")
    }
    joined = all_pairs = 0
    for listed in marks_of(cohort).values():
        names = [mark.finding_id for mark in listed]
        truth, said = (sequences_of_run(mine, run, names) for run in (EXPERT, ASSIGNMENT))
        for i, name in enumerate(names):
            for j in range(i):
                if truth[i] == truth[j] and (name in special or names[j] in special):
                    all_pairs += 1
                    joined += bool(said[i] == said[j])
    return f"Pairs with a lesion that split or grew together: {joined} of {all_pairs} joined."


def cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['value']:.3f}{interval}"


if __name__ == "__main__":
    main()
