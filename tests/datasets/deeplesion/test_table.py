"""DL_info.csv: golden rows, bases of numbers, broken cells."""

from __future__ import annotations

import dl_rows
import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.datasets.deeplesion.reader import read, read_table
from tumorboard.datasets.deeplesion.table import concatenate, read_lesions, read_row_index, with_index


@pytest.fixture
def printed(tmp_path):
    return read_lesions(dl_rows.table(tmp_path / "DL_info.csv", *dl_rows.PRINTED))


def test_the_printed_rows_come_out_zero_based(printed):
    first = [[232.537, 94.0204], [233.057, 105.977], [230.169, 100.605], [235.252, 100.143]]
    np.testing.assert_allclose(printed.ends_px[0], first, atol=1e-9)
    np.testing.assert_allclose(printed.box_px[0], [225.169, 89.0204, 240.252, 110.977], atol=1e-9)
    np.testing.assert_allclose(printed.diameters_mm[:, 0], [11.9677 * 0.488281, 16.019 * 0.314453, 19.79], atol=5e-3)
    np.testing.assert_allclose(printed.diameters_mm[2], [19.79, 15.41], atol=5e-3)
    assert round(float(printed.diameters_mm[0, 0]), 2) == 5.84
    assert printed.slice_range.tolist() == [[103, 115], [8, 23], [8, 23]]
    assert printed.label == ["mediastinum"] * 3
    assert printed.key_slice.tolist() == [109, 14, 17]
    assert printed.sex.tolist() == ["F"] * 3
    assert printed.age_years.tolist() == [62, 72, 72]
    assert printed.split.tolist() == [3, 3, 3]


def test_a_printed_box_is_the_extremes_of_the_ends_and_five_pixels(printed):
    low, high = printed.ends_px.min(axis=1) - 5, printed.ends_px.max(axis=1) + 5
    np.testing.assert_allclose(printed.box_px, np.hstack([low, high]), atol=6e-4)


def test_a_printed_range_is_thirty_millimetres_about_each_key_slice_joined(printed):
    reach = (30 / printed.spacing_mm[:, 2]).astype(int)
    low, high = printed.key_slice - reach, printed.key_slice + reach
    assert [int(low[0]), int(high[0])] == printed.slice_range[0].tolist()
    assert [int(low[1:].min()), int(high[1:].max())] == printed.slice_range[1].tolist()


def test_one_based_is_proved_by_the_pairs_of_the_same_point():
    # CSV 000090_01_01_115 begins 275.221, 221.335; the zero-based pairs of the longitudinal study give 274.2, 220.3
    assert (round(275.221 - 1, 1), round(221.335 - 1, 1)) == (274.2, 220.3)


def test_ends_outside_the_image_are_accepted_and_the_box_is_cut(tmp_path):
    cells = {"Measurement_coordinates": "21, 31, 65.6, 31, 31, 26, 31, 36", "Bounding_boxes": "16, 21, 70.6, 41"}
    lesions = read_lesions(dl_rows.table(tmp_path / "t.csv", dl_rows.row(**cells)))
    assert lesions.ends_px[0, 1, 0] == pytest.approx(64.6)
    assert lesions.box_px[0].tolist() == [15.0, 20.0, 63.5, 40.0]


def test_axes_that_do_not_cross_are_accepted(tmp_path):
    cells = {"Measurement_coordinates": "21, 31, 41, 31, 31, 33, 31, 43"}
    assert len(read_lesions(dl_rows.table(tmp_path / "t.csv", dl_rows.row(**cells)))) == 1


