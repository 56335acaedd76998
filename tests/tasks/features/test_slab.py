"""Slabs: what a crop rule shows, and what counts as missing."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.features.modalities import BaselineImages
from tumorboard.tasks.features.slab import SlabSettings, lung_box, slab_of, slabs_of

SMALL = SlabSettings(shape=(6, 16, 16), spacing_mm=(4.0, 3.0, 3.0))


def chest(*, flip: bool = False) -> dict[str, Volume]:
    """A body of water with two lungs in air, 4 mm voxels, and a tumour drawn at (40, -8, 20) mm."""
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-126.0, -126.0, -48.0]
    x, y, z = (affine[a, 3] + 4.0 * np.arange(n) for a, n in ((0, 64), (1, 64), (2, 25)))
    r = np.hypot(x[:, None], y[None, :] * 1.3)[:, :, None] + 0 * z
    ct = np.where(r < 115, 0.0, -1000.0)
    for side in (-1, 1):
        d = ((x[:, None, None] - 50 * side) / 40) ** 2 + (y[None, :, None] / 50) ** 2 + (z / 44) ** 2
        ct = np.where(d < 1, -800.0, ct)
    away = (x[:, None, None] - 40) ** 2 + (y[None, :, None] + 8) ** 2 + (z - 20) ** 2
    mask = (away < 10**2).astype(np.uint8)
    ct = np.where(mask > 0, 30.0, ct).astype(np.float32)
    volumes = {"CT": Volume(ct, affine, Unit.HU), "mask": Volume(mask, affine, Unit.LABEL)}
    return {name: volume.reorient("LPS") for name, volume in volumes.items()} if flip else volumes


def images(volumes: dict[str, Volume]) -> BaselineImages:
    return BaselineImages("p", {name: {"name": name} for name in volumes}, lambda row, root: volumes[row["name"]], None)


def test_the_lesion_is_in_the_middle_whatever_the_axes() -> None:
    values, has, inside = slab_of(images(chest()), SMALL)
    assert has.tolist() == [True, False] and values.shape == (2, 6, 16, 16)
    middle = values[0, 2:4, 7:9, 7:9].astype(float)
    assert middle.mean() == pytest.approx((30 + 1000) / 1400, abs=0.05)
    assert values[0, 2, 14, 8] == pytest.approx(200 / 1400, abs=0.01)  # lung before the tumour
    heights = 20 + (np.arange(6) - 2.5) * 4
    assert inside.tolist() == (heights <= 50 + 2).tolist()
    turned = slab_of(images(chest(flip=True)), SMALL)
    np.testing.assert_allclose(turned[0].astype(float), values.astype(float), atol=1e-3)


def test_slices_beyond_the_image_are_padding() -> None:
    tall = SlabSettings(shape=(20, 16, 16), spacing_mm=(8.0, 3.0, 3.0))
    _, _, inside = slab_of(images(chest()), tall)
    heights = 20 + (np.arange(20) - 9.5) * 8
    assert inside.tolist() == ((heights >= -50 - 4) & (heights <= 50 + 4)).tolist() and not inside.all()


def test_lungs_are_found_inside_the_body_and_fill_the_grid() -> None:
    box = lung_box(chest()["CT"])
    assert box is not None
    np.testing.assert_allclose(box[0], [-95, -55, -49], atol=5)  # with a margin of 5 mm
    np.testing.assert_allclose(box[1], [95, 55, 49], atol=5)
    values, has, inside = slab_of(images(chest()), SlabSettings(rule="lung", shape=(6, 16, 16)))
    assert has[0] and inside.all()
    assert (np.abs(values[0].astype(float) - 200 / 1400) < 0.01).mean() > 0.15


def test_without_a_place_the_image_is_missing() -> None:
    alone = {"CT": chest()["CT"]}
    values, has, inside = slab_of(images(alone), SMALL)
    assert not has.any() and not values.any() and not inside.any()
    assert slab_of(images(alone), SlabSettings(rule="whole", shape=(5, 16, 16)))[1][0]
    water = {"CT": Volume(np.zeros((20, 20, 20), np.float32), np.eye(4), Unit.HU)}
    assert not slab_of(images(water), SlabSettings(rule="lung", shape=(6, 16, 16)))[1].any()
    assert not slab_of(images({}), SMALL)[1].any()


def test_patients_without_images_have_none() -> None:
    cohort = Cohort.build("c", patients=[{"patient_id": "a"}, {"patient_id": "b"}])
    slabs = slabs_of(cohort, ["b", "a", "b"], SMALL)
    assert slabs.values.shape == (3, 2, 6, 16, 16) and not slabs.has.any()
