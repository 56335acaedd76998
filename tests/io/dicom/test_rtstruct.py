"""Contours become the voxels whose centres they enclose; whatever cannot be placed exactly is a coded error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import Dataset

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom.contours import fill_contours, join_with_keyholes, trace_mask
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.rtstruct import read_structure_labels, read_structures, structure_mask
from tumorboard.io.dicom.rtstruct_write import write_structures
from tumorboard.io.dicom.series import Series, arrange_series

Build = Callable[..., Path]
GRID = Geometry.from_lps((20, 16, 5), spacing_mm=(2, 3, 4), origin_mm=(-10, -20, 30))


@pytest.fixture
def structures(save: Callable[..., Path]) -> Build:
    """An RTSTRUCT with ROIs by name, each a list of contours of LPS points (n, 3)."""

    def build(rois: dict[str, Sequence[Any]], *, kind: str = "CLOSED_PLANAR", change: Any = None) -> Path:
        dataset = rtstruct(rois, kind)
        if change:
            change(dataset)
        return next(save([dataset], "rs").iterdir())

    return build


def rtstruct(rois: dict[str, Sequence[Any]], kind: str) -> Dataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Modality = "RTSTRUCT"
    dataset.PatientID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "P1", "1.2.3.1", "1.2.3.5"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), 1):
        region, drawn = Dataset(), Dataset()
        region.ROINumber, region.ROIName = number, name.split("#")[0]
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = []
        for points in contours:
            item = Dataset()
            item.ContourGeometricType = kind
            flat = np.asarray(points, float).ravel()
            item.NumberOfContourPoints = len(flat) // 3
            item.ContourData = [f"{v:.6g}" for v in flat]
            drawn.ContourSequence.append(item)
        dataset.StructureSetROISequence.append(region)
        dataset.ROIContourSequence.append(drawn)
    return dataset


def box(x0: float, x1: float, y0: float, y1: float, z: float) -> list[tuple[float, float, float]]:
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def mask_of(path: Path, name: str = "GTV", geometry: Geometry = GRID, **options: Any) -> np.ndarray:
    return structure_mask(read_structures(path).named(name), geometry, **options)


def code_of(path: Path, name: str = "GTV", **options: Any) -> str:
    with pytest.raises(TumorboardError) as caught:
        mask_of(path, name, **options)
    return caught.value.code.id


# ---- filling ------------------------------------------------------------------------------------------------
def test_a_box_in_millimetres_fills_the_voxels_it_encloses(structures: Build) -> None:
    # LPS x = -10 + 2 i, y = -20 + 3 j, z = 30 + 4 k: x in (-5, 4) is i 3..6, y in (-12, 5) is j 3..8, z 38 is k 2.
    mask = mask_of(structures({"GTV": [box(-5, 4, -12, 5, 38)]}))
    expected = np.zeros(GRID.shape, bool)
    expected[3:7, 3:9, 2] = True
    np.testing.assert_array_equal(mask, expected)


def test_edges_through_centres_are_half_open() -> None:
    # A unit square between four centres belongs to exactly one of them, so neighbours share no pixel.
    squares = [np.array([(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)], float) for i in range(3) for j in range(3)]
    filled = [fill_contours([square], (5, 5)) for square in squares]
    assert all(one.sum() == 1 for one in filled)
    np.testing.assert_array_equal(sum(one.astype(int) for one in filled)[:3, :3], 1)


def test_any_polygon_agrees_with_another_implementation() -> None:
    from matplotlib.path import Path as Outline

    random = np.random.default_rng(3)
    centres = np.stack(np.meshgrid(np.arange(30), np.arange(24), indexing="ij"), axis=-1).reshape(-1, 2)
    for _ in range(50):
        angles = np.sort(random.uniform(0, 2 * np.pi, 17))
        radius = random.uniform(2, 14, 17)
        polygon = np.column_stack([14 + radius * np.cos(angles), 11 + radius * np.sin(angles)])
        expected = Outline(polygon, closed=False).contains_points(centres).reshape(30, 24)
        np.testing.assert_array_equal(fill_contours([polygon], (30, 24)), expected)


def test_a_circle_has_its_area_whatever_its_subvoxel_place() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    areas, centroids = [], []
    for shift in np.random.default_rng(1).uniform(-0.5, 0.5, (60, 2)):
        circle = np.column_stack([np.cos(angle), np.sin(angle)]) * 11 + 20 + shift
        mask = fill_contours([circle], (41, 41))
        areas.append(mask.sum())
        centroids.append(np.argwhere(mask).mean(axis=0) - 20 - shift)
    assert np.mean(areas) == pytest.approx(np.pi * 11**2, rel=2e-3)
    np.testing.assert_allclose(np.mean(centroids, axis=0), 0, atol=0.02)  # no half-voxel shift


def test_inner_contours_are_holes_and_keyholes_cancel(structures: Build) -> None:
    outer, inner = box(-9, 15, -18, 12, 34), box(-3, 7, -10, 4, 34)
    separate = mask_of(structures({"GTV": [outer, inner]}))
    keyhole = [*outer[:1], *inner, inner[0], outer[0], *outer[1:]]
    np.testing.assert_array_equal(mask_of(structures({"GTV": [keyhole]})), separate)
    assert separate[2, 2, 1]
    assert not separate[5, 5, 1]


def test_a_flipped_and_oblique_image_is_met_in_physical_space(structures: Build) -> None:
    angle = np.deg2rad(30)
    direction = np.array([[np.cos(angle), 0, np.sin(angle)], [0, -1, 0], [np.sin(angle), 0, -np.cos(angle)]])
    grid = Geometry.from_lps((20, 16, 5), spacing_mm=(2, 3, 4), origin_mm=(5, 6, 7), direction=direction)
    corners = np.array([(2.5, 3.5, 1), (7.5, 3.5, 1), (7.5, 9.5, 1), (2.5, 9.5, 1)])
    points = grid.to_world(corners) * (-1, -1, 1)
    mask = mask_of(structures({"GTV": [points]}), geometry=grid)
    expected = np.zeros(grid.shape, bool)
    expected[3:8, 4:10, 1] = True
    np.testing.assert_array_equal(mask, expected)


# ---- what cannot be placed ------------------------------------------------------------------------------------
def test_contours_between_slices(structures: Build) -> None:
    path = structures({"GTV": [box(-5, 4, -12, 5, z) for z in (35, 37, 39)]})
    assert code_of(path) == "RTS104"
    slab = mask_of(path, place="slab")
    # Contours 2 mm apart stand for z 34 to 40: of the slices at 30, 34, 38, 42 that is 34 and 38.
    np.testing.assert_array_equal(slab.any(axis=(0, 1)), [False, True, True, False, False])


def test_every_second_slice(structures: Build) -> None:
    path = structures({"GTV": [box(-5, 4, -12, 5, z) for z in (30, 38, 46)]})
    assert code_of(path) == "RTS106"
    np.testing.assert_array_equal(mask_of(path, place="slab").any(axis=(0, 1)), [True] * 5)
    two_pieces = structures({"GTV": [box(-5, 4, -12, 5, z) for z in (30, 34, 46)]})
    np.testing.assert_array_equal(mask_of(two_pieces).any(axis=(0, 1)), [True, True, False, False, True])


def test_slabs_on_a_finer_grid(structures: Build) -> None:
    fine = Geometry.from_lps((20, 16, 20), spacing_mm=(2, 3, 1), origin_mm=(-10, -20, 30))
    path = structures({"GTV": [box(-5, 4, -12, 5, z) for z in (34, 38)]})
    # Two contours 4 mm apart stand for 32 to 40 mm: slices 2 to 9, half-open.
    np.testing.assert_array_equal(
        np.flatnonzero(mask_of(path, geometry=fine, place="slab").any(axis=(0, 1))), range(2, 10)
    )


def test_outside_oblique_and_empty(structures: Build) -> None:
    outside = structures({"GTV": [box(-5, 4, -12, 5, 30), box(-5, 4, -12, 5, 50)]})
    assert code_of(outside) == "RTS105"
    assert mask_of(outside, outside="drop").any(axis=(0, 1)).sum() == 1
    assert code_of(structures({"GTV": [box(-5, 60, -12, 5, 30)]})) == "RTS105"
    tilted = [(0, 0, 34), (4, 0, 36), (4, 6, 36)]
    assert code_of(structures({"GTV": [tilted]})) == "RTS103"
    assert code_of(structures({"GTV": []})) == "RTS101"
    assert code_of(structures({"GTV": [box(0, 4, 0, 4, 34)]}, kind="POINT")) == "RTS101"
    assert code_of(structures({"GTV": [box(0, 4, 0, 4, 34)]}), "PTV") == "RTS101"
    assert code_of(structures({"GTV": [box(0, 4, 0, 4, 34)], "GTV#2": [box(0, 4, 0, 4, 34)]})) == "RTS101"


def test_broken_coordinates(structures: Build) -> None:
    def spoil(**attributes: Any) -> Callable[[Dataset], None]:
        def change(dataset: Dataset) -> None:
            for keyword, value in attributes.items():
                setattr(dataset.ROIContourSequence[0].ContourSequence[0], keyword, value)

        return change

    rois = {"GTV": [box(0, 4, 0, 4, 34)]}
    assert code_of(structures(rois, change=spoil(NumberOfContourPoints=7))) == "RTS102"
    assert (
        code_of(structures(rois, change=spoil(ContourData=["1", "2", "3", "4"], NumberOfContourPoints=1))) == "RTS102"
    )
    assert code_of(structures(rois, change=spoil(ContourData=""))) == "DCM103"


def test_several_structures_in_one_label_map(structures: Build) -> None:
    path = structures({"A": [box(-9, 3, -12, 5, 34)], "B": [box(1, 9, -12, 5, 34)], "C": [box(11, 15, -12, 5, 34)]})
    grid: dict[str, Any] = {"unit": Unit.LABEL, "shape": GRID.shape, "affine": GRID.affine.ravel().tolist()}
    apart = read_structure_labels(path, structures={"1": "A", "2": "C"}, **grid)
    assert sorted(np.unique(apart.array).tolist()) == [0, 1, 2]
    with pytest.raises(TumorboardError, match="SEG104"):
        read_structure_labels(path, structures={"1": "A", "2": "B"}, **grid)
    last = read_structure_labels(path, structures={"1": "A", "2": "B"}, overlap="last", **grid)
    np.testing.assert_array_equal(last.array == 2, mask_of(path, "B"))


# ---- tracing and writing ------------------------------------------------------------------------------------------
@settings(max_examples=150, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_traced_contours_fill_to_the_same_mask(mask: np.ndarray) -> None:
    """Any pattern: islands, diagonal touches, holes in holes, edges of the image."""
    outers, holes = trace_mask(mask)
    loops = [*outers, *(hole for group in holes for hole in group)]
    np.testing.assert_array_equal(fill_contours(loops, mask.shape), mask)
    keyholes = [join_with_keyholes(outer, group) for outer, group in zip(outers, holes, strict=True)]
    np.testing.assert_array_equal(fill_contours(keyholes, mask.shape), mask)


@pytest.fixture
def source(ct: Callable[..., Dataset], save: Callable[..., Path]) -> Series:
    """A series of 6 oblique slices of 18 x 15 pixels."""
    angle = np.deg2rad(25)
    row, column = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
    slices = [
        ct(np.zeros((15, 18), np.int16), (3, 4, 2.5 * k), orientation=[*row, *column], spacing=(1.7, 1.3), number=k)
        for k in range(6)
    ]
    headers = [read_header(path) for path in sorted(save(slices, "source").iterdir())]
    return arrange_series(headers, unit=Unit.HU)


def blobs(source: Series) -> Volume:
    array = np.zeros(source.geometry.shape, np.uint8)
    array[2:12, 3:11, 1:5] = 1
    array[5:8, 5:8, 2:4] = 0  # a cavity
    array[13:17, 10:14, 3] = 2
    array[6, 6, 2] = 2  # inside the cavity
    return Volume(array, source.geometry.affine, Unit.LABEL)


@pytest.mark.parametrize("holes", ["keyhole", "separate"])
def test_written_structures_come_back_voxel_for_voxel(source: Series, tmp_path: Path, holes: Any) -> None:
    mask = blobs(source)
    path = tmp_path / "rs.dcm"
    write_structures(mask, path, source=source, labels={1: "GTVp", 2: "GTVn"}, holes=holes, manual=True)
    back = read_structure_labels(
        path,
        unit=Unit.LABEL,
        shape=mask.shape,
        affine=mask.affine.ravel().tolist(),
        structures={"1": "GTVp", "2": "GTVn"},
    )
    np.testing.assert_array_equal(back.array, mask.array)
    stored = read_structures(path)
    assert stored.series_uids == ("1.2.3.2",)
    assert stored.frame_of_reference_uid == "1.2.3.9"
    assert {s.interpreted_type for s in stored.structures} == {"GTV"}


def test_every_contour_refers_to_its_slice(source: Series, tmp_path: Path) -> None:
    import pydicom

    path = tmp_path / "rs.dcm"
    write_structures(blobs(source), path, source=source, labels={1: "GTVp", 2: "GTVn"})
    dataset = pydicom.dcmread(path)
    positions = {plane.sop_uid: plane.position_mm for plane in source.planes}
    normal = source.planes[0].normal
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            depth = np.array(contour.ContourData, float).reshape(-1, 3) @ normal
            place = positions[contour.ContourImageSequence[0].ReferencedSOPInstanceUID] @ normal
            np.testing.assert_allclose(depth, place, atol=1e-3)
    first = path.read_bytes()
    write_structures(blobs(source), path, source=source, labels={1: "GTVp", 2: "GTVn"})
    assert path.read_bytes() == first


def test_writing_refuses_other_grids_and_nameless_values(source: Series, tmp_path: Path) -> None:
    mask = blobs(source)
    with pytest.raises(TumorboardError, match="SEG103"):
        write_structures(mask.crop((0, 0, 1), mask.shape), tmp_path / "x", source=source, labels={1: "A", 2: "B"})
    with pytest.raises(TumorboardError, match="SEG105"):
        write_structures(mask, tmp_path / "x", source=source, labels={1: "A"})
    with pytest.raises(TumorboardError, match="UNT101"):
        write_structures(
            Volume(mask.array, mask.affine, Unit.HU), tmp_path / "x", source=source, labels={1: "A", 2: "B"}
        )
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("patient", ["STS_019", "STS_025"])
def test_real_contours_equal_the_nifti_masks(real_data: Path, patient: str) -> None:
    import nibabel

    for folder in ("CT", "PET"):
        other = nibabel.load(real_data / "sts_petct" / patient / f"{folder}_mask.nii.gz")
        path = real_data / "sts_dicom" / patient / folder / "mask" / "RS.dcm"
        mask = mask_of(path, f"GTV_Mass_{folder}", Geometry(other.shape, other.affine))
        expected = np.asarray(other.dataobj) > 0
        dice = 2 * (mask & expected).sum() / (mask.sum() + expected.sum())
        assert dice >= 0.995
