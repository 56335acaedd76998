"""16-bit slices: HU without wrap, named errors, bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.slice_stack import consecutive_runs, read_slice, read_slice_stack, slice_numbers, write_slice


def png(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def stack(folder, **more):
    return read_slice_stack(folder, unit=Unit.HU, first=1, last=3, spacing_mm=(0.5, 0.6, 5.0), **more)


def test_hu_is_pixel_minus_32768_at_the_ends_of_the_range(tmp_path):
    pixels = np.array([[0, 1, 31768], [32767, 32768, 65535]], np.uint16)
    png(tmp_path / "001.png", pixels)
    hu = read_slice(tmp_path / "001.png")
    assert hu.dtype == np.int16
    assert hu.tolist() == [[-32768, -32767, -1000], [-1, 0, 32767]]


def test_written_slices_come_back_and_are_the_same_bytes(tmp_path):
    hu = np.random.default_rng(0).integers(-32768, 32768, (7, 9))
    write_slice(hu, tmp_path / "a.png")
    write_slice(hu.astype(np.float32), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    np.testing.assert_array_equal(read_slice(tmp_path / "a.png"), hu)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")).astype(int) - 32768, hu)
    for bad in (32768, -32769, np.nan):
        with pytest.raises(TumorboardError, match="FIL102"):
            write_slice(np.full((2, 2), bad), tmp_path / "c.png")


def test_a_stack_has_columns_rows_slices_and_the_frame_of_the_series(tmp_path):
    for number in (1, 2, 3):
        png(tmp_path / f"{number:03d}.png", (32768 + 100 * number + np.arange(6).reshape(2, 3)).astype(np.uint16))
    for threads in (1, 2, 5):
        volume = stack(tmp_path, threads=threads)
        assert volume.shape == (3, 2, 3)
        assert volume.array[2, 1, 0] == 105
        assert volume.array[0, 1, 2] == 303
        np.testing.assert_allclose(volume.geometry.to_world([2, 1, 0]), [-1.0, -0.6, -5.0])
        assert volume.geometry.axis_codes == "LPI"
    assert stack(tmp_path, floor_hu=200).array.min() == 200


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: path.unlink(), "FIL101"),
        (lambda path: path.write_bytes(b""), "FIL102"),
        (lambda path: path.write_bytes(b"GIF89a" + bytes(60)), "FIL102"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "FIL104"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "FIL104"),
        (lambda path: png(path, np.zeros((40, 40), np.uint8)), "FIL102"),
        (lambda path: png(path, np.zeros((40, 40, 3), np.uint8)), "FIL102"),
        (lambda path: png(path, np.zeros((40, 41), np.uint16)), "FIL102"),
    ],
)
def test_a_slice_that_cannot_be_read_is_named(spoil, code, tmp_path):
    rng = np.random.default_rng(0)
    for number in (1, 2, 3):
        png(tmp_path / f"{number:03d}.png", rng.integers(0, 65536, (40, 40)).astype(np.uint16))
    spoil(tmp_path / "002.png")
    with pytest.raises(TumorboardError, match=f"{code} .*002.png"):
        stack(tmp_path)


def test_a_flipped_bit_is_noticed(tmp_path):
    for number in (1, 2, 3):
        png(tmp_path / f"{number:03d}.png", np.full((40, 40), 40000, np.uint16))
    data = bytearray((tmp_path / "003.png").read_bytes())
    data[-20] ^= 1
    (tmp_path / "003.png").write_bytes(data)
    with pytest.raises(TumorboardError, match=r"FIL104 .*003.png"):
        stack(tmp_path)


def test_what_is_claimed_is_bounded_before_memory_is_taken(tmp_path):
    for number in (1, 2, 3):
        png(tmp_path / f"{number:03d}.png", np.zeros((40, 40), np.uint16))
    with pytest.raises(TumorboardError, match="FIL105"):
        stack(tmp_path, max_bytes=1000)
    data = bytearray((tmp_path / "001.png").read_bytes())
    data[16:20] = (2**30).to_bytes(4, "big")  # a width of a thousand million pixels
    (tmp_path / "001.png").write_bytes(data)
    with pytest.raises(TumorboardError, match=r"FIL105 .*001.png"):
        stack(tmp_path)


def test_units_other_than_hu_are_refused(tmp_path):
    with pytest.raises(TumorboardError, match="FIL102"):
        read_slice_stack(tmp_path, unit=Unit.SUVBW, first=1, last=1, spacing_mm=(1, 1, 1))


def test_runs_and_numbers(tmp_path):
    assert consecutive_runs([]) == []
    assert consecutive_runs([5]) == [(5, 5)]
    assert consecutive_runs([1, 2, 3, 7, 8, 1140]) == [(1, 3), (7, 8), (1140, 1140)]
    for name in ("002.png", "1140.png", "010.png", ".003.png", "note.txt", "a04.png"):
        (tmp_path / name).touch()
    assert slice_numbers(tmp_path) == [2, 10, 1140]