def test_types_are_the_words_of_the_core_and_minus_one_is_none(tmp_path):
    rows = [dl_rows.row(Coarse_lesion_type=str(number)) for number in (1, 2, 3, 4, 5, 6, 7, 8, -1)]
    lesions = read_lesions(dl_rows.table(tmp_path / "t.csv", *rows))
    assert lesions.label == [*LESION_TYPES, "lesion"]
    assert "lesion" not in LESION_TYPES


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Measurement_coordinates": "21, 31, 41, 31, 31, 26, 31"}, "Measurement_coordinates"),
        ({"Measurement_coordinates": "21, 31, 41, 31, 31, 26, 31, nan"}, "Measurement_coordinates"),
        ({"Bounding_boxes": ""}, "Bounding_boxes"),
        ({"Slice_range": "8, x"}, "Slice_range"),
        ({"Coarse_lesion_type": "9"}, "Coarse_lesion_type"),
        ({"Coarse_lesion_type": "0"}, "Coarse_lesion_type"),
        ({"Train_Val_Test": "4"}, "Train_Val_Test"),
        ({"Slice_range": "11, 14"}, "Key_slice_index"),
        ({"Series_ID": "1.5"}, "Series_ID"),
    ],
)
def test_a_broken_cell_is_named(cells, column, tmp_path):
    path = dl_rows.table(tmp_path / "t.csv", dl_rows.row(), dl_rows.row(**cells))
    with pytest.raises(TumorboardError, match=f"DPL102 .*{column}"):
        read_lesions(path)


def test_missing_columns_and_no_table_are_coded(tmp_path):
    (tmp_path / "a.csv").write_text("File_name,Patient_index\nx,1\n")
    with pytest.raises(TumorboardError, match="DPL101"):
        read_lesions(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text('a,b\n"1,2\n')
    with pytest.raises(TumorboardError, match=r"LAY103|DPL101"):
        read_lesions(tmp_path / "b.csv")
    (tmp_path / "c.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(TumorboardError, match="LAY103"):
        read_lesions(tmp_path / "c.csv.gz")
    with pytest.raises(TumorboardError, match="LAY101"):
        read(tmp_path)


def test_a_name_that_disagrees_with_its_row_is_refused(tmp_path):
    for cells in ({"Key_slice_index": "11"}, {"Patient_index": "6"}):
        path = dl_rows.table(tmp_path / "t.csv", dl_rows.row(**cells))
        with pytest.raises(TumorboardError, match="DPL108"):
            read(path)


def test_the_row_number_is_the_index_only_where_it_is_known(tmp_path):
    path = dl_rows.table(tmp_path / "DL_info.csv", *dl_rows.PRINTED)
    lesions, notes = read_table(tmp_path)
    assert lesions.lesion_index.tolist() == [-1, -1, -1]
    assert any("row number" in note for note in notes)
    assert read_table(path, index="row")[0].lesion_index.tolist() == [0, 1, 2]
    (tmp_path / "index.csv").write_text("row_index,File_name\n40,000001_02_01_014.png\n7,000001_01_01_109.png\n")
    assert read_table(tmp_path)[0].lesion_index.tolist() == [7, 40, -1]
    assert read_table(tmp_path, index="none")[0].lesion_index.tolist() == [-1, -1, -1]


def test_two_lesions_of_a_slice_take_its_rows_in_order_and_survive_filtering(tmp_path):
    rows = [dl_rows.row(Possibly_noisy="1"), dl_rows.row(), dl_rows.row("000005_01_01_011.png")]
    lesions = read_lesions(dl_rows.table(tmp_path / "t.csv", *rows))
    (tmp_path / "index.csv").write_text(
        "row_index,File_name\n10,000005_01_01_010.png\n12,000005_01_01_011.png\n9,000005_01_01_010.png\n"
    )
    index = read_row_index(tmp_path / "index.csv")
    numbered = with_index(lesions, index, tmp_path)
    assert numbered.lesion_index.tolist() == [9, 10, 12]
    assert numbered.take(~numbered.noisy).lesion_index.tolist() == [10, 12]
    with pytest.raises(TumorboardError, match="DPL104"):
        with_index(lesions.take(~lesions.noisy), index, tmp_path)


def test_a_lesion_in_two_tables_is_refused(tmp_path):
    dl_rows.table(tmp_path / "a.csv", dl_rows.row())
    dl_rows.table(tmp_path / "b.csv", dl_rows.row("000006_01_01_010.png"), dl_rows.row())
    with pytest.raises(TumorboardError, match=r"DPL103 a.csv and b.csv"):
        read(tmp_path)
    assert len(read(tmp_path, tables="b.csv")) == 2
    one = read_lesions(tmp_path / "b.csv").take(np.array([0]))
    assert len(concatenate([(tmp_path / "x", one)])) == 1
