"""PET onto the CT grid: time against SimpleITK, peak memory against MONAI, equal values asserted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import compare, compared_memory, peak_growth_mib, printed, row

CASES = {
    "head-neck 100^3 -> 200^3": ((100, 100, 100), (200, 200, 200)),
    "whole body 200x200x300 -> 400x400x600": ((200, 200, 300), (400, 400, 600)),
}


def pet_and_ct(source: tuple[int, int, int], target: tuple[int, int, int], *, degrees: float = 0.0) -> tuple[Any, Any]:
    """A PET of 4 mm and the grid of a CT of 2 mm, origins apart by a part of a voxel."""
    from tumorboard.core.geometry import Geometry
    from tumorboard.core.units import Unit
    from tumorboard.core.volume import Volume

    rng = np.random.default_rng(0)
    array = np.asfortranarray(rng.random(source, dtype=np.float32) * 20)
    pet = Volume(array, np.array([[-4, 0, 0, 200], [0, -4, 0, 180], [0, 0, 4, -300], [0, 0, 0, 1.0]]), Unit.SUVBW)
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([-2.0, -2.0, 2.0])
    affine[:3, 3] = (199.0, 179.3, -299.1)
    return pet, Geometry(target, affine)


def itk_image(array: np.ndarray, geometry: Any) -> Any:
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    affine = geometry.affine_lps
    image.SetSpacing(geometry.spacing_mm.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / geometry.spacing_mm).ravel().tolist())
    return image


def timed(name: str, pet: Any, grid: Any, *, goal: float | None, repeats: int) -> dict[str, Any]:
    """Our time against SimpleITK's, image objects made beforehand on both sides."""
    import SimpleITK

    from tumorboard.ops.resample import resample_to

    image = itk_image(pet.array, pet.geometry)
    reference = itk_image(np.zeros((1, 1, 1), np.uint8), grid)
    size = [int(n) for n in grid.shape]

    def ours() -> np.ndarray:
        return resample_to(pet, grid).array

    def peer() -> Any:
        return SimpleITK.Resample(
            image,
            size,
            SimpleITK.Transform(),
            SimpleITK.sitkLinear,
            reference.GetOrigin(),
            reference.GetSpacing(),
            reference.GetDirection(),
            0.0,
            SimpleITK.sitkFloat32,
        )

    mine, theirs = ours(), SimpleITK.GetArrayFromImage(peer()).T
    error = float(np.abs(mine - theirs).max()) / float(np.abs(theirs).max())
    if error > 1e-5:
        raise AssertionError(f"{name}: values differ by {error:.2g} of the maximum")
    del mine, theirs
    return row(
        name, "SimpleITK", compare(ours, peer, repeats=repeats), goal=goal, note=f"largest difference {error:.1g}"
    )


_OURS = """
import sys
sys.path.insert(0, BENCHMARKS)
from bench_resample import CASES, pet_and_ct
from tumorboard.ops.resample import resample_to
resample_to(*pet_and_ct((20, 20, 20), (40, 40, 40)))
pet, grid = pet_and_ct(*CASES[sys.argv[1]])
# MEASURE
result = resample_to(pet, grid)
"""
_MONAI = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, BENCHMARKS)
from bench_resample import CASES, pet_and_ct
import numpy as np, torch
from monai.data import MetaTensor
from monai.transforms import ResampleToMatch
def images(pet, grid):
    array = torch.from_numpy(np.ascontiguousarray(pet.array))[None]
    blank = torch.zeros((1, *grid.shape), dtype=torch.uint8)
    places = [torch.from_numpy(affine.copy()) for affine in (pet.affine, grid.affine)]
    return MetaTensor(array, affine=places[0]), MetaTensor(blank, affine=places[1])
resample = ResampleToMatch(mode="bilinear", padding_mode="border")
resample(*images(*pet_and_ct((20, 20, 20), (40, 40, 40))))
moving, fixed = images(*pet_and_ct(*CASES[sys.argv[1]]))
# MEASURE
result = resample(moving, fixed)
"""


def memory(name: str) -> dict[str, Any]:
    """Peak growth of resident memory, each in a process of its own, inputs not counted."""
    here = f"BENCHMARKS = {str(Path(__file__).parent)!r}\n"
    mine, theirs = (peak_growth_mib(here + program, name) for program in (_OURS, _MONAI))
    return compared_memory(f"PET onto CT, memory, {name}", "MONAI ResampleToMatch", mine, theirs, goal=0.2)


def assert_equal_to_monai() -> None:
    """The peer of the memory rows gives the same values (inside the field of view)."""
    import torch
    from monai.data import MetaTensor
    from monai.transforms import ResampleToMatch

    from tumorboard.ops.resample import resample_to

    pet, grid = pet_and_ct((40, 40, 40), (70, 70, 70))
    affine = torch.from_numpy(pet.affine.copy())
    moving = MetaTensor(torch.from_numpy(np.ascontiguousarray(pet.array))[None], affine=affine)
    fixed = MetaTensor(torch.zeros((1, *grid.shape)), affine=torch.from_numpy(grid.affine.copy()))
    theirs = np.asarray(ResampleToMatch(mode="bilinear", padding_mode="border")(moving, fixed)[0])
    np.testing.assert_allclose(resample_to(pet, grid).array[1:-1, 1:-1, 1:-1], theirs[1:-1, 1:-1, 1:-1], rtol=1e-4)


def main() -> list[dict[str, Any]]:
    """Rows: time on aligned and oblique grids, memory."""
    rows = []
    for name, (source, target) in CASES.items():
        repeats = 9 if target[2] < 300 else 5
        rows.append(timed(f"PET onto CT, {name}", *pet_and_ct(source, target), goal=0.125, repeats=repeats))
    oblique = pet_and_ct(*CASES["head-neck 100^3 -> 200^3"], degrees=7)
    rows.append(timed("PET onto CT, oblique, 100^3 -> 200^3", *oblique, goal=1.0, repeats=7))
    assert_equal_to_monai()
    rows += [memory(name) for name in CASES]
    return rows


if __name__ == "__main__":
    print(printed(main()))
