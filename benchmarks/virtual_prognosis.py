"""Virtual HECKTOR cohort: do image and clinical models find the hazard that was planted? SYNTHETIC throughout.

    python benchmarks/virtual_prognosis.py --out OUT [--patients 400] [--crowd 2500] [--processes 2] [--parts a b c]
        [--write]

A: a crowd without scans, whose lesions' planted traits are given as measurements (what a perfect reading of the image
would yield). B: scanned patients, whose features come from the voxels. C: networks on their crops. Scans, features and
finished parts below OUT are taken over when they are there. `--write` puts the report and its pictures into
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.board.missingness import missingness_figure
from tumorboard.core.cohort import Cohort
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Kind, Variable
from tumorboard.io.files import atomic_write_text
from tumorboard.io.store import open_cohort, save_cohort
from tumorboard.phantom.cohort import DEFAULT_CENTRES, draw_patients, make_cohort
from tumorboard.phantom.disease import ImageTraits
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
    "truth-shown": "planted, HPV as recorded and traits as drawn",
    "truth-known": "planted, table as recorded",
    "truth-table": "planted, table part",
    "truth-image": "planted, image part",
}
BLEND = "best-by-inner-folds"
IMAGES = ("PET", "CT", "dose", "mask")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--crowd", type=int, default=2500)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--parts", nargs="*", default=["a", "b", "c"])
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
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, make in {"a": part_a, "b": part_b, "c": part_c}.items():
        kept = arguments.out / f"part_{name}.md"
        if name in arguments.parts and not kept.exists():
            text, figure = make(arguments.out, config, arguments)
            figure.savefig(arguments.out / f"{TARGET.stem}_{name}.png", dpi=110)
            atomic_write_text(kept, text)
        if kept.exists():
            parts.append(kept.read_text(encoding="utf-8"))
    print("\n".join(parts))
    if arguments.write:
        TARGET.write_text("\n".join(parts), encoding="utf-8")
        for picture in arguments.out.glob(f"{TARGET.stem}_?.png"):
            shutil.copy(picture, TARGET.parent)


def part_a(out: Path, config: PrognosisConfig, arguments: Any) -> tuple[str, Any]:
    """The crowd: tables, and the index lesion's planted traits as measurements."""
    folder, patients = out / "crowd", arguments.crowd
    if (folder / "cohort.json").exists():
        cohort = open_cohort(folder)
    else:
        cohort = make_cohort(folder, patients=patients, seed=SEED + 1, tables_only=True, exams=1, followed=0.0)
    cohort = with_hpv(with_traits(cohort))
    withheld = [("PET",), ("CT",), ("mask",), ("PET", "CT", "mask"), (CLINICAL,)]
    models = ["ridge-cox", "radiomics-cox", "boosted-hazard"]
    shown = as_shown(cohort)
    text, lines, figure = tables(
        cohort, config, models=models, curves=["fusion-cox", BLEND], withheld=withheld, shown=shown
    )
    title = f"## A. {patients} patients, lesions as planted (perfect measurement)\n"
    return "\n".join([title, *lines, "", text, "![curves](virtual_prognosis_a.png)\n"]), figure


def part_b(out: Path, config: PrognosisConfig, arguments: Any) -> tuple[str, Any]:
    """Scanned patients: features and crops from the voxels, and curves of missingness."""
    patients = arguments.patients
    cohort = scanned(out / "scanned", patients, arguments.processes)
    withheld = [("PET",), ("CT",), ("dose",), ("mask",), IMAGES, (CLINICAL,)]
    models = ["ridge-cox", "volume", "radiomics-cox", "boosted-hazard"]
    text, lines, figure = tables(
        cohort, config, models=models, curves=["fusion-cox", BLEND], withheld=withheld, shown=as_shown(cohort)
    )
    lines += ["", *reading(cohort)]
    title = f"## B. {patients} scanned patients (3 mm voxels, PET blurred as the scanners do)\n"
    return "\n".join([title, *lines, "", text, "![curves](virtual_prognosis_b.png)\n"]), figure


def part_c(out: Path, config: PrognosisConfig, arguments: Any) -> tuple[str, Any]:
    """Networks on the crops of the scanned patients, beside clinical variables and volume alone."""
    cohort = scanned(out / "scanned", arguments.patients, arguments.processes)
    image, fusion = small_networks()
    text, lines, figure = tables(
        cohort, config, models=["ridge-cox", "volume", image], curves=[fusion],
        withheld=[("PET",), IMAGES, (CLINICAL,)], shown=as_shown(cohort),
    )  # fmt: skip
    title = f"## C. Networks on the crops of the same {arguments.patients} patients (5 mm voxels, 150 steps a fold)\n"
    return "\n".join([title, *lines, "", text, "![curves](virtual_prognosis_c.png)\n"]), figure


