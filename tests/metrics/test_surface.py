"""Surface distances against other programs, and the two ways of finding them against each other."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.labelmaps import compare
from tumorboard.metrics.surface import (
    DEFINITIONS,
    SURFACE_ELEMENTS,
    VOXEL_BORDERS,
    mutual_distances_mm,
    surface_distances,
    surface_element_areas,
)

SPACINGS = [(1.0, 1.0, 1.0), (0.7, 1.3, 3.27)]


def random_masks(seed: int, *, smooth: bool = True) -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field, noise = rng.normal(size=(2, 22, 19, 17))
    if smooth:
        field = gaussian_filter(field, 2.0)
        noise = field + 0.4 * gaussian_filter(noise, 2.0)
    reference = (field > np.quantile(field, 0.8)).astype(np.uint8)
    prediction = (noise > np.quantile(noise, 0.8)).astype(np.uint8)
    return reference, prediction


@pytest.mark.parametrize("spacing", SPACINGS)
def test_areas_of_all_neighbourhoods_equal_surface_distance(spacing: tuple[float, float, float]) -> None:
    tables = pytest.importorskip("surface_distance.lookup_tables")
    theirs = tables.create_table_neighbour_code_to_surface_area(spacing)
    kernel = tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    ours = surface_element_areas(spacing)
    for code in range(256):
        corners = [corner for bit, corner in enumerate(np.ndindex(2, 2, 2)) if code >> bit & 1]
        assert ours[code] == pytest.approx(theirs[sum(int(kernel[c]) for c in corners)], abs=1e-12)


def test_area_of_a_box_by_hand() -> None:
    """A box of n^3 voxels: 6 faces of (n-1)^2, 12 bevelled edges, 8 triangles at the corners (unit spacing)."""
    n = 5
    mask = np.zeros((9, 9, 9), np.uint8)
    mask[2 : 2 + n, 2 : 2 + n, 2 : 2 + n] = 1
    pair = compare(mask, mask, spacing_mm=(1, 1, 1), labels={1: "a"})
    weights = surface_distances(pair, [1], definition=SURFACE_ELEMENTS)[1].reference_weights
    assert weights is not None
    expected = 6 * (n - 1) ** 2 + 12 * (n - 1) * np.sqrt(0.5) + 8 * np.sqrt(3) / 8
    assert weights.sum() == pytest.approx(expected)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_surface_elements_equal_surface_distance(seed: int, spacing: tuple[float, float, float]) -> None:
    peer = pytest.importorskip("surface_distance")
    reference, prediction = random_masks(seed, smooth=seed < 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy names that surface-distance 0.1 still uses
        theirs = peer.compute_surface_distances(reference == 1, prediction == 1, spacing)
    pair = compare(reference, prediction, spacing_mm=spacing, labels={1: "a"})
    ours = surface_distances(pair, [1], definition=SURFACE_ELEMENTS)[1]
    for percentile in (50, 95, 100):
        expected = peer.compute_robust_hausdorff(theirs, percentile)
        assert ours.hausdorff_mm(percentile) == pytest.approx(expected, rel=1e-6)
    for tolerance in (0.0, 1.0, 2.05):
        expected = peer.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert ours.surface_dice(tolerance) == pytest.approx(expected, rel=1e-9)
    there, back = peer.compute_average_surface_distance(theirs)
    area_there, area_back = theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()
    mean = (there * area_there + back * area_back) / (area_there + area_back)
    assert ours.mean_mm() == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_voxel_borders_equal_brute_force_and_simpleitk(seed: int, spacing: tuple[float, float, float]) -> None:
    import SimpleITK as sitk
    from scipy.ndimage import binary_erosion
    from scipy.spatial.distance import cdist

    reference, prediction = random_masks(seed, smooth=seed < 3)
    a, b = (np.argwhere(m.astype(bool) & ~binary_erosion(m)) * np.array(spacing) for m in (reference, prediction))
    table = cdist(a, b)
    pair = compare(reference, prediction, spacing_mm=spacing, labels={1: "a"})
    ours = surface_distances(pair, [1])[1]
    there, back = table.min(axis=1), table.min(axis=0)
    np.testing.assert_allclose(np.sort(ours.reference_mm), np.sort(there), rtol=1e-6)
    np.testing.assert_allclose(np.sort(ours.prediction_mm), np.sort(back), rtol=1e-6)
    assert ours.hausdorff_mm(95) == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert ours.mean_mm() == pytest.approx(np.concatenate([there, back]).mean())
    images = [sitk.GetImageFromArray(mask) for mask in (reference, prediction)]
    for image in images:
        image.SetSpacing(spacing[::-1])
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(*images)
    # SimpleITK measures from all voxels of a mask, which for the largest distance is the same.
    assert ours.hausdorff_mm() == pytest.approx(distance.GetHausdorffDistance(), rel=1e-5)


@pytest.mark.parametrize("definition", DEFINITIONS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_tree_and_map_agree(definition: str, spacing: tuple[float, float, float]) -> None:
    pair = compare(*random_masks(7), spacing_mm=spacing, labels={1: "a"})
    tree, *others = (surface_distances(pair, [1], definition=definition, method=m)[1] for m in ("tree", "map", "auto"))
    for other in others:
        np.testing.assert_allclose(tree.reference_mm, other.reference_mm, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(tree.prediction_mm, other.prediction_mm, rtol=1e-6, atol=1e-6)
        for tolerance in (0.7, 1.3, 3.27, 2.0):  # whole steps of the grid: ties in the last digit
            assert tree.surface_dice(tolerance) == other.surface_dice(tolerance)


def test_ties_with_the_tolerance_count_as_within() -> None:
    """Three steps of 0.1 mm are 0.30000000000000004 mm; they are within 0.3 mm."""
    a = np.zeros((4, 4, 10), np.uint8)
    b = a.copy()
    a[1, 1, 2], b[1, 1, 5] = 1, 1
    for method in ("tree", "map"):
        pair = compare(a, b, spacing_mm=(1, 1, 0.1), labels={1: "a"})
        assert surface_distances(pair, [1], method=method)[1].surface_dice(0.3) == 1.0


def test_the_cheaper_way_is_taken_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Near points are found around themselves; distant specks go to the tree, large distant surfaces to the map;
    all ways agree."""
    import tumorboard.metrics.surface as surface

    taken = []
    for name in ("_by_tree", "_by_map"):
        original = getattr(surface, name)
        monkeypatch.setattr(surface, name, lambda *a, n=name, f=original: (taken.append((n, len(a[0]))), f(*a))[1])

    def ways(a: np.ndarray, b: np.ndarray) -> list[tuple[str, int]]:
        taken.clear()
        auto = mutual_distances_mm(a, b, spacing_mm=(1, 1, 2))
        used = list(taken)
        for method in ("tree", "map"):
            other = mutual_distances_mm(a, b, spacing_mm=(1, 1, 2), method=method)
            np.testing.assert_allclose(auto[0], other[0], rtol=1e-6)
            np.testing.assert_allclose(auto[1], other[1], rtol=1e-6)
        return used

    plate = np.argwhere(np.ones((60, 60, 1))).astype(np.int32)
    speck = np.array([[0, 0, 0]], np.int32)
    assert ways(plate, plate + np.array((0, 0, 1))) == []
    assert ways(speck, speck + 99) == [("_by_tree", 1), ("_by_tree", 1)]
    assert ways(plate, plate + np.array((0, 0, 9))) == [("_by_map", 3600), ("_by_map", 3600)]


