"""Pictures of marked lesions: what is counted and what is drawn where."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import ConnectionPatch, Rectangle

from tumorboard.board.lesion_figures import (
    AXES_COLOUR,
    BOX_COLOUR,
    body_edges,
    key_slice,
    lesions_by_study,
    position_scatter,
    size_histograms,
)
from tumorboard.board.marked import marked_lesions, middle_places, size_histogram, type_counts
from tumorboard.board.point_map import TYPE_COLOURS
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume


def cohort(*, pixels: bool = True) -> Cohort:
    """One patient, two studies with a liver lesion, the second study with a lesion of unknown type too. On each slice a
    body of water 60 pixels wide from column 10 and 40 rows high from row 20."""
    affine = np.diag([-1.0, -1.0, -5.0, 1.0])
    array = np.full((80, 80, 3), -1000, np.int16)
    array[10:70, 20:60] = 0
    images, findings = [], []
    for study in (1, 2):
        image_id = f"000001_0{study}_01_001-003"
        images.append(
            {
                "image_id": image_id,
                "exam_id": f"000001_0{study}",
                "modality": "CT",
                "role": "image",
                "unit": "HU",
                "path": "x" if pixels else None,
                "shape": [80, 80, 3],
                "affine": affine.ravel().tolist(),
            }
        )
        findings.append(lesion(study, image_id, 1, "liver", 40.0))
    findings.append(lesion(2, image_id, 2, "lesion", 50.0))
    return Cohort.build(
        "one",
        patients=[{"patient_id": "000001"}],
        exams=[{"exam_id": f"000001_0{n}", "patient_id": "000001", "order": n} for n in (1, 2)],
        images=images,
        findings=findings,
        relations=[
            {"relation_id": "r", "subject": findings[0]["finding_id"], "object": findings[1]["finding_id"],
             "predicate": "same lesion", "run_id": "expert"}
        ],
        loader=lambda _row, _root: Volume(array, affine, Unit.HU),
    )  # fmt: skip


def lesion(study: int, image_id: str, number: int, label: str, column: float) -> dict[str, Any]:
    ends = np.array([[column - 6, 40], [column + 6, 40], [column, 37], [column, 43]])
    places = np.column_stack([-ends, np.full(4, -5.0)])
    return {
        "finding_id": f"000001_0{study}_01_001.{number}",
        "image_id": image_id,
        "run_id": "expert",
        "kind": "RECIST pair",
        "label": label,
        "points_mm": places.ravel().tolist(),
        "box": [-(column + 11), -48, -7.5, -(column - 11), -32, -2.5],
        "measurements": {"long_axis_mm": 12.0, "short_axis_mm": 6.0},
        "attributes": json.dumps({"relative_location": [0.3, 0.5, 0.6], "split": "test"}),
    }


def test_overlong_lesions_are_in_the_last_bin_and_told() -> None:
    found = size_histogram(np.array([0.0, 4.9, 5.0, 9.9, 10.0, 250.0, np.nan]), bin_mm=5, top_mm=10)
    assert found.counts.tolist() == [2, 4]
    assert found.edges.tolist() == [0, 5, 10]
    assert (found.over, found.missing) == (2, 1)


def test_an_unknown_type_is_counted_apart_and_not_drawn() -> None:
    lesions = marked_lesions(cohort())
    assert type_counts(lesions) == {"test": {"liver": 2, "unknown": 1}}
    assert lesions.typed.tolist() == [True, True, False]
    assert middle_places(lesions) == {"liver": (0.3, 0.5, 0.6)}
    figure = position_scatter(lesions)
    axes = figure.axes[0]
    points = axes.collections[0]
    np.testing.assert_allclose(points.get_offsets(), [[0.3, 0.6]] * 2)
    assert {to_hex(colour, keep_alpha=False) for colour in points.get_facecolors()} == {TYPE_COLOURS["light"]["liver"]}
    assert axes.get_ylim() == (1, 0)  # head on top
    assert "1 without type or place not drawn" in axes.get_title(loc="left")


def test_histograms_show_every_measured_lesion() -> None:
    figure = size_histograms(marked_lesions(cohort()))
    for axes in figure.axes:
        assert sum(bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)) == 3


def test_a_key_slice_has_its_marks_at_their_pixels() -> None:
    axes = key_slice(cohort(), "000001_01_01_001.1").axes[0]
    lines = [line for line in axes.lines if to_hex(line.get_color()) == AXES_COLOUR]
    np.testing.assert_allclose([line.get_xdata() for line in lines], [[34, 46], [40, 40]])
    np.testing.assert_allclose([line.get_ydata() for line in lines], [[40, 40], [37, 43]])
    (box,) = axes.patches
    assert to_hex(box.get_edgecolor()) == BOX_COLOUR
    np.testing.assert_allclose([*box.get_xy(), box.get_width(), box.get_height()], [29, 32, 22, 16])
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    # from the body's left edge (column 10) and front (row 20) to the centre
    np.testing.assert_allclose(dashed[0].get_xydata(), [[10, 40], [40, 40]])
    np.testing.assert_allclose(dashed[1].get_xydata(), [[40, 20], [40, 40]])
    with pytest.raises(TumorboardError, match="COH107"):
        key_slice(cohort(pixels=False), "000001_01_01_001.1")


def test_the_body_is_its_largest_piece() -> None:
    hu = np.full((50, 50), -1000.0)
    assert body_edges(hu, np.array([5.0, 6.0])) == (0.0, 0.0)
    hu[10:40, 15:45] = 0
    hu[20:30, 20:30] = -900  # lung
    hu[45:48, 0:50] = 100  # table
    assert body_edges(hu, np.array([25.0, 25.0])) == (15.0, 10.0)


@pytest.mark.parametrize("pixels", [True, False])
def test_lesions_by_study_join_the_same_lesion(pixels: bool, tmp_path: Any) -> None:
    figure = lesions_by_study(cohort(pixels=pixels), "000001")
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 3
    assert sum(isinstance(artist, ConnectionPatch) for artist in figure.artists) == 1
    assert "3 lesions in 2 studies, 1 seen again" in figure.get_suptitle()
    assert sum(bool(axes.images) for axes in shown) == (3 if pixels else 0)
    figure.savefig(tmp_path / "studies.png")
    assert not lesions_by_study(cohort(pixels=False), "000001", run_id="other").artists


def test_statistics_of_the_published_rows_equal_an_independent_count(real_data) -> None:
    from tumorboard.datasets.deeplesion.reader import read

    names = ("DL_info_val.csv.gz", "DL_info_test.csv.gz")
    rows: list[dict[str, str]] = []
    for name in names:
        with gzip.open(real_data / "deeplesion" / name, "rt", encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    lesions = marked_lesions(read(real_data / "deeplesion", tables=",".join(names), companions=False))
    assert len(lesions) == len(rows) == 9816
    assert lesions.typed.all()
    words = {"2": "validation", "3": "test"}
    expected = Counter((words[r["Train_Val_Test"]], LESION_TYPES[int(r["Coarse_lesion_type"]) - 1]) for r in rows)
    counted = type_counts(lesions)
    assert {(split, label): n for split, types in counted.items() for label, n in types.items()} == expected
    total = Counter(row["Coarse_lesion_type"] for row in rows)
    assert [total[str(n)] for n in range(1, 9)] == [247, 2176, 1672, 1284, 2394, 495, 681, 867]
    for place, lengths in ((0, lesions.long_mm), (1, lesions.short_mm)):
        by_hand = [
            float(r["Lesion_diameters_Pixel_"].split(",")[place]) * float(r["Spacing_mm_px_"].split(",")[0])
            for r in rows
        ]
        counts = Counter(min(int(mm // 5), 19) for mm in by_hand)
        assert size_histogram(lengths, bin_mm=5, top_mm=100).counts.tolist() == [counts[n] for n in range(20)]
    middles = middle_places(lesions)
    for number, label in enumerate(LESION_TYPES, 1):
        mine = [r["Normalized_lesion_location"].split(",") for r in rows if r["Coarse_lesion_type"] == str(number)]
        by_hand = [sorted(float(one[axis]) for one in mine) for axis in range(3)]
        n = len(mine)
        for axis in range(3):
            assert middles[label][axis] == (by_hand[axis][(n - 1) // 2] + by_hand[axis][n // 2]) / 2
    assert middles["liver"][0] < 0.5 < middles["pelvis"][2]
