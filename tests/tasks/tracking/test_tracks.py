"""From a cohort to tracks, their rows, scores and pictures, without pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.tracking.alignment import align, sources_of
from tumorboard.tasks.tracking.benchmark import ASSIGNMENT, GRAPH, UNALIGNED, benchmark
from tumorboard.tasks.tracking.config import TrackingConfig
from tumorboard.tasks.tracking.evaluate import evaluate
from tumorboard.tasks.tracking.marks import marks_of, missing
from tumorboard.tasks.tracking.parts import join_parts
from tumorboard.tasks.tracking.propagate import propagate_by_marks
from tumorboard.tasks.tracking.rows import relation_rows, run_row, sequences_of_run
from tumorboard.tasks.tracking.tracks import track_rows, tracks_of

AFFINE = [-1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, -5.0, 0, 0, 0, 0, 1.0]
BODY = np.array([355.0, 290.0, 1125.0])


def mark_row(patient: str, exam: int, lesion: str, at: list[float], **facts: object) -> dict[str, object]:
    """A RECIST pair of 10 x 6 mm; `at` is its relative location, its place in the image 30 mm lower at exam 1."""
    x, y, z = -np.array(at) * BODY - [0, 0, 30.0 * exam]
    ends = [x - 5, y, z, x + 5, y, z, x, y - 3, z, x, y + 3, z]
    return {
        "finding_id": f"{patient}.{exam}.{lesion}",
        "image_id": f"{patient}.{exam}.CT{facts.get('series', 1)}",
        "run_id": "expert",
        "kind": "RECIST pair",
        "label": facts.pop("type", "liver"),
        "points_mm": [float(v) for v in ends],
        "box": [x - 5, y - 3, z - 3, x + 5, y + 3, z + 3],
        "measurements": {"long_axis_mm": 10.0, "short_axis_mm": 6.0},
        "attributes": json.dumps({"series": 1, "relative_location": at, **facts}),
    }


def cohort_of(patients: int = 4, *, reverse: bool = False) -> Cohort:
    """Patients with three exams: lesion a at all, b at exams 0 and 1, a new lesion c at exam 2, 80 mm from b; exam 1
    has lesion a marked again in a second series."""
    findings, relations, images, exams = [], [], [], []
    for patient in (f"p{n}" for n in range(patients)):
        for exam in range(3):
            exams.append({"exam_id": f"{patient}.{exam}", "patient_id": patient, "order": exam})
            images += [
                {
                    "image_id": f"{patient}.{exam}.CT{series}",
                    "exam_id": f"{patient}.{exam}",
                    "modality": "CT",
                    "role": "image",
                    "unit": "HU",
                    "shape": [512, 512, 200],
                    "affine": AFFINE,
                }
                for series in (1, 2)
            ]
        shift = 0.002 * len(findings) / 10
        findings += [mark_row(patient, exam, "a", [0.4, 0.5, 0.5 + 0.004 * exam + shift]) for exam in range(3)]
        findings += [mark_row(patient, exam, "b", [0.6, 0.5, 0.5 + 0.004 * exam]) for exam in range(2)]
        findings.append(mark_row(patient, 2, "c", [0.6, 0.5, 0.575]))
        findings.append(mark_row(patient, 1, "a2", [0.4, 0.505, 0.503 + shift], series=2))
        pairs = [("0.a", "1.a"), ("1.a", "2.a"), ("0.b", "1.b"), ("1.a", "1.a2")]
        relations += [
            {
                "relation_id": f"{patient}.{one}={two}",
                "subject": f"{patient}.{one}",
                "predicate": "same lesion",
                "object": f"{patient}.{two}",
                "run_id": "expert",
            }
            for one, two in pairs
        ]
    step = -1 if reverse else 1
    return Cohort.build(
        "lesions over time",
        patients=[{"patient_id": f"p{n}"} for n in range(patients)][::step],
        exams=exams[::step],
        images=images[::step],
        findings=findings[::step],
        relations=relations[::step],
    )


def test_tracks_by_relative_locations() -> None:
    tracks = track_rows(tracks_of(cohort_of()))
    mine = [row["findings"] for row in tracks if row["patient"] == "p1"]
    assert mine == [["p1.0.a", "p1.1.a", "p1.1.a2", "p1.2.a"], ["p1.0.b", "p1.1.b"], ["p1.2.c"]]
    assert [row["track"] for row in tracks if row["patient"] == "p1"] == ["p1.1", "p1.2", "p1.3"]


def test_the_order_of_rows_changes_nothing() -> None:
    assert track_rows(tracks_of(cohort_of())) == track_rows(tracks_of(cohort_of(reverse=True)))


def test_one_patient_alone_and_a_run_without_marks() -> None:
    assert {row["patient"] for row in track_rows(tracks_of(cohort_of(), patients=["p2"]))} == {"p2"}
    with pytest.raises(TumorboardError, match="TRK101"):
        tracks_of(cohort_of(), config=TrackingConfig(marks="detector"))


def test_relations_and_scores_of_a_run() -> None:
    """The tracks as relations read back as the same sequences; against the expert every figure is 1."""
    cohort = cohort_of()
    tracked = tracks_of(cohort)
    rows = relation_rows(tracked, run_id="mine")
    whole = cohort.with_rows(runs=[run_row("mine", kind="model", config={}, inputs={}, metrics={})], relations=rows)
    names = [mark.finding_id for mark in tracked[0].graph.marks]
    back = sequences_of_run(whole, "mine", names)
    assert np.array_equal(back[:, None] == back, tracked[0].sequences[:, None] == tracked[0].sequences)
    facts = json.loads(next(row for row in rows if row["object"] == "p0.1.a2")["attributes"])
    assert facts["same_exam"] is True
    found = evaluate(whole, "mine")
    assert {row["value"] for row in found.scores} == {1.0}
    with pytest.raises(TumorboardError, match="TRK105"):
        evaluate(cohort, "mine")


def test_benchmark_gives_scores_rows_and_pictures(tmp_path: Path) -> None:
    cohort = cohort_of()
    result = benchmark(cohort, tmp_path, config=TrackingConfig(folds=2, pictures=1, resamples=100))
    cells = {(row["run"], row["metric"], row["subset"]): row["value"] for row in result.scores}
    assert cells[ASSIGNMENT, "pair_f1", "all pairs"] == 1
    assert {run for run, *_ in cells} == {ASSIGNMENT, GRAPH, UNALIGNED}
    assert (ASSIGNMENT, f"pair_f1 minus {GRAPH}", "judged pairs") in cells
    assert len(cohort.with_rows(**result.rows).rows("runs")) == 4
    assert [picture.patient_id for picture in result.pictures] == ["p0", "p0"]
    for picture in result.pictures:
        assert picture.path.read_bytes()[1:4] == b"PNG"
    again = benchmark(cohort, tmp_path, config=TrackingConfig(folds=2, pictures=0, resamples=100))
    assert again.scores == result.scores


def test_what_a_cohort_lacks() -> None:
    cohort = cohort_of()
    assert missing(cohort) == []
    assert missing(cohort.replace_tables(relations=[])) == ["relations 'same lesion' of an expert, to score against"]
    assert missing(cohort.replace_tables(findings=[], relations=[]))[0].startswith("marked lesions")


def test_landmarks_align_where_nothing_else_does() -> None:
    """Two exams, landmarks 100 mm and 150 mm apart: a lesion half-way between them moves by the mean shift."""
    cohort = cohort_of(1)
    shifts = {"p0.0": (0.0, 0.0), "p0.1": (100.0, 150.0), "p0.2": (100.0, 100.0)}
    points = [
        {
            "finding_id": f"{exam}.{name}",
            "image_id": f"{exam}.CT1",
            "run_id": "expert",
            "kind": "point",
            "label": name,
            "points_mm": [0.0, 0.0, z + shifts[exam][which]],
        }
        for exam in shifts
        for which, (name, z) in enumerate((("carina", -400.0), ("iliac crest", -800.0)))
    ]
    cohort = cohort.with_rows(findings=points)
    config = TrackingConfig(alignment="landmarks")
    marks = marks_of(cohort)["p0"]
    aligned = align(cohort, marks, sources_of(cohort, config), config=config)
    lesion = next(i for i, mark in enumerate(marks) if mark.finding_id == "p0.1.a")
    z = marks[lesion].centre_mm[2]
    # reference: exam 2 (last of equals); levels of exam 1: carina -300, crest -650; shifts 0 and -50
    assert aligned.places_mm[lesion][2] == pytest.approx(z - 50 * (-300 - z) / 350)
    assert aligned.method == "landmarks"


def test_a_lesion_that_splits_and_two_that_grow_together() -> None:
    """Exam 1: the lesion goes on, a second one lies in its old box. Then both end in one box at exam 2."""
    cohort = cohort_of(1)
    rows = [mark_row("p0", exam, name, at) for exam, name, at in (
        (0, "w", [0.5, 0.5, 0.5]),
        (1, "w", [0.5, 0.5, 0.5]),
        (1, "v", [0.51, 0.5, 0.5]),
        (2, "w", [0.5, 0.5, 0.5]),
    )]  # fmt: skip
    marks = marks_of(cohort.replace_tables(findings=rows, relations=[]))["p0"]
    assert [mark.finding_id for mark in marks] == ["p0.0.w", "p0.1.v", "p0.1.w", "p0.2.w"]
    places = np.array([mark.relative for mark in marks]) * BODY
    labels, joined = join_parts(marks, places, np.array([0, 1, 0, 0]))
    assert len(set(labels.tolist())) == 1
    assert set(joined) == {"p0.1.v"}
    far = places + np.array([[0, 0, 0], [60, 0, 0], [0, 0, 0], [0, 0, 0]])
    labels, joined = join_parts(marks, far, np.array([0, 1, 0, 0]))
    assert labels.tolist() == [0, 1, 0, 0]
    assert not joined


def test_a_lesion_is_carried_to_the_other_exam() -> None:
    """Exam 1 lies 30 mm lower; lesion b, marked there, says so, and lesion a is expected where it is marked."""
    cohort = cohort_of(1)
    marks = {mark.finding_id: mark for mark in marks_of(cohort)["p0"]}
    images = {row["image_id"]: row for row in cohort.rows("images")}
    anchors = [marks[name] for name in ("p0.0.a", "p0.0.b", "p0.1.b")]
    found = propagate_by_marks(marks["p0.0.a"], anchors, images["p0.1.CT1"], images=images)
    assert found.centre_mm[2] == pytest.approx(marks["p0.1.a"].centre_mm[2], abs=12)
    blind = propagate_by_marks(marks["p0.0.a"], anchors[:2], images["p0.1.CT1"], images=images)
    assert found.sd_mm[2] < blind.sd_mm[2]
    assert found.inside
    assert 0 < blind.confidence < found.confidence < 1
    assert np.allclose(found.box_mm.mean(axis=0), found.centre_mm)
    assert found.axes_mm == (10.0, 6.0)


def test_edges_from_an_embedding(tmp_path: Path) -> None:
    """Lesions a point one way, b and c another: by their vectors b and c are one lesion, whatever their places."""
    cohort = cohort_of(1)
    names = [row["finding_id"] for row in cohort.rows("findings")]
    vectors = np.array([[1.0, 0.0] if ".a" in name else [0.0, 1.0] for name in names], np.float32)
    np.save(tmp_path / "embeddings.npy", vectors)
    pq.write_table(pa.table({"finding_id": names}), tmp_path / "findings.parquet")
    config = TrackingConfig(embedding=str(tmp_path))
    found = [row["findings"] for row in track_rows(tracks_of(cohort, config=config))]
    assert found == [["p0.0.a", "p0.1.a", "p0.1.a2", "p0.2.a"], ["p0.0.b", "p0.1.b", "p0.2.c"]]
    pq.write_table(pa.table({"finding_id": ["x", *names[1:]]}), tmp_path / "findings.parquet")
    with pytest.raises(TumorboardError, match="TRK104"):
        tracks_of(cohort, config=config)
