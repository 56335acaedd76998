"""Tracks of a cohort to responses: time, series, parts, field of view, what is new; on cohorts of rows alone."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.response.assess import related_tracks, respond
from tumorboard.tasks.response.config import ResponseConfig
from tumorboard.tasks.response.rows import BEST, PROGRESSION, exam_endpoint, outcome_rows

GRID = {"shape": [100, 100, 60], "affine": np.diag([1.0, 1, 5, 1]).ravel().tolist()}


def finding(name, image, long_mm, *, at=(50, 50, 150), short_mm=None, label="liver", **facts):
    measured = {"long_axis_mm": long_mm, "short_axis_mm": long_mm * 0.7 if short_mm is None else short_mm}
    return {
        "finding_id": name, "image_id": image, "run_id": "expert", "kind": "RECIST pair", "label": label,
        "points_mm": [float(v) for _ in range(4) for v in at], "measurements": measured,
        "attributes": json.dumps(facts),
    }  # fmt: skip


def cohort(findings, *, exams=3, relations=(), days=None, orders=None, images=None, loader=None):
    """Patient P; exam n has image "n" unless `images` says more. Rows are shuffled: their order means nothing."""
    days = [30.0 * n for n in range(exams)] if days is None else days
    orders = list(range(exams)) if orders is None else orders
    listed = images or [{"image_id": str(n), "exam_id": f"e{n}", **GRID} for n in range(exams)]
    rows = {
        "exams": [
            {"exam_id": f"e{n}", "patient_id": "P", "day": days[n], "order": orders[n]} for n in range(exams)
        ],
        "images": [{"modality": "CT", "role": "image", "unit": "HU", **row} for row in listed],
        "findings": findings,
        "relations": [
            {"relation_id": f"r{n}", "subject": a, "predicate": "same lesion", "object": b, "run_id": "expert"}
            for n, (a, b) in enumerate(relations)
        ],
    }  # fmt: skip
    mixed = {name: random.Random(4).sample(table, len(table)) for name, table in rows.items()}
    return Cohort.build("t", patients=[{"patient_id": "P"}], loader=loader, **mixed)


def judge(made, **settings):
    (found,) = respond(made, related_tracks(made), config=ResponseConfig(**settings))
    return found


def responses(found):
    return [exam["response"] for exam in found["exams"]]


def chain(*sizes, **facts):
    """A lesion a0, a1 ... of these long axes."""
    rows = [finding(f"a{n}", str(n), size, **facts) for n, size in enumerate(sizes)]
    return rows, [(f"a{n}", f"a{n + 1}") for n in range(len(sizes) - 1)]


def test_one_lesion_by_hand() -> None:
    rows, links = chain(100, 50, 62)
    found = judge(cohort(rows, relations=links))
    assert responses(found) == [None, "PR", "PD"]
    assert (found["best"], found["marks"], found["problem"]) == ("PR", "complete", None)
    last = found["exams"][-1]
    assert (last["sum_mm"], last["nadir_mm"], last["baseline_mm"], last["day"]) == (62, 50, 100, 60)
    assert last["change_from_baseline"] == pytest.approx(-0.38)
    assert found["lesions"][0]["role"] == "target"
    assert found["lesions"][0]["growth"]["volumes"] == "from the axes"


# ---- time (trap 8) ------------------------------------------------------------------------------------------------


def test_the_day_decides_then_the_order_never_the_row_or_the_name() -> None:
    rows, links = chain(100, 50, 62)
    by_day = judge(cohort(rows, relations=links, days=[60.0, 30.0, 0.0], orders=[0, 1, 2]))
    assert [exam["exam"] for exam in by_day["exams"]] == ["e2", "e1", "e0"]
    assert responses(by_day) == [None, "SD", "PD"]
    by_order = judge(cohort(rows, relations=links, days=[None] * 3, orders=[2, 1, 0]))
    assert responses(by_order) == [None, "SD", "PD"]
    assert by_order["exams"][1]["day"] is None
    assert by_order["lesions"][0]["growth"] == {"state": "no days"}


@pytest.mark.parametrize(
    "days,orders",
    [
        ([0.0, None, 30.0], [None] * 3),
        ([None] * 3, [0, 1, None]),
        ([0.0, 30.0, 30.0], [None] * 3),
        ([None] * 3, [0, 1, 1]),
    ],
)
def test_exams_without_an_order_are_a_coded_problem(days, orders) -> None:
    rows, links = chain(100, 50, 62)
    found = judge(cohort(rows, relations=links, days=days, orders=orders))
    assert found["problem"].startswith("RSP101 patient P")
    assert found["exams"] == []
    (row,) = outcome_rows([found], "run")
    assert row["problem"].startswith("RSP101")


def test_two_exams_of_one_day_stand_in_their_order() -> None:
    rows, links = chain(100, 50, 62)
    found = judge(cohort(rows, relations=links, days=[0.0, 30.0, 30.0], orders=[0, 2, 1]))
    assert [exam["exam"] for exam in found["exams"]] == ["e0", "e2", "e1"]


# ---- series, parts ------------------------------------------------------------------------------------------------


def two_series():
    thin = {"shape": [100, 100, 300], "affine": np.diag([1.0, 1, 1, 1]).ravel().tolist()}
    images = [{"image_id": str(n), "exam_id": f"e{n}", **GRID} for n in range(2)]
    return [*images, {"image_id": "1 thin", "exam_id": "e1", **thin}]


def test_two_series_of_one_exam_are_one_time_point() -> None:
    rows = [finding("a0", "0", 40), finding("a1", "1", 30), finding("a1thin", "1 thin", 28)]
    links = [("a0", "a1"), ("a1", "a1thin")]
    found = judge(cohort(rows, exams=2, relations=links, images=two_series()))
    assert found["exams"][1]["sum_mm"] == 28  # the finer slices, once
    assert found["lesions"][0]["second_series"] == ["a1"]


def test_a_split_lesion_is_added_a_merged_one_counts_once() -> None:
    split = [finding("a0", "0", 40), finding("b1", "1", 18), finding("c1", "1", 17, at=(70, 50, 150))]
    found = judge(cohort(split, exams=2, relations=[("a0", "b1"), ("a0", "c1")]))
    assert found["exams"][1]["sum_mm"] == 35
    merged = [finding("b0", "0", 20), finding("c0", "0", 22, at=(75, 50, 150)), finding("a1", "1", 55)]
    found = judge(cohort(merged, exams=2, relations=[("b0", "a1"), ("c0", "a1")]))
    assert [exam["sum_mm"] for exam in found["exams"]] == [42, 55]
    assert responses(found)[1] == "PD"


# ---- what is not marked -------------------------------------------------------------------------------------------


def test_unmarked_is_gone_in_complete_marks_and_unknown_in_partial_ones() -> None:
    rows = [finding("a0", "0", 40), finding("b0", "0", 30, at=(20, 20, 100)), finding("b1", "1", 30, at=(20, 20, 100))]
    made = cohort(rows, exams=2, relations=[("b0", "b1")])
    assert judge(made)["exams"][1]["sum_mm"] == 30
    assert responses(judge(made, marks="partial")) == [None, "NE"]
    key_slices = [row | {"attributes": json.dumps({"lesion_index": n})} for n, row in enumerate(rows)]
    found = judge(cohort(key_slices, exams=2, relations=[("b0", "b1")]))
    assert (found["marks"], responses(found)) == ("partial", [None, "NE"])


def test_a_place_that_the_images_do_not_show_is_not_assessed() -> None:
    """The second exam is a table away (300 mm in z) and ends above the lesion a; b, marked in both, aligns them."""
    above = {"shape": [100, 100, 20], "affine": np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 5, 490], [0, 0, 0, 1]])}
    above["affine"] = above["affine"].ravel().tolist()
    images = [{"image_id": "0", "exam_id": "e0", **GRID}, {"image_id": "1", "exam_id": "e1", **above}]
    rows = [
        finding("a0", "0", 40, at=(50, 50, 60)),
        finding("b0", "0", 30, at=(20, 20, 250)),
        finding("b1", "1", 30, at=(20, 20, 550)),
    ]
    found = judge(cohort(rows, exams=2, relations=[("b0", "b1")], images=images))
    assert responses(found) == [None, "NE"]
    assert "not assessed: P.t1" in found["exams"][1]["why"]
    wide = [*images[:1], images[1] | {"shape": [100, 100, 60], "affine": np.diag([1.0, 1, 5, 1]).ravel().tolist()}]
    near = [rows[0], rows[1], rows[2] | {"points_mm": rows[1]["points_mm"]}]
    assert responses(judge(cohort(near, exams=2, relations=[("b0", "b1")], images=wide))) == [None, "PR"]


def test_new_lesions() -> None:
    base = [finding("b0", "0", 30, at=(20, 20, 200)), finding("b1", "1", 30, at=(20, 20, 200))]
    links = [("b0", "b1")]
    new = cohort([*base, finding("x1", "1", 12)], exams=2, relations=links)
    assert responses(judge(new)) == [None, "PD"]
    assert responses(judge(new, marks="partial")) == [None, "SD"]
    said = cohort([*base, finding("x1", "1", 12, new=True)], exams=2, relations=links)
    assert responses(judge(said, marks="partial")) == [None, "PD"]
    tiny = [finding("x1", "1", 4.9), finding("x2", "2", 5.0), finding("b2", "2", 30, at=(20, 20, 200))]
    grows = cohort([*base, *tiny], relations=[*links, ("b1", "b2"), ("x1", "x2")])
    assert responses(judge(grows)) == [None, "SD", "PD"]  # equivocal below 5 mm
    small_node = finding("x1", "1", 20, short_mm=8, node=True)
    assert responses(judge(cohort([*base, small_node], exams=2, relations=links))) == [None, "SD"]
    node = finding("x1", "1", 20, short_mm=11, node=True)
    assert responses(judge(cohort([*base, node], exams=2, relations=links))) == [None, "PD"]


def test_outside_the_field_of_the_baseline() -> None:
    low = {"shape": [100, 100, 60], "affine": np.diag([1.0, 1, 5, 1]).ravel().tolist()}
    images = [
        {"image_id": "0", "exam_id": "e0", **low, "shape": [100, 100, 25]},
        {"image_id": "1", "exam_id": "e1", **low},
    ]
    rows = [finding(f"b{n}", str(n), 30, at=(20, 20, 60)) for n in range(2)] + [finding("x", "1", 15, at=(50, 50, 250))]
    made = cohort(rows, exams=2, relations=[("b0", "b1")], images=images)
    assert responses(judge(made)) == [None, "PD"]  # RECIST: not scanned at baseline counts as new
    ignored = judge(made, outside="ignored")
    assert responses(ignored) == [None, "SD"]
    assert {one["track"]: one["role"] for one in ignored["lesions"]} == {"P.t1": "target", "P.t2": "later"}


def test_nodes_by_their_short_axis_and_a_normal_node_is_no_lesion() -> None:
    rows = [finding("a0", "0", 30, short_mm=16, node=True), finding("a1", "1", 28, short_mm=9.5, node=True)]
    rows += [finding("n0", "0", 14, short_mm=8, node=True, at=(10, 10, 90))]
    found = judge(cohort(rows, exams=2, relations=[("a0", "a1")]))
    assert [exam["sum_mm"] for exam in found["exams"]] == [16, 9.5]
    assert responses(found) == [None, "CR"]
    assert [one["role"] for one in found["lesions"]] == ["target", "normal node"]


def test_a_readers_words_count() -> None:
    rows = [finding("a0", "0", 40, target=False), finding("a1", "1", 80, target=False)]
    rows += [finding("b0", "0", 12, at=(20, 20, 90), target=True), finding("b1", "1", 12, at=(20, 20, 90))]
    links = [("a0", "a1"), ("b0", "b1")]
    assert responses(judge(cohort(rows, exams=2, relations=links))) == [None, "SD"]
    rows[1]["attributes"] = json.dumps({"progression": True})
    assert responses(judge(cohort(rows, exams=2, relations=links))) == [None, "PD"]
    rows[3]["attributes"] = json.dumps({"too_small": True})
    assert judge(cohort(rows, exams=2, relations=links))["exams"][1]["sum_mm"] == 5


# ---- sizes from masks, rows ---------------------------------------------------------------------------------------


def test_sizes_from_masks() -> None:
    """A disc of 20 mm (value 2) marked as 40: its mask says 20."""
    x, y = np.meshgrid(np.arange(100) - 50.0, np.arange(100) - 50.0, indexing="ij")
    array = np.zeros((100, 100, 60), np.uint8)
    array[:, :, 30] = 2 * (np.hypot(x, y) <= 10)
    affine = np.diag([1.0, 1, 5, 1])
    images = [{"image_id": str(n), "exam_id": f"e{n}", **GRID} for n in range(2)]
    masks = [
        {
            "image_id": f"m{n}",
            "exam_id": f"e{n}",
            "modality": "SEG",
            "role": "mask",
            "unit": "label",
            "path": "x",
            **GRID,
        }
        for n in range(2)
    ]
    rows = [finding(f"a{n}", str(n), 40, mask_image_id=f"m{n}", value=2) for n in range(2)]
    made = cohort(
        rows, exams=2, relations=[("a0", "a1")], images=[*images, *masks],
        loader=lambda row, root: Volume(array, affine, Unit.LABEL),
    )  # fmt: skip
    assert judge(made)["exams"][0]["sum_mm"] == 40
    found = judge(made, measure="masks")
    assert found["exams"][0]["sum_mm"] == pytest.approx(20, abs=0.5)
    value = found["lesions"][0]["values"][0]
    assert value["volume_ml"] == pytest.approx((array == 2).sum() * 5 / 1000)
    assert value["measured_by"] == "mask"


def test_rows_fit_the_tables() -> None:
    rows, links = chain(100, 50, 62)
    made = cohort(rows, relations=links)
    found = respond(made, related_tracks(made))
    kept = made.with_rows(runs=[{"run_id": "r"}], outcomes=outcome_rows(found, "r"))
    assert kept.outcome(exam_endpoint(1), run_id="r").values == ("PR",)
    assert kept.outcome(BEST, run_id="r").values == ("PR",)
    survival = kept.outcome(PROGRESSION, run_id="r")
    assert (survival.event.tolist(), survival.time_days.tolist()) == ([True], [60.0])
    assert json.loads(kept.row("outcomes", endpoint=exam_endpoint(2))["raw"])["nadir_mm"] == 50
    assert json.loads(json.dumps(found)) == found


def test_progression_under_immunotherapy_waits_for_the_next_exam() -> None:
    base = [finding(f"b{n}", str(n), 30, at=(20, 20, 200)) for n in range(3)]
    links = [("b0", "b1"), ("b1", "b2"), ("x1", "x2")]
    courses = {"iUPD": (12, 15), "iCPD": (12, 17)}  # 3 mm more of a new lesion leave it open, 5 mm confirm it
    for last, (first_mm, second_mm) in courses.items():
        made = cohort([*base, finding("x1", "1", first_mm), finding("x2", "2", second_mm)], relations=links)
        found = judge(made, immunotherapy=True)
        assert responses(found) == [None, "PD", "PD"]
        assert [exam["irecist"] for exam in found["exams"]] == [None, "iUPD", last]
    kept = made.with_rows(runs=[{"run_id": "r"}], outcomes=outcome_rows([found], "r"))
    assert kept.outcome("iRECIST, exam 2", run_id="r").values == ("iCPD",)
    assert "irecist" not in judge(made)["exams"][1]


def test_order_of_tracks_and_findings_changes_nothing() -> None:
    rows, links = chain(40, 30, 44)
    rows += [finding("b0", "0", 25, at=(20, 20, 90)), finding("x2", "2", 12, at=(70, 20, 90))]
    made = cohort(rows, relations=links)
    tracks = related_tracks(made)
    mixed = [{**one, "findings": one["findings"][::-1]} for one in tracks[::-1]]
    assert respond(made, mixed) == respond(made, tracks)


def test_a_finding_of_nobody_and_one_without_a_size() -> None:
    rows, links = chain(40, 30, 44)
    made = cohort(rows, relations=links)
    (found,) = respond(made, [{"track": "t", "patient": "P", "findings": ["a0", "ghost"]}])
    assert found["problem"].startswith("RSP103")
    bare = cohort([row | {"measurements": {}, "points_mm": [1.0, 2.0, 3.0]} for row in rows], relations=links)
    assert judge(bare)["problem"].startswith("RSP104")


def test_confirmation_needs_days() -> None:
    rows, links = chain(100, 50, 50)
    made = cohort(rows, relations=links)
    assert judge(made, confirm_days=28)["best"] == "PR"
    assert judge(made, confirm_days=31)["best"] == "SD"
    undated = cohort(rows, relations=links, days=[None] * 3)
    assert judge(undated, confirm_days=28)["best"] is None
    assert "confirmation" in judge(undated, confirm_days=28)["problem"]
