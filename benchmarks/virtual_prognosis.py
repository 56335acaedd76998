"""Virtual HECKTOR cohort: do image and clinical models find the hazard that was planted? SYNTHETIC throughout.

    python benchmarks/virtual_prognosis.py --out OUT [--patients 400] [--crowd 3000] [--processes 2] [--write]

Two parts. A: a crowd without scans, whose lesions' planted traits are given as measurements (what a perfect reading of
the image would yield). B: scanned patients, whose features and crops come from the voxels. Scans and features below OUT
are taken over when they are there. `--write` puts the report and its picture into benchmarks/results/.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.board.missingness import missingness_figure
from tumorboard.core.cohort import Cohort
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Kind, Variable
from tumorboard.io.store import open_cohort, save_cohort
from tumorboard.phantom.cohort import DEFAULT_CENTRES, draw_patients, make_cohort
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.features.blocks import IMAGE_FEATURE, block_of
from tumorboard.tasks.features.modalities import CLINICAL
from tumorboard.tasks.features.table import add_features, extract_features
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.missingness import MissingnessPoint, difference, missingness, paired_draws

TARGET = Path(__file__).parent / "results" / "virtual_prognosis.md"
SEED = 2026
TRUTHS = {
    "truth": "planted, all of it",
    "truth-recorded": "planted, HPV as recorded",
    "truth-known": "planted, table as recorded",
    "truth-table": "planted, table part",
    "truth-image": "planted, image part",
}
IMAGES = ("PET", "CT", "dose", "mask")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--crowd", type=int, default=3000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--networks", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    parts = [
        "# Prognosis on virtual patients (SYNTHETIC)\n",
        "Made by `python benchmarks/virtual_prognosis.py`. No real person is behind any figure. The hazard is planted "
        "(docs/adr/0061); `planted` rows are what a model with perfect knowledge of that part reaches on the same "
        "patients and folds. Concordance for recurrence-free survival, mean over 5 folds, 95 % intervals by resampling "
        "patients within folds; the last column is the difference to the planted best on the same resamples.\n",
    ]
    config = PrognosisConfig(resamples=arguments.resamples, seed=0)
    text, _ = part_a(arguments.out / "crowd", arguments.crowd, config)
    parts.append(text)
    text, figure = part_b(arguments.out / "scanned", arguments.patients, config, arguments)
    parts.append(text)
    print("\n".join(parts))
    figure.savefig(arguments.out / "virtual_prognosis.png", dpi=110)
    if arguments.write:
        TARGET.write_text("\n".join(parts), encoding="utf-8")
        figure.savefig(TARGET.with_suffix(".png"), dpi=110)


def part_a(folder: Path, patients: int, config: PrognosisConfig) -> tuple[str, list[MissingnessPoint]]:
    """The crowd: tables, and the index lesion's planted traits as measurements."""
    if (folder / "cohort.json").exists():
        cohort = open_cohort(folder)
    else:
        cohort = make_cohort(folder, patients=patients, seed=SEED + 1, tables_only=True, exams=1, followed=0.0)
    cohort = with_hpv(with_traits(cohort))
    models = ["ridge-cox", "boosted-hazard", "fusion-cox"]
    lines, points = compared(cohort, config, models=models, withheld=[()])
    title = f"## A. {patients} patients, lesions as planted (perfect measurement)\n"
    return "\n".join([title, *lines, ""]), points


def part_b(folder: Path, patients: int, config: PrognosisConfig, arguments: Any) -> tuple[str, Any]:
    """Scanned patients: features and crops from the voxels, and curves of missingness."""
    cohort = scanned(folder, patients, arguments.processes)
    models = ["ridge-cox", "radiomics-cox", "fusion-cox"]
    models += ["image-network", "fusion-network", "fusion-ensemble"] if arguments.networks else []
    curves = ["fusion-cox", "fusion-ensemble"] if arguments.networks else ["fusion-cox"]
    withheld = [("PET",), ("CT",), ("dose",), ("mask",), IMAGES, (CLINICAL,)]
    lines, points = compared(cohort, config, models=models, withheld=[()])
    outcome, folds, rows, variables = setting(cohort, config)
    curve = missingness(
        curves, rows, outcome, variables=variables, folds=folds, config=config, cohort=cohort, withheld=withheld,
        progress=lambda text: print(text, flush=True),
    )  # fmt: skip
    floor = max((p for p in points if p.model in ("ridge-cox", "radiomics-cox")), key=lambda p: p.value)
    text = [f"## B. {patients} scanned patients (3 mm voxels, PET blurred as the scanners do)\n", *lines, ""]
    text += ["### Missing modalities\n", curve_table(curve, floor), "![curves](virtual_prognosis.png)\n"]
    figure = missingness_figure(
        curve,
        floors={"planted, all of it": truth_of(cohort, "truth", outcome, folds, config).value,
                f"best single: {SINGLE[floor.model]}": floor.value},
        title=f"SYNTHETIC: {patients} virtual patients, recurrence-free survival",
    )  # fmt: skip
    return "\n".join(text), figure


