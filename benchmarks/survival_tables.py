"""Survival models on public tables, beside scikit-survival with the very same recipe and folds, in one run.

    TUMORBOARD_DATA=folder python benchmarks/survival_tables.py --out OUT [--workers 2] [--only WORD ...]

Recipe: rows in file order, five folds stratified on the event (shuffled, seed 0), everything fitted on the training
fold; Harrell's C and the Brier score on the test fold, mean over folds. scikit-survival is scikit-learn's
ColumnTransformer and CoxPHSurvivalAnalysis(alpha=1), on the same patients. Published figures: `survival_tables.toml`.
Finished tables are left in OUT and taken over by the next run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # small matrices: threads only stand in each other's way

import numpy as np  # noqa: E402 - the threads are set first
from survival_report import BEFORE, BEST, MODELS, page  # noqa: E402

from tumorboard.checks import run_checks  # noqa: E402
from tumorboard.core.cohort import Cohort  # noqa: E402
from tumorboard.core.outcome import Survival  # noqa: E402
from tumorboard.core.variables import Kind, Variable  # noqa: E402
from tumorboard.datasets.table.reader import read  # noqa: E402
from tumorboard.io.files import atomic_write_text  # noqa: E402
from tumorboard.metrics.concordance import concordance  # noqa: E402
from tumorboard.metrics.survival.calibration import calibration_at  # noqa: E402
from tumorboard.metrics.survival.error import integrated_brier  # noqa: E402
from tumorboard.tasks.clinical.folds import stratified_folds  # noqa: E402
from tumorboard.tasks.clinical.variables import covariates_of, rows_of  # noqa: E402
from tumorboard.tasks.prognosis.config import PrognosisConfig  # noqa: E402
from tumorboard.tasks.prognosis.models.ensemble import fit_blend  # noqa: E402
from tumorboard.tasks.prognosis.patients import Patients, Training  # noqa: E402
from tumorboard.tasks.prognosis.protocol import FoldPrediction, external, time_grid  # noqa: E402
from tumorboard.tasks.prognosis.scoring import difference_rows, score_model  # noqa: E402

HERE = Path(__file__).parent
SCHEMAS = HERE.parent / "tests" / "datasets" / "schemas"
RESULT = HERE / "results" / "survival_tables.md"
Row = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Run the tables, print each as it is done, write the page (all tables only)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args(arguments)
    data = Path(os.environ["TUMORBOARD_DATA"]) / "clinical"
    plan = tomllib.loads((HERE / "survival_tables.toml").read_text(encoding="utf-8"))
    wanted = [one for one in plan["table"] if not options.only or any(word in one["name"] for word in options.only)]
    start = time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        crossings = [] if options.only else [
            pool.submit(kept, f"across {endpoint}", one_endpoint, (plan["external"], endpoint, data), options.out)
            for endpoint in ("PFS", "OS")
        ]  # fmt: skip
        largest_last = sorted(wanted, key=lambda one: one["name"].startswith("RADCURE"))
        jobs = {
            one["name"]: pool.submit(kept, one["name"], one_table, (one, data), options.out) for one in largest_last
        }
        rows = []
        for one in wanted:
            rows.append(jobs[one["name"]].result())
            print(_line(rows[-1]), flush=True)
        crossed = [row for job in crossings for row in job.result()]
    for row in crossed:
        print({key: value for key, value in row.items() if key != "page"}, flush=True)
    if not options.only:
        units = units_found(data, plan["external"])
        text = page(rows, crossed, units=units, seconds=time.perf_counter() - start, workers=options.workers)
        RESULT.write_text(text, encoding="utf-8")
    return 0


def kept(name: str, make: Callable[..., Any], given: tuple[Any, ...], out: Path) -> Any:
    """What `make` gives, or gave to an earlier run that left it in `out`."""
    path = out / f"{name}.json"
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, json.dumps(make(*given)) + "\n")
    return json.loads(path.read_text(encoding="utf-8"))


def one_table(plan: Mapping[str, Any], data: Path) -> Row:
    """All figures of one table."""
    warnings.simplefilter("ignore")  # scikit-learn on levels that only the test fold has
    cohort, dropped = _cohort(plan, data)
    outcome = cohort.outcome(plan["endpoint"])
    assert isinstance(outcome, Survival)
    variables = [v for v in covariates_of(cohort) if v.name not in plan.get("without", ())]
    rows, folds = rows_of(cohort, outcome.patient_ids), stratified_folds(outcome.event, folds=5, seed=0)
    config = PrognosisConfig(horizons_days=(plan["horizon_days"],))
    peer = sksurv_concordance(rows, outcome, variables, folds)
    found: Row = {
        "name": plan["name"],
        "n": len(outcome),
        "dropped": dropped,
        "events": outcome.events,
        "page": plan["page"],
        "sksurv": peer,
        "peer_ibs": None,
    }
    if "overwritten" in plan:
        spoilt = [{**row, plan["overwritten"]: str(t)} for row, t in zip(rows, outcome.time_days, strict=True)]
        found["overwritten"] = sksurv_concordance(spoilt, outcome, variables, folds)
    began = time.process_time()
    parts = [fold(rows, outcome, test, variables, config) for test in folds]
    found["seconds"] = time.process_time() - began
    scores = {}
    for model in MODELS:
        predictions = [part[model] for part in parts]
        values = [concordance(outcome.event[p.test], outcome.time_days[p.test], p.risk).value for p in predictions]
        scores[model] = score_model(
            model, outcome, predictions, subset="all", horizons_days=(), seed=0, resamples=1000, metrics=("c_index",)
        )
        found[model] = {
            "c": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)),
            "ibs": float(np.mean([_brier(outcome, p)[0] for p in predictions])),
            "null": float(np.mean([_brier(outcome, p)[1] for p in predictions])),
        }
    for model in ("ridge-cox", BEFORE, BEST):
        found.setdefault(model, {})["ici"] = _ici(outcome, [part[model] for part in parts], plan["horizon_days"])
    for row in difference_rows(outcome, scores, reference="ridge-cox", subset="all"):
        if row["metric"].startswith("c_index"):
            found[row["run"]]["difference"] = (row["value"], row["low"], row["high"])
    return found


def fold(
    rows: Sequence[Mapping[str, Any]], outcome: Survival, test: Any, variables: Sequence[Variable], config: Any
) -> dict[str, FoldPrediction]:
    """Predictions of the blend, before and after calibration, and of its members, which it fits anyway."""
    train = np.setdiff1d(np.arange(len(rows)), test)
    training = Training.of(
        [rows[i] for i in train], outcome.event[train], outcome.time_days[train], variables=variables, config=config
    )
    blend, grid = fit_blend(training), time_grid(training)
    tested = Patients.encoded([rows[i] for i in test], training.encoder)
    models = dict(zip(blend.names, blend.members, strict=True)) | {BEST: blend}
    found = {
        name: FoldPrediction(test, train, model.risk(tested), model.survival(tested, grid), grid)
        for name, model in models.items()
    }
    plain = blend.plain(tested, grid)
    return found | {BEFORE: FoldPrediction(test, train, found[BEST].risk, plain, grid)}


def _ici(outcome: Survival, parts: Sequence[FoldPrediction], horizon: float) -> float:
    """Integrated calibration index of all patients' out-of-fold risks of an event by `horizon`."""
    who = np.concatenate([p.test for p in parts])
    risk = [1 - p.survival[:, np.searchsorted(p.grid, horizon)] for p in parts]  # the horizon is one of the grid
    return calibration_at(outcome.event[who], outcome.time_days[who], np.concatenate(risk), horizon=horizon).ici


