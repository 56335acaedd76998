"""Questions to a cohort of a million findings: DuckDB on the Parquet files against loading the tables with pandas.

Five questions as people ask them; equal answers are asserted. Peak memory of both in processes of their own.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from harness import compare, compared_memory, peak_growth_mib, printed, row

from tumorboard.core.cohort import Cohort
from tumorboard.io.catalogue import catalogue
from tumorboard.io.store import save_cohort

FINDINGS, PATIENTS = 1_000_000, 10_000
KINDS = ("liver", "lung", "bone", "lymph node", "GTVp", "GTVn", "kidney", "adrenal")
QUESTIONS = {
    "count by label and run": "SELECT label, run_id, count(*) AS n FROM findings GROUP BY ALL ORDER BY ALL",
    "one patient's lesions": "SELECT finding_id FROM findings JOIN images USING (image_id) JOIN exams USING (exam_id) "
    "WHERE patient_id = 'P04711' ORDER BY ALL",
    "the ten surest": "SELECT finding_id FROM findings ORDER BY score DESC, finding_id LIMIT 10",
    "mean score by centre": "SELECT centre, round(avg(score), 6) AS mean FROM findings JOIN images USING (image_id) "
    "JOIN exams USING (exam_id) JOIN patients USING (patient_id) GROUP BY ALL ORDER BY ALL",
    "images with ten of one kind": "SELECT count(*) FROM (SELECT image_id FROM findings WHERE label = 'lung' "
    "GROUP BY image_id HAVING count(*) >= 10)",
}


def main() -> list[dict[str, Any]]:
    """Rows with name, ours_s, peer, peer_s, ratio, goal, note."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        save_cohort(made(), folder)
        ours, theirs = asked(folder), loaded(folder)
        for name, expected in theirs.items():
            assert ours[name] == expected, (name, ours[name][:3], expected[:3])
        timing = compare(lambda: asked(folder), lambda: loaded(folder), repeats=3)
        each = timing["ours_s"] / len(QUESTIONS) * 1000
        words = f"{len(QUESTIONS)} questions, equal answers; {each:.0f} ms each; the peer reads the columns it needs"
        program = f"import sys\nfrom pathlib import Path\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        program += "from bench_catalogue import asked, loaded\nimport duckdb, pandas\nfolder = Path(sys.argv[1])\n"
        mine = peak_growth_mib(f"{program}# MEASURE\nasked(folder)\n", text)
        peers = peak_growth_mib(f"{program}# MEASURE\nloaded(folder)\n", text)
        whole = peak_growth_mib(
            f"{program}from tumorboard.io.store import open_cohort\n# MEASURE\ncohort = open_cohort(folder)\n", text
        )
    size = f"{FINDINGS:,} findings of {PATIENTS:,} patients"
    return [
        row(f"catalogue, {size}", "pandas", timing, goal=1.0, note=words),
        compared_memory(f"catalogue, memory, {size}", "pandas", mine, peers, goal=0.5),
        compared_memory(f"catalogue, memory, {size}", "the cohort opened whole", mine, whole, goal=0.25),
    ]


def asked(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Our answers."""
    with catalogue(folder) as connection:
        return {name: connection.execute(sql).fetchall() for name, sql in QUESTIONS.items()}


def loaded(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The same by pandas on the columns that the questions need."""
    import pandas as pd

    entries = json.loads((folder / "cohort.json").read_text())["tables"]
    wanted = {
        "findings": ["finding_id", "image_id", "run_id", "label", "score"],
        "images": ["image_id", "exam_id"],
        "exams": ["exam_id", "patient_id"],
        "patients": ["patient_id", "centre"],
    }
    t = {name: pd.read_parquet(folder / entries[name]["file"], columns=columns) for name, columns in wanted.items()}
    counts = t["findings"].groupby(["label", "run_id"]).size().reset_index()
    joined = t["findings"].merge(t["images"]).merge(t["exams"]).merge(t["patients"])
    surest = t["findings"].sort_values(["score", "finding_id"], ascending=[False, True]).head(10)
    lungs = t["findings"][t["findings"]["label"] == "lung"].groupby("image_id").size()
    means = joined.groupby("centre")["score"].mean().round(6).reset_index()
    answers = (
        list(counts.itertuples(index=False, name=None)),
        [(name,) for name in sorted(joined.loc[joined["patient_id"] == "P04711", "finding_id"])],
        [(name,) for name in surest["finding_id"]],
        list(means.itertuples(index=False, name=None)),
        [(int((lungs >= 10).sum()),)],
    )
    return dict(zip(QUESTIONS, answers, strict=True))


def made() -> Cohort:
    """Patients with two exams of one CT each, a hundred findings apiece; SYNTHETIC."""
    rng = np.random.default_rng(0)
    patients = [f"P{n:05d}" for n in range(PATIENTS)]
    exams = [f"{patient}.{order}" for patient in patients for order in (0, 1)]
    images = pa.table({"image_id": [f"{e}.CT" for e in exams], "exam_id": exams, "modality": ["CT"] * len(exams),
                       "role": ["image"] * len(exams), "unit": ["HU"] * len(exams)})  # fmt: skip
    where = rng.integers(0, len(exams), FINDINGS)
    findings = pa.table(
        {
            "finding_id": [f"f{n:07d}" for n in range(FINDINGS)],
            "image_id": images["image_id"].combine_chunks().take(pa.array(where)),
            "run_id": pa.array(["net-a", "net-b"]).take(pa.array(rng.integers(0, 2, FINDINGS))),
            "kind": pa.array(["box"] * FINDINGS),
            "label": pa.array(KINDS).take(pa.array(rng.integers(0, len(KINDS), FINDINGS))),
            "box": pa.FixedSizeListArray.from_arrays(pa.array(rng.random(6 * FINDINGS)), 6).cast(
                pa.list_(pa.float64())
            ),
            "score": rng.random(FINDINGS),
        }
    )
    return Cohort.build(
        "SYNTHETIC",
        patients={"patient_id": patients, "centre": [f"C{n % 10}" for n in range(PATIENTS)]},
        exams={"exam_id": exams, "patient_id": [e[:6] for e in exams], "order": [0, 1] * PATIENTS},
        images=images,
        findings=findings,
        runs=[{"run_id": "net-a", "kind": "model"}, {"run_id": "net-b", "kind": "model"}],
    )


if __name__ == "__main__":
    print(printed(main()))