def tables(
    cohort: Cohort,
    config: PrognosisConfig,
    *,
    models: Sequence[str],
    curves: Sequence[str],
    withheld: Sequence[tuple[str, ...]],
    shown: dict[str, float],
) -> tuple[str, list[str], Any]:
    """Curves of missing modalities in words, the table of all models, and the picture. The models with curves are
    trained once for both."""
    outcome, folds, rows, variables = setting(cohort, config)
    told = {"folds": folds, "config": config, "cohort": cohort, "progress": lambda text: print(text, flush=True)}
    points = []
    for model in models:  # clinical models see no image feature
        used = [v for v in variables if block_of(v) == CLINICAL] if model == "ridge-cox" else variables
        points += missingness([model], rows, outcome, variables=used, withheld=[()], shares=(0.0,), **told)
    curve = missingness(curves, rows, outcome, variables=variables, withheld=withheld, **told)
    whole = [next(p for p in curve if p.model == model and p.share == 0) for model in curves]
    scores = {run: score_of(cohort, run) for run in TRUTHS if run not in ("truth-recorded", "truth-shown")}
    scores |= {"truth-recorded": as_recorded(cohort), "truth-shown": shown}
    truths = {run: truth_of(run, scores[run], outcome, folds, config) for run in TRUTHS}
    lines = compared(outcome, [*truths.values(), *points, *whole], truths["truth"])
    floors = {SINGLE[p.model]: p for p in points if p.model in SINGLE}
    figure = missingness_figure(
        curve,
        floors={"planted, all of it": truths["truth"].value, **{f"{k} alone": p.value for k, p in floors.items()}},
        title=f"SYNTHETIC: {len(outcome)} virtual patients, recurrence-free survival",
    )
    return "\n".join(["### Missing modalities\n", curve_table(curve, floors)]), lines, figure


IMAGE_NETWORK, FUSION_NETWORK = "image-network", "fusion-network"
SINGLE = {"ridge-cox": "clinical", "radiomics-cox": "images", IMAGE_NETWORK: "images"}


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


def small_networks() -> tuple[str, str]:
    """The networks on crops, at a size that one core trains in minutes, under their usual names."""
    from tumorboard.tasks.features.crops import CropSettings
    from tumorboard.tasks.features.network import NetworkSettings
    from tumorboard.tasks.prognosis.models.images import fit_hazard_network
    from tumorboard.tasks.prognosis.models.registry import add_model

    settings = NetworkSettings(crop=CropSettings(80.0, 5.0), steps=150)
    for name, table in ((IMAGE_NETWORK, False), (FUSION_NETWORK, True)):
        add_model(name, name, partial(fit_hazard_network, table=table, settings=settings))
    return IMAGE_NETWORK, FUSION_NETWORK


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
    index = [index_lesion(p) for p in drawn]
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


def compared(outcome: Survival, points: Sequence[MissingnessPoint], best: MissingnessPoint) -> list[str]:
    """Table of the planted scores and of every model."""
    lines = [f"{len(outcome)} patients, {outcome.events} events.\n"]
    lines += ["| score | concordance | 95 % interval | minus planted best |", "|---|---|---|---|"]
    for point in points:
        name = TRUTHS.get(point.model, point.model + (" (clinical only)" if point.model == "ridge-cox" else ""))
        off, low, high = difference(point, best)
        lines.append(
            f"| {name} | {point.value:.3f} | {point.low:.3f} to {point.high:.3f} "
            f"| {off:+.3f} ({low:+.3f} to {high:+.3f}) |"
        )
    return lines


def score_of(cohort: Cohort, run: str) -> dict[str, float]:
    return {row["patient_id"]: row["score"] for row in cohort.rows("outcomes", endpoint="RFS", run_id=run)}


def truth_of(
    run: str,
    score: dict[str, float],
    outcome: Survival,
    folds: Sequence[np.ndarray[Any, Any]],
    config: PrognosisConfig,
) -> MissingnessPoint:
    """A planted score on the same folds and resamples as the models."""
    risks = [np.array([score[outcome.patient_ids[i]] for i in test]) for test in folds]
    value, draws = paired_draws(outcome, folds, risks, seed=config.seed, resamples=config.resamples)
    low, high = np.quantile(draws, [0.025, 0.975])
    return MissingnessPoint(run, (), 0.0, value, float(low), float(high), 1.0, tuple(risks), draws)


def drawn_of(cohort: Cohort) -> dict[str, Any]:
    """Patient -> what was planted in him."""
    seed = next(entry["seed"] for entry in cohort.provenance if "eta_sd" in entry)
    return {p.patient_id: p for p in draw_patients(len(cohort), seed=seed, centres=DEFAULT_CENTRES)}


def as_recorded(cohort: Cohort) -> dict[str, float]:
    """The planted risk for somebody who knows the traits, and HPV only where it was recorded."""
    return {name: risk_of(p, p.disease.traits) for name, p in drawn_of(cohort).items()}


def as_shown(cohort: Cohort) -> dict[str, float]:
    """The same for somebody who knows of the traits what the lesion as drawn gives away: a small lesion has no necrosis
    whatever the trait, a rim is never colder than the inside, lobes are whole numbers, and of a node none."""
    return {name: risk_of(p, shown_traits(p)) for name, p in drawn_of(cohort).items()}