SINGLE = {"ridge-cox": "clinical", "radiomics-cox": "images"}


def scanned(folder: Path, patients: int, processes: int) -> Cohort:
    """The cohort of scans with features as variables; made once."""
    if not (folder / "cohort.json").exists():
        with mapping(processes) as run:
            make_cohort(folder, patients=patients, seed=SEED, exams=1, followed=0.0, spacing_mm=3.0, map=run)
    cohort = open_cohort(folder)
    if not any(v.note == IMAGE_FEATURE for v in cohort.dictionary.values()):
        with mapping(processes) as run:
            cohort = save_cohort(add_features(cohort, extract_features(cohort, map=run)), folder)
    return with_hpv(cohort)


class mapping:
    """`map` over processes, or the plain one."""

    def __init__(self, processes: int) -> None:
        self.processes = processes

    def __enter__(self) -> Callable[..., Iterable[Any]]:
        from concurrent.futures import ProcessPoolExecutor

        self.pool = ProcessPoolExecutor(self.processes) if self.processes > 1 else None
        return map if self.pool is None else partial(self.pool.map, chunksize=4)

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()


def with_hpv(cohort: Cohort) -> Cohort:
    """HPV status, as far as it was recorded, as a clinical variable (an input of HECKTOR 2026)."""
    import pyarrow as pa

    known = {row["patient_id"]: row["class_value"] for row in cohort.rows("outcomes", endpoint="HPV", run_id="expert")}
    cells = pa.array([known.get(patient) for patient in cohort.patient_ids], pa.string())
    variable = Variable("hpv", Kind.CATEGORICAL, note="virtual patients", baseline=True)
    return cohort.replace_tables(patients=cohort.patients.append_column("hpv", cells)).with_dictionary([variable])


def with_traits(cohort: Cohort) -> Cohort:
    """Necrotic share, rim, lobes and long axis of the index lesion, and the first by HPV status as recorded."""
    import pyarrow as pa

    drawn = draw_patients(len(cohort), seed=SEED + 1, centres=DEFAULT_CENTRES)
    index = [next((x for x in p.disease.lesions if x.kind == "primary"), p.disease.lesions[0]) for p in drawn]
    sign = np.array([0.0 if not p.hpv_known else -1.0 if p.disease.hpv else 1.0 for p in drawn])
    necrosis = np.array([x.necrotic_fraction for x in index])
    axis = np.array([x.long_axis_mm for x in index])
    visible = np.interp(axis, [10, 30, 45], [0.0, 0.6, 0.8])
    expected = np.where(necrosis > 0, necrosis / 0.5, 0.0) - visible / 2  # necrosis beyond what its size explains
    columns = {
        "ct_necrosis": expected,
        "ct_necrosis_by_hpv": expected * sign,
        "pet_rim": np.log([x.rim for x in index]),
        "mask_lobes": np.array([float(len(x.shape.parts)) for x in index]),
        "mask_long_axis_mm": axis,
    }
    patients = cohort.patients
    order = {p.patient_id: n for n, p in enumerate(drawn)}
    place = [order[patient] for patient in cohort.patient_ids]
    for name, values in columns.items():
        patients = patients.append_column(name, pa.array(np.asarray(values, float)[place]))
    variables = [Variable(name, Kind.NUMERIC, note=IMAGE_FEATURE, source="planted", baseline=True) for name in columns]
    return cohort.replace_tables(patients=patients).with_dictionary(variables)


def setting(
    cohort: Cohort, config: PrognosisConfig
) -> tuple[Survival, list[np.ndarray[Any, Any]], list[dict[str, Any]], list[Variable]]:
    outcome = cohort.outcome("RFS")
    assert isinstance(outcome, Survival)
    folds = stratified_folds(outcome.event, folds=config.folds, seed=config.seed)
    return outcome, folds, rows_of(cohort, outcome.patient_ids), covariates_of(cohort)


