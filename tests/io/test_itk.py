"""MetaImage and TIFF against SimpleITK, and broken ones refused."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.itk import inspect_itk, read_itk, read_itk_geometry, write_itk

VOXELS = np.random.default_rng(1).integers(-1000, 1000, (9, 10, 11)).astype(np.int16)
ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def itk_image(array: np.ndarray = VOXELS, *, direction: np.ndarray | None = None) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing((0.9, 1.1, 3.3))
    image.SetOrigin((-120.25, 33.5, 1000.125))
    if direction is not None:
        image.SetDirection(direction.ravel().tolist())
    return image


def places(image: SimpleITK.Image, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """RAS places of some voxels, as ITK says and as the geometry says."""
    indices = [(0, 0, 0), (3, 0, 0), (0, 4, 0), (0, 0, 5), (8, 9, 10)]
    itk = np.array([image.TransformIndexToPhysicalPoint(i) for i in indices]) * (-1, -1, 1)
    return itk, geometry.to_world(indices)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
@pytest.mark.parametrize("degrees", [0, 21])
def test_places_are_those_of_itk(order: tuple, signs: tuple, degrees: float, tmp_path: Path) -> None:
    direction = np.zeros((3, 3))
    direction[list(order), range(3)] = signs
    direction = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0, 0.8])).as_matrix() @ direction
    image = itk_image(direction=direction)
    path = tmp_path / "image.mha"
    SimpleITK.WriteImage(image, str(path))
    volume = read_itk(path, unit=Unit.HU)
    np.testing.assert_array_equal(volume.array, VOXELS)
    np.testing.assert_allclose(*places(image, volume.geometry), atol=1e-9)
    assert read_itk_geometry(path) == volume.geometry
    write_itk(volume, tmp_path / "again.mha")
    back = SimpleITK.ReadImage(str(tmp_path / "again.mha"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(back).T, VOXELS)
    np.testing.assert_allclose(*places(back, volume.geometry), atol=1e-9)


@pytest.mark.parametrize("name", ["image.mha", "image.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_every_type_both_ways(name: str, compressed: bool, dtype: str, tmp_path: Path) -> None:
    array = VOXELS.astype(dtype)
    SimpleITK.WriteImage(itk_image(array), str(tmp_path / name), useCompression=compressed)
    volume = read_itk(tmp_path / name, unit=Unit.UNKNOWN)
    assert volume.array.dtype == array.dtype
    np.testing.assert_array_equal(volume.array, array)
    assert inspect_itk(tmp_path / name, voxels=True) == []
    write_itk(volume, tmp_path / f"again-{name}")
    back = read_itk(tmp_path / f"again-{name}", unit=Unit.UNKNOWN)
    np.testing.assert_array_equal(back.array, array)
    np.testing.assert_allclose(back.affine, volume.affine, rtol=1e-15, atol=1e-15)
    other = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / f"again-{name}"))).T
    np.testing.assert_array_equal(other, array)


def header_of(path: Path) -> tuple[bytes, bytes]:
    raw = path.read_bytes()
    at = raw.index(b"ElementDataFile = LOCAL\n") + len(b"ElementDataFile = LOCAL\n")
    return raw[:at], raw[at:]


def swap(old: bytes, new: bytes):
    return lambda header, data: (header.replace(old, new), data)


FAULTS = {
    "half of the data": (False, lambda h, d: (h, d[: len(d) // 2]), "FIL104"),
    "half of the stream": (True, lambda h, d: (h, d[: len(d) // 2]), "FIL104"),
    "stream cut, size unsaid": (
        True,
        lambda h, d: (b"\n".join(x for x in h.split(b"\n") if b"DataSize" not in x), d[:900]),
        "FIL104",
    ),
    "flipped bit": (True, lambda h, d: (h, d[:700] + bytes([d[700] ^ 8]) + d[701:]), "FIL106"),
    "trailing": (False, lambda h, d: (h, d + b"more"), "FIL109"),
    "30000 slices": (False, swap(b"DimSize = 9 10 11", b"DimSize = 30000 30000 30000"), "FIL104"),
    "negative": (False, swap(b"DimSize = 9 10 11", b"DimSize = 9 -10 11"), "FIL107"),
    "words": (False, swap(b"DimSize = 9 10 11", b"DimSize = nine 10 11"), "FIL107"),
    "two of three": (False, swap(b"DimSize = 9 10 11", b"DimSize = 9 10"), "FIL107"),
    "seven axes": (False, swap(b"NDims = 3", b"NDims = 7"), "FIL107"),
    "smaller": (False, swap(b"DimSize = 9 10 11", b"DimSize = 9 10 10"), "FIL109"),
    "smaller, compressed": (True, swap(b"DimSize = 9 10 11", b"DimSize = 9 10 10"), "FIL109"),
    "larger, compressed": (True, swap(b"DimSize = 9 10 11", b"DimSize = 9 10 12"), "FIL104"),
    "type": (False, swap(b"MET_SHORT", b"MET_STRING"), "FIL102"),
    "channels": (False, swap(b"ElementType", b"ElementNumberOfChannels = 3\nElementType"), "FIL102"),
    "text voxels": (False, swap(b"BinaryData = True", b"BinaryData = False"), "FIL102"),
    "nan origin": (False, swap(b"-120.25", b"nan"), "GEO101"),
    "spacing 0": (False, swap(b"ElementSpacing = ", b"ElementSpacing = 0 1 1\nRemark = "), "FIL107"),
    "singular axes": (False, swap(b"TransformMatrix = 1 0 0 0 1 0", b"TransformMatrix = 1 0 0 1 0 0"), "GEO101"),
    "no place": (False, swap(b"TransformMatrix", b"Remark"), "IMG104"),
    "no data line": (False, swap(b"ElementDataFile", b"DataFile"), "FIL102"),
    "two sizes": (False, swap(b"NDims = 3", b"NDims = 3\nDimSize = 9 10 12"), "FIL107"),
    "up and out": (False, swap(b"LOCAL", b"../../etc/passwd"), "FIL103"),
    "absolute": (False, swap(b"LOCAL", b"/etc/passwd"), "FIL103"),
    "list": (False, swap(b"LOCAL", b"LIST 3"), "FIL102"),
    "pattern": (False, swap(b"LOCAL", b"slice%03d.raw 1 11 1"), "FIL102"),
    "absent": (False, swap(b"LOCAL", b"other.raw"), "FIL101"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_with_their_code(fault: str, tmp_path: Path) -> None:
    compressed, breaks, code = FAULTS[fault]
    path = tmp_path / "image.mha"
    SimpleITK.WriteImage(itk_image(), str(path), useCompression=compressed)
    header, data = header_of(path)
    broken = breaks(header, data)
    assert broken != (header, data)
    path.write_bytes(b"".join(broken))
    with pytest.raises(TumorboardError) as refusal:
        read_itk(path, unit=Unit.HU)
    assert refusal.value.code.id == code, refusal.value
    assert [r.code.id for r in inspect_itk(path, voxels=True)] == [code]
    assert [p.name for p in tmp_path.iterdir()] == ["image.mha"]


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    SimpleITK.WriteImage(itk_image(), str(folder / "image.mhd"))
    (folder / "image.raw").rename(tmp_path / "secret.raw")
    (folder / "image.raw").symlink_to(tmp_path / "secret.raw")
    with pytest.raises(TumorboardError, match="FIL103"):
        read_itk(folder / "image.mhd", unit=Unit.HU)


def test_options_decide_what_the_file_leaves_open(tmp_path: Path) -> None:
    path = tmp_path / "image.mha"
    SimpleITK.WriteImage(itk_image(), str(path))
    header, data = header_of(path)
    path.write_bytes(header.replace(b"Offset", b"Remark") + data)
    assert read_itk(path, unit=Unit.HU, spacing_mm=(1, 2, 3)).spacing_mm.tolist() == [1, 2, 3]
    path.write_bytes(header + data + b"more")
    np.testing.assert_array_equal(read_itk(path, unit=Unit.HU, trailing=True).array, VOXELS)
    path.write_bytes(header + data)
    with pytest.raises(TumorboardError, match="FIL105"):
        read_itk(path, unit=Unit.HU, max_bytes=1000)


def test_frames(tmp_path: Path) -> None:
    stack = SimpleITK.JoinSeries([itk_image(), itk_image(VOXELS + 1)])
    for compressed in (False, True):
        path = tmp_path / f"{compressed}.mha"
        SimpleITK.WriteImage(stack, str(path), useCompression=compressed)
        with pytest.raises(TumorboardError, match="IMG101"):
            read_itk(path, unit=Unit.HU)
        for frame in (0, 1):
            volume = read_itk(path, unit=Unit.HU, frame=frame)
            np.testing.assert_array_equal(volume.array, VOXELS + frame)
            np.testing.assert_allclose(*places(itk_image(), volume.geometry), atol=1e-9)


def test_tiff_has_no_place_of_its_own(tmp_path: Path) -> None:
    volume = Volume((VOXELS > 0).astype(np.uint8), np.diag([1, 2, 3, 1.0]), Unit.LABEL)
    path = tmp_path / "mask.tif"
    with pytest.raises(TumorboardError, match="IMG104"):
        write_itk(volume, path)
    write_itk(volume, path, drop_place=True)
    with pytest.raises(TumorboardError, match="IMG104"):
        read_itk(path, unit=Unit.LABEL)
    back = read_itk(path, unit=Unit.LABEL, spacing_mm=(1, 2, 3))
    np.testing.assert_array_equal(back.array, volume.array)
    raw = path.read_bytes()
    for broken in (raw[: len(raw) // 2], b"II*\0" + bytes(50), b""):
        path.write_bytes(broken)
        with pytest.raises(TumorboardError, match="FIL10"):
            read_itk(path, unit=Unit.LABEL, spacing_mm=(1, 2, 3))


def test_killed_between_the_two_files_of_a_pair(tmp_path: Path, monkeypatch) -> None:
    import tumorboard.io.itk as module

    path = tmp_path / "image.mhd"
    first = Volume(VOXELS, np.eye(4), Unit.HU)
    write_itk(first, path)
    real = module.atomic_write_bytes

    def die_at_header(target: Path, data: bytes) -> None:
        if target == path:
            raise KeyboardInterrupt
        real(target, data)

    monkeypatch.setattr(module, "atomic_write_bytes", die_at_header)
    with pytest.raises(KeyboardInterrupt):
        write_itk(Volume(VOXELS + 1, np.eye(4), Unit.HU), path)
    np.testing.assert_array_equal(read_itk(path, unit=Unit.HU).array, VOXELS)
