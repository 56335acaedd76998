"""NIfTI written and read back, against nibabel and SimpleITK as other implementations."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import inspect_nifti, read_nifti, read_nifti_geometry, write_nifti

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def some_array(dtype: str, shape: tuple[int, int, int] = (5, 6, 7), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1e3, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def some_affine(order: tuple[int, ...], signs: tuple[int, ...], *, degrees: float = 0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    axes = np.zeros((3, 3))
    axes[list(order), range(3)] = signs
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * rng.dirichlet((1, 1, 1))).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes * rng.uniform(0.4, 5, 3)
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    return affine


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
@pytest.mark.parametrize("degrees", [0, 0.003, 17])
def test_round_trip_in_every_orientation(order: tuple, signs: tuple, degrees: float, tmp_path: Path) -> None:
    volume = Volume(some_array("i2"), some_affine(order, signs, degrees=degrees), Unit.HU)
    path = tmp_path / "image.nii.gz"
    write_nifti(volume, path)
    assert inspect_nifti(path, voxels=True) == []
    back = read_nifti(path, unit=Unit.HU)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.same_grid(volume, tolerance_mm=1e-4)
    other = nibabel.load(path)
    np.testing.assert_array_equal(np.asanyarray(other.dataobj), volume.array)
    for affine in (other.get_sform(), other.get_qform()):
        np.testing.assert_allclose(affine, volume.affine, atol=2e-4)
    itk = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(itk).T, volume.array)
    corner = [n - 1 for n in volume.shape]
    place = np.array(itk.TransformIndexToPhysicalPoint(corner)) * (-1, -1, 1)
    np.testing.assert_allclose(place, volume.geometry.to_world(corner), atol=1e-3)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_of_every_type(dtype: str, suffix: str, tmp_path: Path) -> None:
    volume = Volume(some_array(dtype), some_affine((0, 1, 2), (-1, -1, 1)), Unit.UNKNOWN)
    path = tmp_path / f"image{suffix}"
    write_nifti(volume, path)
    back = read_nifti(path, unit=Unit.UNKNOWN)
    assert back.array.dtype == volume.array.dtype
    assert back.array.flags.writeable
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_array_equal(np.asanyarray(nibabel.load(path).dataobj), volume.array)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    orientation=st.sampled_from(ORIENTATIONS),
    degrees=st.floats(0, 90),
    layout=st.sampled_from("CF"),
    compressed=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_round_trip_property(tmp_path_factory, shape, orientation, degrees, layout, compressed, seed) -> None:
    array = np.asarray(some_array("f4", shape, seed), order=layout)[::-1]
    volume = Volume(array, some_affine(*orientation, degrees=degrees, seed=seed), Unit.SUVBW)
    path = tmp_path_factory.mktemp("round") / ("image.nii.gz" if compressed else "image.nii")
    write_nifti(volume, path)
    back = read_nifti(path, unit=Unit.SUVBW)
    np.testing.assert_array_equal(back.array, array)
    assert back.same_grid(volume, tolerance_mm=2e-4)
    assert read_nifti_geometry(path) == back.geometry


def test_version_2_is_exact_to_the_last_bit(tmp_path: Path) -> None:
    volume = Volume(some_array("f8"), some_affine((2, 0, 1), (1, -1, 1), degrees=33), Unit.HU)
    write_nifti(volume, tmp_path / "image.nii.gz", version=2)
    back = read_nifti(tmp_path / "image.nii.gz", unit=Unit.HU)
    np.testing.assert_array_equal(back.affine, volume.affine)
    np.testing.assert_array_equal(np.asanyarray(nibabel.load(tmp_path / "image.nii.gz").dataobj), volume.array)


def test_a_sheared_grid_is_kept_and_named(tmp_path: Path) -> None:
    affine = np.array([[2, 0.6, 0, -10], [0, 2, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1.0]])
    volume = Volume(some_array("i2"), affine, Unit.HU)
    path = tmp_path / "image.nii.gz"
    write_nifti(volume, path)
    np.testing.assert_allclose(read_nifti(path, unit=Unit.HU).affine, affine, atol=1e-6)
    assert [r.code.id for r in inspect_nifti(path)] == ["IMG103"]
    assert nibabel.load(path).get_qform(coded=True)[1] == 0


def test_big_endian_files_become_native(tmp_path: Path) -> None:
    array = some_array("i2")
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    image = nibabel.Nifti1Image(array.astype(">i2"), np.diag([1, 2, 3, 1.0]), header)
    for name in ("image.nii", "image.nii.gz"):
        nibabel.save(image, tmp_path / name)
        back = read_nifti(tmp_path / name, unit=Unit.HU)
        assert back.array.dtype.isnative
        np.testing.assert_array_equal(back.array, array)


@pytest.mark.parametrize(("slope", "inter"), [(0.00217, 0), (1, -1024), (2.5, 3.25), (-1, 0)])
@pytest.mark.parametrize("stored", ["u1", "i2", "i4", "f4"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_scaled_values_are_those_of_nibabel(slope, inter, stored, suffix, tmp_path: Path) -> None:
    array = some_array(stored)
    image = nibabel.Nifti1Image(array, np.diag([1, 2, 3, 1.0]))
    data = bytearray(image.to_bytes())
    data[112:120] = np.array([slope, inter], "<f4").tobytes()
    path = tmp_path / "plain.nii"
    path.write_bytes(data)
    if suffix == ".nii.gz":
        import gzip

        path = tmp_path / "image.nii.gz"
        path.write_bytes(gzip.compress(data, 1))
    expected = np.asanyarray(nibabel.load(path).dataobj)
    values = read_nifti(path, unit=Unit.HU).array
    assert values.dtype == (np.float64 if stored == "i4" else np.float32)
    np.testing.assert_allclose(values, expected, rtol=1.2e-7, atol=1e-30)
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).T, values, rtol=1e-5)


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    volume = Volume(some_array("f4"), np.eye(4), Unit.HU)
    write_nifti(volume, tmp_path / "a.nii.gz")
    write_nifti(volume, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_masks_and_half_floats_find_the_nearest_type(tmp_path: Path) -> None:
    mask = some_array("i1") > 0
    write_nifti(Volume(mask, np.eye(4), Unit.LABEL), tmp_path / "mask.nii.gz")
    back = read_nifti(tmp_path / "mask.nii.gz", unit=Unit.LABEL)
    assert back.array.dtype == np.uint8
    np.testing.assert_array_equal(back.array, mask)


@pytest.mark.parametrize("array", [np.zeros((2, 2, 2), complex), np.zeros((2, 2, 2), np.longdouble)])
def test_a_failed_write_leaves_nothing(array: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="FIL102"):
        write_nifti(Volume(array, np.eye(4), Unit.HU), tmp_path / "image.nii")
    with pytest.raises(TumorboardError, match="FIL102"):
        write_nifti(Volume(np.zeros((2, 2, 2)), np.eye(4), Unit.HU), tmp_path / "image.img")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_write_keeps_the_old_file(tmp_path: Path, monkeypatch) -> None:
    import tumorboard.io.nifti.write as module

    path = tmp_path / "image.nii.gz"
    write_nifti(Volume(some_array("i2"), np.eye(4), Unit.HU), path)
    before = path.read_bytes()

    def die(*_):
        yield bytes(1000)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_pieces", die)
    with pytest.raises(KeyboardInterrupt):
        write_nifti(Volume(some_array("i2", seed=1), np.eye(4), Unit.HU), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_plain_files_are_mapped_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "image.nii"
    write_nifti(Volume(some_array("i2"), np.eye(4), Unit.HU), path)
    array = read_nifti(path, unit=Unit.HU).array
    base = array
    while not isinstance(base, np.memmap):
        base = base.base
    array[0, 0, 0] += 1
    assert read_nifti(path, unit=Unit.HU).array[0, 0, 0] != array[0, 0, 0], "copy on write"


def test_real_files_equal_nibabel(real_data: Path) -> None:
    for path in [*sorted((real_data / "ct").glob("*.nii.gz")), *sorted((real_data / "sts_petct/STS_001").glob("*"))]:
        assert all(remark.severity == "info" for remark in inspect_nifti(path)), path
        volume, other = read_nifti(path, unit=Unit.UNKNOWN), nibabel.load(path)
        expected = np.asanyarray(other.dataobj)
        np.testing.assert_array_equal(volume.array, expected.astype(volume.array.dtype))
        np.testing.assert_allclose(volume.affine, other.affine, atol=1e-5)