def compared(
    cohort: Cohort, config: PrognosisConfig, *, models: Sequence[str], withheld: Sequence[tuple[str, ...]]
) -> tuple[list[str], list[MissingnessPoint]]:
    """Table of the planted scores and of every model; clinical models see no image feature."""
    outcome, folds, rows, variables = setting(cohort, config)
    points = []
    for model in models:
        clinical_only = model == "ridge-cox"
        used = [v for v in variables if block_of(v) == CLINICAL] if clinical_only else variables
        points += missingness(
            [model], rows, outcome, variables=used, folds=folds, config=config, cohort=cohort,
            withheld=withheld, shares=(0.0,), progress=lambda text: print(text, flush=True),
        )  # fmt: skip
    best = truth_of(cohort, "truth", outcome, folds, config)
    lines = ["| score | concordance | 95 % interval | minus planted best |", "|---|---|---|---|"]
    truths = [truth_of(cohort, run, outcome, folds, config) for run in TRUTHS]
    for point in [*truths, *points]:
        name = TRUTHS.get(point.model, point.model + (" (clinical only)" if point.model == "ridge-cox" else ""))
        off, low, high = difference(point, best)
        lines.append(
            f"| {name} | {point.value:.3f} | {point.low:.3f} to {point.high:.3f} "
            f"| {off:+.3f} ({low:+.3f} to {high:+.3f}) |"
        )
    lines.insert(0, f"{len(outcome)} patients, {outcome.events} events.\n")
    return lines, points


def truth_of(
    cohort: Cohort, run: str, outcome: Survival, folds: Sequence[np.ndarray[Any, Any]], config: PrognosisConfig
) -> MissingnessPoint:
    """A planted score on the same folds and resamples as the models."""
    score = (
        as_recorded(cohort)
        if run == "truth-recorded"
        else {row["patient_id"]: row["score"] for row in cohort.rows("outcomes", endpoint="RFS", run_id=run)}
    )
    risks = [np.array([score[outcome.patient_ids[i]] for i in test]) for test in folds]
    value, draws = paired_draws(outcome, folds, risks, seed=config.seed, resamples=config.resamples)
    low, high = np.quantile(draws, [0.025, 0.975])
    return MissingnessPoint(run, (), 0.0, value, float(low), float(high), 1.0, tuple(risks), draws)


def as_recorded(cohort: Cohort) -> dict[str, float]:
    """The planted risk for somebody who reads the images perfectly and knows HPV only where it was recorded."""
    from tumorboard.phantom.outcomes import ETA_SD, SHARES, rfs_risk

    seed = next(entry["seed"] for entry in cohort.provenance if "eta_sd" in entry)
    scale = ETA_SD * float(np.sqrt(SHARES["interaction"]))
    found = {}
    for p in draw_patients(len(cohort), seed=seed, centres=DEFAULT_CENTRES):
        sign = (-1.0 if p.disease.hpv else 1.0) if p.hpv_known else 0.0
        eta = p.known_table_eta + p.signal.image + scale * p.disease.traits.necrosis * sign
        found[p.patient_id] = float(rfs_risk(eta, p.person.age_years))
    return found


def curve_table(points: Sequence[MissingnessPoint], floor: MissingnessPoint) -> str:
    shares = sorted({point.share for point in points})
    head = " | ".join(f"{share:.0%}" for share in shares)
    lines = [
        f"Concordance when a share of the test patients lacks a modality; in brackets at 100 %: minus the best single "
        f"modality ({SINGLE[floor.model]}, {floor.value:.3f}) with its interval.\n",
        f"| model | without | {head} |",
        "|---|---|" + "---|" * len(shares),
    ]
    for model in dict.fromkeys(point.model for point in points):
        for modalities in dict.fromkeys(point.modalities for point in points):
            mine = sorted((p for p in points if p.model == model and p.modalities == modalities), key=lambda p: p.share)
            cells = [f"{p.value:.3f}" for p in mine]
            off, low, high = difference(mine[-1], floor)
            cells[-1] += f" ({off:+.3f}, {low:+.3f} to {high:+.3f})"
            lines.append(f"| {model} | {', '.join(modalities)} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