def _cohort(plan: Mapping[str, Any], data: Path) -> tuple[Cohort, int]:
    """The cohort of one table, and how many of its patients have no usable time."""
    schema = SCHEMAS / f"{plan['schema']}.toml"
    if "package" in plan:
        cohort = _packaged(plan["package"], schema)
    else:
        file = plan.get("file") or tomllib.loads(schema.read_text(encoding="utf-8"))["file"]
        cohort = read(data / file, schema=schema)
    for column, values in plan.get("where", {}).items():
        cohort = cohort.subset(row["patient_id"] for row in cohort.rows("patients") if row[column] in values)
    return cohort, len(cohort) - len(cohort.outcome(plan["endpoint"]))


def _packaged(package: str, schema: Path) -> Cohort:
    """Tables that come with a library."""
    import tempfile

    if package == "lifelines":
        from lifelines.datasets import load_lung

        frame = load_lung()
    else:
        import pandas as pd
        from sksurv.datasets import load_veterans_lung_cancer

        x, y = load_veterans_lung_cancer()
        frame = pd.concat([x, pd.DataFrame(y, index=x.index)], axis=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        frame.to_csv(path, index=False)
        return read(path, schema=schema)


def sksurv_concordance(
    rows: Sequence[Mapping[str, Any]], outcome: Survival, variables: Sequence[Variable], folds: Sequence[Any]
) -> tuple[float, float]:
    """Mean and standard deviation over folds of Harrell's C of scikit-survival's Cox regression, alpha 1."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.metrics import concordance_index_censored
    from sksurv.util import Surv

    numeric = [v.name for v in variables if v.kind is Kind.NUMERIC]
    others = [v.name for v in variables if v.kind is not Kind.NUMERIC]
    frame = pd.DataFrame([{v.name: row.get(v.name) for v in variables} for row in rows])
    frame[numeric] = frame[numeric].astype(float)
    frame[others] = frame[others].astype(object).where(frame[others].notna(), "(missing)").astype(str)
    frame[others] = frame[others].replace({"": "(missing)"})
    y = Surv.from_arrays(outcome.event, outcome.time_days)
    values = []
    for test in folds:
        train = np.setdiff1d(np.arange(len(rows)), test)
        encode = ColumnTransformer(
            [
                ("numeric", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
                ("levels", OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False), others),
            ]
        )
        fitted = CoxPHSurvivalAnalysis(alpha=1.0).fit(encode.fit_transform(frame.iloc[train]), y[train])
        risk = fitted.predict(encode.transform(frame.iloc[test]))
        values.append(concordance_index_censored(outcome.event[test], outcome.time_days[test], risk)[0])
    return float(np.mean(values)), float(np.std(values, ddof=1))


def _brier(outcome: Survival, prediction: FoldPrediction) -> tuple[float, float]:
    """Integrated Brier score of the model and of Kaplan-Meier, over the test fold's 10th to 80th percentile of time."""
    event, when = outcome.event[prediction.test], outcome.time_days[prediction.test]
    low, high = np.quantile(when, [0.1, 0.8])
    inside = (prediction.grid >= low) & (prediction.grid <= high)
    found = integrated_brier(
        event,
        when,
        prediction.survival[:, inside],
        grid=prediction.grid[inside],
        train_event=outcome.event[prediction.train],
        train_time=outcome.time_days[prediction.train],
    )
    return found.value, found.null


def _part(plan: Mapping[str, Any], centre: str, data: Path) -> Cohort:
    """One cohort of LORIS; the one in days by a schema of its own."""
    schema = "loris_ravi_nsclc" if centre == "Ravi_NSCLC" else plan["schema"]
    cohort = read(data / "loris_icb_nsclc.csv", schema=SCHEMAS / f"{schema}.toml")
    return cohort.subset(row["patient_id"] for row in cohort.rows("patients") if row["centre"] == centre)


def one_endpoint(plan: Mapping[str, Any], endpoint: str, data: Path) -> list[Row]:
    """Trained once on one cohort, tested on each of the others."""
    cohort = read(data / "loris_icb_nsclc.csv", schema=SCHEMAS / f"{plan['schema']}.toml")
    variables = covariates_of(cohort, plan["covariates"])
    train = _part(plan, plan["train"], data)
    fitted, found = None, []
    for other in plan[endpoint]:
        parts = external(train, _part(plan, other, data), endpoint)
        event, days = parts.outcome.event, parts.outcome.time_days
        first = np.setdiff1d(np.arange(len(parts.rows)), parts.test)
        if fitted is None:
            fitted = Training.of(
                [parts.rows[i] for i in first], event[first], days[first], variables=variables, config=PrognosisConfig()
            )
            blend, grid = fit_blend(fitted), time_grid(fitted)
        tested = Patients.encoded([parts.rows[i] for i in parts.test], fitted.encoder)
        row: Row = {"endpoint": endpoint, "test": other, "n": len(parts.test), "page": plan[endpoint][other]}
        row["events"] = int(event[parts.test].sum())
        scores = {}
        for name, model in (*zip(blend.names, blend.members, strict=True), (BEST, blend)):
            told = FoldPrediction(parts.test, first, model.risk(tested), model.survival(tested, grid), grid)
            scores[name] = score_model(
                name,
                parts.outcome,
                [told],
                subset=other,
                horizons_days=(),
                seed=0,
                resamples=1000,
                metrics=("c_index",),
            )
            row[name] = [scores[name].rows[0][key] for key in ("value", "low", "high")]
        for one in difference_rows(parts.outcome, scores, reference="ridge-cox", subset=other):
            if one["run"] == BEST:
                row["difference"] = [one[key] for key in ("value", "low", "high")]
        found.append(row)
    return found


def units_found(data: Path, plan: Mapping[str, Any]) -> list[str]:
    """What the checks say about units of time when LORIS is imported as its headings have it; no patient is named."""
    cohort = read(data / "loris_icb_nsclc.csv", schema=SCHEMAS / f"{plan['schema']}.toml")
    told = [found for found in run_checks(cohort) if found.code == "OUT204"]
    return [f"{found.code} {found.where.split(':')[0]}: {found.message}" for found in told]


def _line(row: Row) -> str:
    parts = [f"{row['name']}: n {row['n']}", f"page {row['page']['cox']:.3f}", f"sksurv {row['sksurv'][0]:.4f}"]
    parts += [f"{m} {row[m]['c']:.4f}" for m in MODELS]
    low, high = row[BEST]["difference"][1:]
    told = f" [{low:+.3f}, {high:+.3f}] IBS {row[BEST]['null']:.3f}/{row[BEST]['ibs']:.3f}"
    return ", ".join(parts) + told + f", {row['seconds']:.0f} CPU-s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