def test_a_concave_organ_of_several_labels() -> None:
    """Labels that touch have borders against each other, and each is measured alone."""
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[2:10, 2:10, 2:6] = 1
    mask[2:10, 2:10, 6:10] = 2
    other = np.roll(mask, 1, axis=0)
    pair = compare(mask, other, spacing_mm=(2, 1, 1), labels={1: "a", 2: "b"})
    for definition in DEFINITIONS:
        both = surface_distances(pair, [1, 2], definition=definition)
        assert both[1].hausdorff_mm() == both[2].hausdorff_mm() == pytest.approx(2.0)
        assert both[1].surface_dice(2.0) == 1.0
        alone = compare(
            (mask == 1).astype(np.uint8), (other == 1).astype(np.uint8), spacing_mm=(2, 1, 1), labels={1: "a"}
        )
        assert surface_distances(alone, [1], definition=definition)[1].mean_mm() == both[1].mean_mm()


def test_unknown_words_are_refused() -> None:
    pair = compare(*random_masks(0), spacing_mm=(1, 1, 1), labels={1: "a"})
    for options in ({"definition": "mesh"}, {"method": "guess"}):
        with pytest.raises(TumorboardError) as error:
            surface_distances(pair, [1], **options)
        assert error.value.code.id == "MET107"


def test_definitions_differ_and_say_so() -> None:
    pair = compare(*random_masks(1), spacing_mm=(1, 1, 1), labels={1: "a"})
    found = {d: surface_distances(pair, [1], definition=d)[1] for d in DEFINITIONS}
    assert found[VOXEL_BORDERS].definition == VOXEL_BORDERS
    assert found[VOXEL_BORDERS].surface_dice(1.0) != found[SURFACE_ELEMENTS].surface_dice(1.0)
