"""HPV status from clinical tables: our models beside the reference's, out of fold and between centres.

    python benchmarks/classification_tables.py DATA/clinical --out OUT [--jobs 2] [--date D] [--machine M] [--write]

DATA/clinical holds the published tables named in `tests/datasets/schemas`. Three parts: the reference's logistic
regression and forest repeated with scikit-learn by its recipe; our benchmark on the same patients, columns and folds;
models trained in one centre and tested in another. Pictures go below OUT; `--write` puts the page into
benchmarks/results/classification_tables.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # one thread per process; processes run side by side

import numpy as np
from classification_recipe import Recipe, repeat

from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets.table.reader import read
from tumorboard.tasks.classification.benchmark import benchmark, score_run
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.data import problems_of, variables_of
from tumorboard.tasks.classification.protocol import cross_validate, held_out_folds, transfer

HERE = Path(__file__).parent
TARGET = HERE / "results" / "classification_tables.md"
SCHEMAS = HERE.parent / "tests" / "datasets" / "schemas"
MODELS = ("majority", "logistic", "forest", "boosted", "ensemble", "best-by-inner-folds")
LYDATA = ("age_years", "tumor.1.t_stage", "patient.n_stage", "sex", "patient.nicotine_abuse", "patient.alcohol_abuse",
          "sub3")  # fmt: skip


@dataclass(frozen=True)
class Table:
    """One table: schema and file, rows to keep (column, its value), the page's columns, and the page's figures (AUC,
    its SD over folds, balanced accuracy, its SD) of logistic regression and forest."""

    name: str
    file: str
    schema: str
    covariates: tuple[str, ...]
    logistic: tuple[float, float, float, float]
    forest: tuple[float, float, float, float]
    only: tuple[str, tuple[str, ...]] | None = None
    recipe: Recipe = field(default_factory=Recipe)
    note: str = ""
    settings: tuple[tuple[str, str], ...] = ()


TABLES = (
    Table(
        "RADCURE oropharynx",
        "radcure_clinical_v04.csv",
        "radcure_clinical_v04",
        ("age_years", "Smoking PY", "sex", "ECOG PS", "Smoking Status", "Subsite", "T", "N"),
        (0.840, 0.031, 0.746, 0.051),
        (0.832, 0.034, 0.757, 0.042),
        only=("Ds Site", ("Oropharynx",)),
        recipe=Recipe(("Age", "Smoking PY"), ("Sex", "ECOG PS", "Smoking Status", "Subsite", "T", "N"),
                      label="HPV", positive="Yes, positive", negative="Yes, Negative"),
    ),
    Table(
        "HN1",
        "hn1_clinical.csv",
        "hn1_clinical",
        ("age_years", "clin_t", "clin_n", "performance_status_ecog", "pretreat_hb_in_mmolperlitre", "sex"),
        (0.538, 0.137, 0.558, 0.140),
        (0.555, 0.164, 0.649, 0.148),
        recipe=Recipe(("age_at_diagnosis", "clin_t", "clin_n", "performance_status_ecog",
                       "pretreat_hb_in_mmolperlitre"), ("biological_sex",),
                      label="overall_hpv_p16_status", positive="positive", negative="negative"),
    ),
    Table(
        "HN-Montreal",
        "hn_montreal_clinical.csv",
        "hn_montreal_clinical",
        ("age_years", "T_stage", "N_stage", "site"),
        (0.810, 0.145, 0.753, 0.104),
        (0.896, 0.079, 0.805, 0.108),
        recipe=Recipe(("age", "T_stage", "N_stage"), ("site",), label="HPV", positive="1.0", negative="0.0"),
    ),
    Table(
        "HANCOCK oropharynx, grading offered",
        "hancock_clinical.csv",
        "hancock",
        ("age_years", "number_of_positive_lymph_nodes", "infiltration_depth_in_mm", "pT_stage", "sex",
         "smoking_status", "pN_stage", "primarily_metastasis", "perinodal_invasion", "lymphovascular_invasion_L",
         "carcinoma_in_situ", "resection_status", "grading"),
        (0.776, 0.081, 0.698, 0.052),
        (0.777, 0.063, 0.716, 0.062),
        only=("primary_tumor_site", ("4", "oropharynx")),
        recipe=Recipe(("age_at_initial_diagnosis", "number_of_positive_lymph_nodes", "infiltration_depth_in_mm",
                       "pT_stage"),
                      ("sex", "smoking_status", "pN_stage", "primarily_metastasis", "perinodal_invasion",
                       "lymphovascular_invasion_L", "carcinoma_in_situ", "resection_status"),
                      label="hpv_association_p16", positive="2", negative="0"),
        note="grading is among the columns offered; the rule of OUT207 has to leave it out",
    ),
    Table(
        "lyDATA USZ+CLB, N as N0 or nodes",
        "lydata_2021-usz-oropharynx.csv+lydata_2021-clb-oropharynx.csv",
        "lydata",
        LYDATA,
        (0.810, 0.032, 0.773, 0.028),
        (0.831, 0.047, 0.772, 0.028),
        recipe=Recipe(("age", "t_stage", "n_stage"), ("sex", "nicotine_abuse", "alcohol_abuse", "sub3"),
                      label="hpv_status", positive="true", negative="false", headings=3),
        note="the page uses the N stage as published, which in TNM 8 is assigned by p16",
    ),
)  # fmt: skip
AS_PUBLISHED = replace(
    TABLES[-1],
    name="lyDATA USZ+CLB, N as published",
    note="for comparison with the page only: a leak",
    settings=(("n_stage", "as-published"),),
)
BETWEEN = (
    ("USZ", "CLB", (0.815, 0.649), (0.833, 0.737)),
    ("CLB", "USZ", (0.810, 0.741), (0.782, 0.738)),
    ("USZ+CLB", "ISB", (0.797, 0.760), (0.745, 0.753)),
)
FILES = {
    "USZ": "lydata_2021-usz-oropharynx.csv",
    "CLB": "lydata_2021-clb-oropharynx.csv",
    "ISB": "lydata_2023-isb-multisite.csv",
}


def cohort_of(data: Path, table: Table) -> Cohort:
    """The table's patients as a cohort."""
    if table.schema == "lydata":
        return lydata(data, table.file.split("+"), table.name)
    cohort = read(data / table.file, schema=SCHEMAS / f"{table.schema}.toml")
    if table.only is None:
        return cohort
    column, values = table.only
    return cohort.subset([row["patient_id"] for row in cohort.rows("patients") if str(row[column]) in values])


