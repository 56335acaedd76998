"""Training batches: prepared, and prepared and trained on, against the data loading of the official HECKTOR baseline.

Equal on both sides: the cases (CT, PET and two structures on one grid), patch, batch, network, loss and optimizer, one
thread; in the rows "each in its own way" the peer's network lies in memory as MONAI makes it and runs float32, ours as
`tumorboard train` has it, in bfloat16 where the processor multiplies that. Ours: patches out of memory-mapped arrays,
turned, scaled and mirrored at any angle, disturbed in seven ways.
The peer, after the recipe's published settings: every case an npz file that is loaded whole, three patches per case by
MONAI's RandCropByLabelClassesd (0.1, 0.45, 0.45), flips, noise, scale and shift of CT alone, MONAI's DataLoader.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import compare, printed, row

from tumorboard.engine.precision import cpu_has_bfloat16

GRIDS = {
    "half of the official crop, 100x100x155": (100, 100, 155),
    "the official crop of 1 mm, 200x200x310": (200, 200, 310),
}
CASES, PATCH, VOLUMES, SAMPLES = 4, 48, 2, 3
BATCH = VOLUMES * SAMPLES
REPEATS = 5


def main() -> list[dict[str, Any]]:
    """Rows: seconds per batch."""
    import torch

    torch.set_num_threads(1)
    rows = []
    for name, shape in GRIDS.items():
        with tempfile.TemporaryDirectory() as folder:
            save_cases(Path(folder), shape)
            ours, peer = our_batches(Path(folder)), peer_batches(Path(folder))
            for inputs, target in (next(ours), next(peer)):
                assert inputs.shape == (BATCH, 2, *(PATCH,) * 3) and target.shape == (BATCH, 2, *(PATCH,) * 3)
            note = f"batch of {BATCH} patches of {PATCH} voxels; no equal result: both draw at random"
            step, own = trainer(), trainer(precision="bfloat16" if cpu_has_bfloat16() else "float32")
            for what, mine, theirs in (
                ("prepared", nothing, nothing),
                ("prepared and trained on", step, step),
                ("prepared and trained on, each in its own way", own, trainer(channels_last=False)),
            ):
                timing = compare(done(ours, mine), done(peer, theirs), repeats=REPEATS)
                title = f"training batch {what}, {name}"
                rows.append(row(title, "npz, MONAI transforms, DataLoader", timing, goal=0.5, note=note))
    return rows


def nothing(batch: Any) -> None:
    """A batch that is only prepared."""


def done(batches: Iterator[Any], work: Callable[[Any], None]) -> Callable[[], None]:
    def once() -> None:
        work(next(batches))

    return once


def save_cases(folder: Path, shape: tuple[int, int, int]) -> None:
    """`CASES` cases of noise with two spheres, as .npy for us and as .npz for the peer."""
    random = np.random.default_rng(0)
    place = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij"))
    for number in range(CASES):
        images = random.random((2, *shape), dtype=np.float32)
        label = np.zeros(shape, np.uint8)
        for value, part in ((1, 0.4), (2, 0.6)):
            centre = np.array([part * n for n in shape], np.float32).reshape(3, 1, 1, 1)
            label[((place - centre) ** 2).sum(0) < (0.08 * min(shape)) ** 2] = value
        shares = np.stack([label == 1, label == 2]).astype(np.float32)
        np.save(folder / f"{number}.npy", np.concatenate([images, shares]))
        np.savez(folder / f"{number}.npz", ct=images[:1], pt=images[1:], label=label[None])


def our_batches(folder: Path) -> Iterator[Any]:
    """Batches as `tumorboard train segmentation` draws them."""
    from tumorboard.tasks.segmentation.config import SegmentationConfig
    from tumorboard.tasks.segmentation.sampling import PatchSampler

    config = SegmentationConfig(batch=BATCH, patch_voxels=PATCH)
    arrays = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
    sampler = PatchSampler(arrays, config, spacing_mm=1.0)
    random = np.random.default_rng(0)
    while True:
        batch = sampler(random)
        yield batch.inputs, batch.target


def peer_batches(folder: Path) -> Iterator[Any]:
    """Batches as the official recipe draws them; the label map as one channel per structure at the end."""
    import torch
    from monai.data import DataLoader, Dataset, list_data_collate
    from monai.transforms import (
        Compose,
        RandCropByLabelClassesd,
        RandFlipd,
        RandGaussianNoised,
        RandScaleIntensityd,
        RandShiftIntensityd,
        ToTensord,
    )

    keys = ("ct", "pt", "label")
    crop = RandCropByLabelClassesd(
        keys, label_key="label", spatial_size=(PATCH,) * 3, ratios=[0.1, 0.45, 0.45], num_classes=3, num_samples=SAMPLES
    )
    steps: list[Any] = [load_npz, crop, *(RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(3))]
    steps += [RandGaussianNoised("ct", prob=0.5), RandScaleIntensityd("ct", factors=0.1, prob=0.5)]
    steps += [RandShiftIntensityd("ct", offsets=0.1, prob=0.5), ToTensord(keys)]
    files = [{"file": str(path)} for path in sorted(folder.glob("*.npz"))]
    loader = DataLoader(Dataset(files, Compose(steps)), batch_size=VOLUMES, shuffle=True, collate_fn=list_data_collate)
    while True:
        for batch in loader:
            image, label = torch.cat([batch["ct"], batch["pt"]], dim=1), batch["label"]
            yield image.as_tensor(), torch.cat([label == 1, label == 2], dim=1).float().as_tensor()


def load_npz(case: dict[str, Any]) -> dict[str, Any]:
    with np.load(case["file"]) as file:
        return {key: file[key] for key in ("ct", "pt", "label")}


def trainer(*, channels_last: bool = True, precision: str = "float32") -> Callable[[Any], None]:
    """One update of our small network, in memory as `tumorboard train` lays it out, or as MONAI does."""
    import torch

    from tumorboard.engine.precision import autocast
    from tumorboard.tasks.segmentation.config import SegmentationConfig
    from tumorboard.tasks.segmentation.losses import dice_and_cross_entropy
    from tumorboard.tasks.segmentation.model import build_network

    torch.manual_seed(0)
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    network = build_network(SegmentationConfig(), 2).to(memory_format=layout).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step(batch: Any) -> None:
        inputs, target = batch
        optimizer.zero_grad(set_to_none=True)
        with autocast(precision):
            loss = dice_and_cross_entropy(network(inputs), target)
        loss.backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    print(printed(main()))
