"""Search among 32,735 vectors against faiss (flat index): same hits asserted, with filters; a cold `tumorboard find`.

faiss is no dependency: `pip install faiss-cpu --no-deps` (or a folder with it on PYTHONPATH) adds the peer; without it
our times stand alone. faiss has two ways to leave out a query's own patient: fetch more hits and drop them (the fast
one, used here), or a filter per query (slow, one row shows it). Vectors are clustered and synthetic.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.ops.search import VectorIndex

LESIONS, PATIENTS, QUERIES, K = 32_735, 4_427, 1_000, 10
REPEAT = 5
Search = Callable[[], Any]


def main() -> list[dict[str, Any]]:
    """Rows with name, ours_s, peer, peer_s, ratio, goal, note."""
    rows = []
    for d in (256, 1024):
        rows += _searches(d)
    return [*rows, _cold()]


def vectors(d: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Unit vectors round 200 centres, their patients, and a split of 15 % of the patients."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(200, d))
    made = centres[rng.integers(0, 200, LESIONS)] + 0.7 * rng.normal(size=(LESIONS, d))
    unit = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    patients = rng.integers(0, PATIENTS, LESIONS)
    return unit, patients, patients % 100 < 15


def _searches(d: int) -> list[dict[str, Any]]:
    x, patients, split = vectors(d)
    index = VectorIndex(x, owners=patients, compact=True)
    asked, mine = x[:QUERIES], patients[:QUERIES]
    plain = index.search(asked, K, owners=mine)
    peer = _Faiss(x, patients) if find_spec("faiss") else None
    cases: list[tuple[str, Search, Search | None, float | None]] = [
        (
            f"top {K}, {QUERIES:,} queries, other patients, d = {d}",
            lambda: index.search(asked, K, owners=mine),
            None if peer is None else lambda: peer.dropped(asked, mine),
            1.0,
        ),
        (
            f"the same within a split of 15 %, d = {d}",
            lambda: index.search(asked, K, owners=mine, keep=split),
            None if peer is None else lambda: peer.dropped(asked, mine, split),
            1.0,
        ),
        (
            f"top {K}, 20 queries, other patients, faiss filters each, d = {d}",
            lambda: index.search(asked[:20], K, owners=mine[:20]),
            None if peer is None else lambda: peer.filtered(asked[:20], mine[:20]),
            1.0,
        ),
        (
            f"top {K}, one query, other patients, d = {d}",
            lambda: index.search(asked[:1], K, owners=mine[:1]),
            None if peer is None else lambda: peer.dropped(asked[:1], mine[:1]),
            1.0,
        ),
    ]
    if peer is not None:
        _require_same(plain.distances, peer.dropped(asked, mine))
        _require_same(index.search(asked, K, owners=mine, keep=split).distances, peer.dropped(asked, mine, split))
        _require_same(plain.distances[:20], peer.filtered(asked[:20], mine[:20]))
    rows = [_compared(*case) for case in cases]
    if d == 256:
        one = rows[-1]
        rows.append(_bar(f"one query under 2 ms, d = {d}", one["ours_s"], "bar of 2 ms", 0.002))
    return rows


class _Faiss:
    """faiss' flat index with the same filters."""

    def __init__(self, x: NDArray[np.float32], patients: NDArray[np.int64]) -> None:
        import faiss

        threads = os.environ.get("OMP_NUM_THREADS", "")
        faiss.omp_set_num_threads(int(threads) if threads.isdigit() else len(os.sched_getaffinity(0)))
        self.faiss, self.patients = faiss, patients
        self.index = faiss.IndexFlatIP(x.shape[1])
        self.index.add(x)
        self.most = int(np.bincount(patients).max())

    def dropped(
        self, asked: NDArray[np.float32], mine: NDArray[np.int64], keep: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Cosines of the K best: as many more fetched as a patient has lesions, its own dropped."""
        extra = {}
        if keep is not None:
            selector = self.faiss.IDSelectorBitmap(np.packbits(keep, bitorder="little"))
            extra["params"] = self.faiss.SearchParameters(sel=selector)
        cosine, rows = self.index.search(asked, K + self.most, **extra)
        own = self.patients[rows] == mine[:, None]
        order = np.argsort(own, axis=1, kind="stable")[:, :K]
        return np.take_along_axis(cosine, order, axis=1)

    def filtered(self, asked: NDArray[np.float32], mine: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of the K best, each query with a filter of its own."""
        found = []
        for query, patient in zip(asked, mine, strict=True):
            own = np.flatnonzero(self.patients == patient)
            chosen = self.faiss.IDSelectorNot(self.faiss.IDSelectorBatch(own))
            found.append(self.index.search(query[None], K, params=self.faiss.SearchParameters(sel=chosen))[0][0])
        return np.array(found)


def _require_same(distances: NDArray[np.float64], cosines: NDArray[np.float32]) -> None:
    gap = float(np.abs(distances - (1 - cosines.astype(float))).max())
    if gap > 1e-5:
        raise AssertionError(f"hits differ from faiss: distances up to {gap} apart")


def _compared(name: str, ours: Search, peer: Search | None, goal: float | None) -> dict[str, Any]:
    """Medians of runs in turn, and the median of the paired ratios."""
    ours()
    if peer is None:
        alone = statistics.median(_seconds(ours) for _ in range(REPEAT))
        return _row(name, alone, None, None, None, None, "faiss is not installed")
    peer()
    pairs = [(_seconds(ours), _seconds(peer)) for _ in range(REPEAT)]
    ratio = statistics.median(a / b for a, b in pairs)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return _row(name, mine, "faiss flat", theirs, ratio, goal, f"same hits; {LESIONS:,} vectors; median of {REPEAT}")


def _cold() -> dict[str, Any]:
    """`tumorboard find` in a new process on a cohort of 32,735 lesions with stored vectors."""
    from tumorboard.tasks.retrieval.store import write_embeddings

    x, patients, _ = vectors(256)
    with tempfile.TemporaryDirectory() as folder:
        ids = _cohort(Path(folder), patients)
        write_embeddings(Path(folder) / "runs" / "stored", ids, x)
        program = [sys.executable, "-m", "tumorboard", "find", folder, ids[5], "-k", "9", "--json"]
        source = str(Path(__file__).parents[1] / "src")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
        times = []
        for _ in range(3):
            start = time.perf_counter()
            done = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
            times.append(time.perf_counter() - start)
        if len(json.loads(done.stdout)["hits"]) != 9:
            raise AssertionError("nine hits were asked for")
    return _bar("tumorboard find, cold, 32,735 lesions, d = 256", statistics.median(times), "bar of 2 s", 2.0)


def _cohort(folder: Path, patients: NDArray[np.int64]) -> list[str]:
    """A cohort of tables alone: one exam and image per patient, one finding per vector."""
    from tumorboard.core.cohort import Cohort
    from tumorboard.core.lesion import LESION_TYPES, LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM
    from tumorboard.io.store import save_cohort

    names = [f"P{n:04d}" for n in range(PATIENTS)]
    findings = [
        {
            "finding_id": f"lesion-{row}",
            "image_id": f"{names[patient]}.CT",
            "run_id": "expert",
            "kind": RECIST_PAIR,
            "label": LESION_TYPES[row % 8],
            "points_mm": [0.0, 0, 0, 10, 0, 0, 5, -3, 0, 5, 3, 0],
            "measurements": {LONG_AXIS_MM: 10.0, SHORT_AXIS_MM: 6.0},
            "attributes": json.dumps({"split": "test", "relative_location": [0.5, 0.5, 0.5], "lesion_index": row}),
        }
        for row, patient in enumerate(patients.tolist())
    ]
    cohort = Cohort.build(
        "32,735 lesions",
        patients=[{"patient_id": name} for name in names],
        exams=[{"exam_id": f"{name}.0", "patient_id": name} for name in names],
        images=[
            {"image_id": f"{name}.CT", "exam_id": f"{name}.0", "modality": "CT", "role": "image", "unit": "HU"}
            for name in names
        ],
        findings=findings,
        runs=[{"run_id": "stored", "task": "retrieval", "kind": "import"}],
    )
    save_cohort(cohort, folder)
    return [finding["finding_id"] for finding in findings]


def _seconds(work: Search) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _bar(name: str, seconds: float, peer: str, bar_s: float) -> dict[str, Any]:
    return _row(name, seconds, peer, bar_s, seconds / bar_s, 1.0, "a stated bar, no other program")


def _row(
    name: str, ours: float, peer: str | None, theirs: float | None, ratio: float | None, goal: float | None, note: str
) -> dict[str, Any]:
    return {
        "name": name,
        "ours_s": ours,
        "peer": peer,
        "peer_s": theirs,
        "ratio": ratio,
        "goal": goal,
        "note": note,
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