def lydata(data: Path, files: Sequence[str], name: str) -> Cohort:
    """Oropharynx of some lyDATA files as one cohort, with the first three characters of the subsite."""
    patients, outcomes, dictionary = [], [], {}
    for file in files:
        cohort = read(data / file, schema=SCHEMAS / "lydata.toml")
        dictionary |= dict(cohort.dictionary)
        prefix = file.split("-")[1]
        wanted = [*LYDATA[:-1], "centre", "patient.tnm_edition"]
        for row in cohort.rows("patients"):
            if row.get("tumor.1.location") not in (None, "oropharynx"):
                continue
            kept = {column: row.get(column) for column in wanted}
            subsite = str(row["tumor.1.subsite"] or "")[:3] or None
            patients.append({**kept, "patient_id": f"{prefix}-{row['patient_id']}", "sub3": subsite})
        known = {row["patient_id"] for row in patients}
        for row in cohort.rows("outcomes", endpoint="HPV", run_id=EXPERT):
            if (patient := f"{prefix}-{row['patient_id']}") in known:
                outcomes.append({**row, "patient_id": patient})
    variables = [v for v in dictionary.values() if v.name in patients[0]] + [Variable("sub3", Kind.CATEGORICAL)]
    return Cohort.build(name, patients=patients, outcomes=outcomes, dictionary=variables)


def settings_of(table: Table, **more: Any) -> ClassificationConfig:
    chosen = {"covariates": table.covariates, "endpoints": ("HPV",), "models": MODELS, "resamples": 400}
    return ClassificationConfig(**{**chosen, **dict(table.settings), **more})


def one_table(table: Table, *, data: Path, out: Path) -> dict[str, Any]:
    """Our benchmark of a table, the repeated recipe, and logistic regression on permuted classes."""
    start = time.process_time()
    cohort = cohort_of(data, table)
    config = settings_of(table)
    result = benchmark(cohort, out / table.name.replace(" ", "-"), config=config)
    repeated = repeat(data, table.file.split("+"), table.recipe, only=_only(table))
    return {
        "table": table,
        "scores": result.scores,
        "notes": list(result.notes),
        "repeated": repeated,
        "permuted": permuted(cohort, config),
        "seconds": time.process_time() - start,
    }


def _only(table: Table) -> tuple[str, str] | None:
    return None if table.only is None else (table.only[0], table.only[1][0])


def permuted(cohort: Cohort, config: ClassificationConfig, *, times: int = 5) -> tuple[float, float]:
    """Least and highest AUC (mean over folds) of logistic regression when classes are dealt out at random."""
    problem = problems_of(cohort, config)[0]
    variables, _ = variables_of(problem, config)
    found = []
    for seed in range(times):
        dealt = replace(problem, y=np.random.default_rng(seed).permutation(problem.y))
        folds = held_out_folds(dealt, folds=config.folds, seed=0)
        plain = config.model_copy(update={"models": ("logistic",), "resamples": 100})
        run = cross_validate(dealt, variables=variables, folds=folds, config=plain)
        rows = score_run(dealt, run, folds, subset="all", config=plain)
        found.append(next(row["value"] for row in rows if row["metric"] == "auc"))
    return min(found), max(found)


def one_transfer(job: tuple[str, str, str], *, data: Path) -> dict[str, Any]:
    """Trained on all patients of the first centres, tested on those of the second."""
    start = time.process_time()
    train, test, n_stage = job
    config = settings_of(TABLES[-1], n_stage=n_stage)
    cohorts = [lydata(data, [FILES[centre] for centre in side.split("+")], side) for side in (train, test)]
    first, second = (problems_of(cohort, config)[0] for cohort in cohorts)
    run = transfer(first, second, variables=variables_of(first, config)[0], config=config)
    folds = [np.arange(len(second))]
    scores = score_run(second, run, folds, subset=f"{train} to {test}", config=config)
    facts = {"job": job, "n": len(second), "positive": int(second.y.sum()), "notes": run.told()}
    return {**facts, "scores": scores, "seconds": time.process_time() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--date", default="undated")
    parser.add_argument("--machine", default="unnamed machine")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    start = time.perf_counter()
    jobs = [(train, test, how) for train, test, *_ in BETWEEN for how in ("presence", "as-published")]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        tables = pool.map(partial(one_table, data=arguments.data, out=arguments.out), (*TABLES, AS_PUBLISHED))
        transfers = pool.map(partial(one_transfer, data=arguments.data), jobs)
        done = list(tables), list(transfers)
    spent = sum(one["seconds"] for part in done for one in part) / 60
    from classification_report import report

    minutes = f"{spent:.1f} CPU-minutes, {(time.perf_counter() - start) / 60:.1f} minutes wall"
    text = report(*done, head=f"{arguments.date}; {arguments.machine}. {minutes}, {arguments.jobs} processes.")
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
