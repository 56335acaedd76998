"""The three public NIfTI conventions, and ours: one key slice in one place, whichever was read.

The files are made here with nibabel, index by index, from what each script is known to do; no code under test is used.
"""

from __future__ import annotations

import dl_rows
import nibabel
import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.deeplesion.reader import read
from tumorboard.io.slice_stack import write_slice

SPACING = (0.8, 0.8, 5.0)
NAME = "000005_01_01_008-012"


def scan(first=8, last=12, size=(6, 5)) -> dict[int, np.ndarray]:
    """Slice number -> HU (rows, columns), every voxel its own value."""
    rows, columns = size
    return {n: 100 * n + np.arange(rows * columns).reshape(rows, columns) for n in range(first, last + 1)}


def official(slices, path, *, keep_last=True, dtype=np.int16):
    """Array (row, column, slice); rows of the affine 0 -sy 0, -sx 0 0, 0 0 -sz, no origin."""
    numbers = sorted(slices)[: None if keep_last else -1]
    array = np.stack([slices[n] for n in numbers], axis=-1).astype(dtype)
    affine = np.array([[0, -SPACING[1], 0, 0], [-SPACING[0], 0, 0, 0], [0, 0, -SPACING[2], 0], [0, 0, 0, 1.0]])
    save(array, affine, path)


def reversed_z(slices, path):
    """Array (column, row, slice) from the feet to the head; identity direction in LPS, no origin."""
    array = np.stack([slices[n].T for n in sorted(slices, reverse=True)], axis=-1).astype(np.int16)
    save(array, np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0]), path)


def save(array, affine, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.to_filename(path)


def imported(tmp_path, **options):
    cells = {"Image_size": "5, 6", "Measurement_coordinates": "2, 3, 4, 3, 3, 2, 3, 4", "Bounding_boxes": "1, 1, 5, 6"}
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row(**cells))
    return read(tmp_path, images=tmp_path / "nifti", **options)


def value_at(cohort, column, row, number):
    """HU at pixel (column, row) of a slice number, found through the frame of the series."""
    image = cohort.rows("findings")[0]["image_id"]
    volume = cohort.image(image)
    place = np.array([-column * SPACING[0], -row * SPACING[1], -number * SPACING[2]])
    index = volume.geometry.to_index(place)
    np.testing.assert_allclose(index, index.round(), atol=1e-6)
    return int(volume.array[tuple(index.round().astype(int))])


def test_official_and_reversed_files_give_the_same_voxel_at_the_same_place(tmp_path):
    slices = scan()
    official(slices, tmp_path / "a" / "nifti" / f"{NAME}.nii.gz")
    reversed_z(slices, tmp_path / "b" / "nifti" / f"{NAME}.nii.gz")
    for folder in ("a", "b"):
        cohort = imported(tmp_path / folder)
        for number in slices:
            for column, row in ((0, 0), (4, 5), (3, 1)):
                assert value_at(cohort, column, row, number) == slices[number][row, column], (folder, number)


def test_a_mirrors_file_lacks_its_last_slice_and_says_so(tmp_path):
    slices = scan()
    official(slices, tmp_path / "nifti" / f"{NAME}.nii.gz", keep_last=False)
    cohort = imported(tmp_path)
    assert cohort.rows("findings")[0]["image_id"] == "000005_01_01_008-011"
    assert value_at(cohort, 3, 1, 10) == slices[10][1, 3]
    assert any("slice 12 is not in the file" in note for note in cohort.provenance[0]["notes"])


def test_the_type_is_the_same_below_and_above_300_slices(tmp_path):
    for folder, dtype in (("a", np.int16), ("b", np.float64)):
        official(scan(), tmp_path / folder / "nifti" / f"{NAME}.nii.gz", dtype=dtype)
    few, many = imported(tmp_path / "a"), imported(tmp_path / "b")
    a, b = few.image(NAME).array, many.image(NAME).array
    assert a.dtype == b.dtype == np.int16
    np.testing.assert_array_equal(a, b)


def test_300_slices_and_more_are_one_sub_volume(tmp_path):
    slices = scan(1, 310, size=(3, 2))
    official(slices, tmp_path / "nifti" / "000005_01_01_001-310.nii.gz", dtype=np.float64)
    cells = {"Image_size": "2, 3", "Slice_range": "1, 310"}
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row("000005_01_01_305.png", **cells))
    cohort = read(tmp_path, images=tmp_path / "nifti")
    assert value_at(cohort, 1, 2, 305) == slices[305][2, 1]
    assert value_at(cohort, 1, 2, 310) == slices[310][2, 1]


def test_numbers_that_do_not_fit_16_bits_are_refused(tmp_path):
    slices = {n: values + 0.5 for n, values in scan().items()}
    official(slices, tmp_path / "nifti" / f"{NAME}.nii.gz", dtype=np.float64)
    with pytest.raises(TumorboardError, match="FIL102"):
        imported(tmp_path).image(NAME)


def test_an_unclear_order_is_refused_and_can_be_stated(tmp_path):
    path = tmp_path / "nifti" / f"{NAME}.nii.gz"
    array = np.stack([values.T for values in scan().values()], axis=-1).astype(np.int16)
    save(array, np.diag([0.8, 0.8, 5.0, 1.0]), path)
    with pytest.raises(TumorboardError, match="DPL106"):
        imported(tmp_path)
    cohort = imported(tmp_path, convention="frame")
    assert value_at(cohort, 3, 1, 9) == scan()[9][1, 3]
    with pytest.raises(TumorboardError, match="DPL106"):  # another number of layers than it would have
        imported(tmp_path, convention="exclusive")
    with pytest.raises(TumorboardError, match="LAY113"):
        imported(tmp_path, convention="sideways")


@pytest.mark.parametrize("z", ["frame", "official"])
def test_what_we_write_comes_back_and_official_files_are_the_official_ones(z, tmp_path):
    from tumorboard.datasets.deeplesion.writer import write

    slices = scan()
    cells = {"Image_size": "5, 6", "Measurement_coordinates": "2, 3, 4, 3, 3, 2, 3, 4", "Bounding_boxes": "1, 1, 5, 6"}
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row(**cells))
    for number, hu in slices.items():
        write_slice(hu, tmp_path / "Images_png" / "000005_01_01" / f"{number:03d}.png")
    write(read(tmp_path), tmp_path / "out", images="nifti", z=z)
    again = read(tmp_path / "out")
    for number in slices:
        assert value_at(again, 3, 1, number) == slices[number][1, 3]
    stored = nibabel.load(tmp_path / "out" / "Images_nifti" / f"{NAME}.nii.gz")
    assert stored.get_data_dtype() == np.int16
    assert "towards the feet" in (tmp_path / "out" / "Images_nifti" / "CONVENTION.txt").read_text()
    if z == "official":
        official(slices, tmp_path / "theirs" / f"{NAME}.nii.gz")
        theirs = nibabel.load(tmp_path / "theirs" / f"{NAME}.nii.gz")
        np.testing.assert_array_equal(np.asarray(stored.dataobj), np.asarray(theirs.dataobj))
        np.testing.assert_allclose(stored.affine, theirs.affine, atol=1e-6)