def risk_of(patient: Any, traits: ImageTraits) -> float:
    from tumorboard.phantom.outcomes import ETA_SD, SHARES, rfs_risk

    sign = (-1.0 if patient.disease.hpv else 1.0) if patient.hpv_known else 0.0
    image, interaction = (ETA_SD * float(np.sqrt(SHARES[part])) for part in ("image", "interaction"))
    eta = patient.known_table_eta + image * traits.score + interaction * traits.necrosis * sign
    return float(rfs_risk(eta, patient.person.age_years))


def shown_traits(patient: Any) -> ImageTraits:
    """Expected traits given the index lesion (the laws are those of `phantom/disease.py`)."""
    from scipy.stats import norm

    index = index_lesion(patient)
    primary = index.kind == "primary"
    level, slope = (0.10, 0.28) if primary else (0.05, 0.20)
    rim = (np.log(index.rim) - level) / slope
    rim = rim if rim > -0.2999 else -norm.pdf(-0.3) / norm.cdf(-0.3)
    chance = np.interp(index.long_axis_mm - (0 if primary else 6), [10, 30, 45], [0.0, 0.6, 0.8])
    if index.necrotic_fraction > 0:
        necrosis = norm.ppf(np.clip(1 - chance + (index.necrotic_fraction - 0.06) / 0.44 * chance, 0.0013, 0.9987))
    else:
        necrosis = -norm.pdf(norm.ppf(1 - chance)) / (1 - chance)
    lobulation = (len(index.shape.parts) - 6) / 1.8 if primary else 0.0
    return ImageTraits(float(necrosis), float(rim), float(lobulation))


def index_lesion(patient: Any) -> Any:
    lesions = patient.disease.lesions
    return next((x for x in lesions if x.kind == "primary"), lesions[0])


def reading(cohort: Cohort) -> list[str]:
    """How much of the planted traits the measured features hold: correlation of a trait with its ridge regression on
    all features (out of fold), and the two features that follow it most closely."""
    from scipy.stats import spearmanr
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = [v.name for v in cohort.dictionary.values() if v.note == IMAGE_FEATURE]
    rows, drawn = cohort.rows("patients"), drawn_of(cohort)
    x = np.array([[np.nan if row[name] is None else row[name] for name in names] for row in rows], float)
    x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    names, x = [n for n, scale in zip(names, x.std(axis=0), strict=True) if scale > 0], x[:, x.std(axis=0) > 0]
    lines = [
        "What the features hold of the planted traits (correlation; as drawn: the best that any reading can do):\n"
    ]
    lines += ["| trait | as drawn | ridge on all features | closest features |", "|---|---|---|---|"]
    for trait in ("necrosis", "rim", "lobulation", "score"):
        truth = np.array([getattr(drawn[row["patient_id"]].disease.traits, trait) for row in rows])
        best = np.array([getattr(shown_traits(drawn[row["patient_id"]]), trait) for row in rows])
        fitted = make_pipeline(StandardScaler(), RidgeCV(np.geomspace(1, 1e4, 9)))
        told = cross_val_predict(fitted, x, truth, cv=5)
        close = sorted(
            ((float(spearmanr(x[:, j], truth)[0]), n) for j, n in enumerate(names)), key=lambda p: -abs(p[0])
        )
        lines.append(
            f"| {trait} | {np.corrcoef(best, truth)[0, 1]:.2f} | {np.corrcoef(told, truth)[0, 1]:.2f} "
            f"| {', '.join(f'{name} {r:+.2f}' for r, name in close[:2])} |"
        )
    return lines


def curve_table(points: Sequence[MissingnessPoint], floors: dict[str, MissingnessPoint]) -> str:
    """One row per model and missing modalities; at 100 %, the difference to the best single side still there."""
    shares = sorted({point.share for point in points})
    head = " | ".join(f"{share:.0%}" for share in shares)
    alone = ", ".join(f"{name} {point.value:.3f}" for name, point in floors.items())
    lines = [
        "Concordance when a share of the test patients lacks a modality; in brackets at 100 %: minus the better of the "
        f"single sides that are still there ({alone}), with its interval. The last column is the steepest rise from "
        "one share to the next, with its interval.\n",
        f"| model | without | {head} | steepest rise |",
        "|---|---|" + "---|" * (len(shares) + 1),
    ]
    for model in dict.fromkeys(point.model for point in points):
        for modalities in dict.fromkeys(point.modalities for point in points):
            mine = sorted((p for p in points if p.model == model and p.modalities == modalities), key=lambda p: p.share)
            gone = {"clinical"} if CLINICAL in modalities else {"images"} if len(modalities) > 1 else set()
            floor = max((p for name, p in floors.items() if name not in gone), key=lambda p: p.value)
            cells = [f"{p.value:.3f}" for p in mine]
            off, low, high = difference(mine[-1], floor)
            cells[-1] += f" ({off:+.3f}, {low:+.3f} to {high:+.3f})"
            rises = [difference(later, earlier) for earlier, later in pairwise(mine)]
            rise = max(rises)
            cells.append(f"{rise[0]:+.3f} ({rise[1]:+.3f} to {rise[2]:+.3f})")
            lines.append(f"| {model} | {', '.join(modalities)} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
