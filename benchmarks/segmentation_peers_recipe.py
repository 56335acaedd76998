"""One fold of the official HECKTOR 2025 baseline's recipe, written anew on MONAI after its published settings.

    python benchmarks/segmentation_peers_recipe.py fold JOB.json

Kept: MONAI's UNet of its size (16 to 256 channels, 2 residual units), B-spline resampling, CT -250..250 HU to -6..6,
PET z-score over the non-zero voxels of the field of view, patches by class (0.1 on background, 0.9 on the tumour), all
axes flipped at once and CT alone disturbed, Dice + cross-entropy, AdamW 1e-2, polynomial fall, windows overlapping by
a half, a crop to the voxels above 0 HU before prediction. Corrected: that crop is undone (the official container never
does, and scores 0.00 with a perfect network). Left out: its crop of 200 x 200 x 310 mm round the head (there is none
here), and the choice of the best epoch (no patients are set aside for it; the last weights predict).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import SimpleITK as sitk
    from torch import Tensor
    from torch.nn import Module

__all__ = ["Grid", "predict_part", "prepared", "run"]

CHANNELS = (16, 32, 64, 128, 256)
RATE, LEAST_RATE, DECAY, POWER = 1e-2, 1e-6, 3e-5, 0.9
CLASS_RATIOS = (0.1, 0.9)
"""Of patches centred on background and on a tumour (0.1, 0.45, 0.45 with the two tumour classes of HECKTOR)."""

Grid = tuple[slice, slice, slice]


def main() -> None:
    job = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    facts = run(job)
    Path(job["facts"]).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Train on the job's cases for its CPU-minutes, predict its parts. Returns how training went."""
    import SimpleITK as sitk
    import torch
    from monai.utils import set_determinism

    torch.set_num_threads(1)
    options = job["options"]
    spacing_mm, patch = float(options["spacing_mm"]), int(options["patch"])
    set_determinism(job["seed"])
    started = time.process_time()
    cases = [_training_case(case, spacing_mm, Path(job["work"])) for case in job["training"]]
    prepared_s = time.process_time() - started
    network = build_network().to(options["device"])
    batches = _batches(cases, patch=patch, volumes=options["volumes"], samples=options["samples"], seed=job["seed"])
    facts = train(network, batches, minutes=job["minutes"], options=options)
    started = time.process_time()
    network.eval()
    for test in job["tests"]:
        ct, pet = (sitk.ReadImage(test[key], sitk.sitkFloat32) for key in ("ct", "pet"))
        sitk.WriteImage(predict_part(_windows(network, patch), ct, pet, spacing_mm=spacing_mm), test["out"])
    return {**facts, "prepared_s": prepared_s, "predicted_s": time.process_time() - started, **options}


def build_network() -> Module:
    """The UNet with its initial weights (He, for all convolutions)."""
    from monai.networks.nets import UNet
    from torch import nn

    network = UNet(spatial_dims=3, in_channels=2, out_channels=2, channels=CHANNELS, strides=(2,) * 4, num_res_units=2)
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def train(
    network: Module, batches: Iterator[tuple[Tensor, Tensor]], *, minutes: float, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Updates until `minutes` of this process's CPU time (or of the wall clock) are over; the rate falls with them."""
    import torch
    from monai.losses import DiceCELoss

    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    network.train()
    clock = time.process_time if options["clock"] == "cpu" else time.perf_counter
    start, steps, losses = clock(), 0, []
    while (over := (clock() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = max(RATE * (1 - over) ** POWER, LEAST_RATE)
        image, label = next(batches)
        loss = loss_of(network(image.to(options["device"])), label.to(options["device"]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        steps += 1
        losses.append(float(loss.detach()))
    return {"steps": steps, "seconds": clock() - start, "loss": [round(value, 4) for value in losses]}


def prepared(ct: sitk.Image, pet: sitk.Image) -> NDArray[np.float32]:
    """CT and PET of one grid as the network sees them, (2, z, y, x)."""
    import SimpleITK as sitk

    hu, suv = (sitk.GetArrayFromImage(image).astype(np.float32) for image in (ct, pet))
    taken_up = suv != 0
    if taken_up.any():
        suv[taken_up] = (suv[taken_up] - suv[taken_up].mean()) / max(float(suv[taken_up].std()), 1e-8)
    return np.stack([np.clip(hu, -250, 250) * (6 / 250), suv])


def resampled(image: sitk.Image, spacing_mm: float, *, label: bool = False) -> sitk.Image:
    """The image on voxels of `spacing_mm`, from its first voxel on."""
    import SimpleITK as sitk

    size = [max(1, round(n * edge / spacing_mm)) for n, edge in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    method = sitk.sitkNearestNeighbor if label else sitk.sitkBSpline
    fill = 0.0 if label else float(sitk.GetArrayViewFromImage(image).min())
    return sitk.Resample(
        image, size, sitk.Transform(), method, image.GetOrigin(), (spacing_mm,) * 3, image.GetDirection(), fill
    )


def predict_part(
    classes_of: Callable[[NDArray[np.float32]], NDArray[np.uint8]],
    ct: sitk.Image,
    pet: sitk.Image,
    *,
    spacing_mm: float,
) -> sitk.Image:
    """Label map on the grid of `ct`: resampled, cropped to what is above 0 HU, classified, pasted back, resampled."""
    import SimpleITK as sitk

    fine = resampled(ct, spacing_mm)
    inputs = prepared(fine, resampled(pet, spacing_mm))
    box = foreground(inputs[0])
    labels = np.zeros(inputs.shape[1:], np.uint8)
    labels[box] = classes_of(inputs[(slice(None), *box)])
    found = sitk.GetImageFromArray(labels)
    found.CopyInformation(fine)
    return sitk.Resample(found, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)


def foreground(ct: NDArray[np.float32]) -> Grid:
    """The box of the voxels above 0; all of it where there is none."""
    from monai.transforms.utils import generate_spatial_bounding_box

    if not (ct > 0).any():
        return slice(0, ct.shape[0]), slice(0, ct.shape[1]), slice(0, ct.shape[2])
    low, high = generate_spatial_bounding_box(ct[None], select_fn=lambda values: values > 0)
    one, two, three = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return one, two, three


def _windows(network: Module, patch: int) -> Callable[[NDArray[np.float32]], NDArray[np.uint8]]:
    import torch
    from monai.inferers import sliding_window_inference

    device = next(network.parameters()).device

    def classes(inputs: NDArray[np.float32]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            logits = sliding_window_inference(
                torch.from_numpy(np.ascontiguousarray(inputs))[None].to(device), (patch,) * 3, 1, network, overlap=0.5
            )
        best: NDArray[np.uint8] = torch.argmax(logits[0], dim=0).cpu().numpy().astype(np.uint8)
        return best

    return classes


def _training_case(case: Mapping[str, str], spacing_mm: float, folder: Path) -> dict[str, NDArray[np.float32]]:
    """A prepared case, kept in `folder` for the other folds."""
    import SimpleITK as sitk

    path = folder / f"{case['name']}_{spacing_mm:g}mm.npy"
    if not path.exists():
        ct, pet = (resampled(sitk.ReadImage(case[key], sitk.sitkFloat32), spacing_mm) for key in ("ct", "pet"))
        mask = resampled(sitk.ReadImage(case["mask"], sitk.sitkUInt8), spacing_mm, label=True)
        part = path.with_suffix(f".{os.getpid()}.npy")
        np.save(part, np.concatenate([prepared(ct, pet), sitk.GetArrayFromImage(mask)[None].astype(np.float32)]))
        part.replace(path)
    array = np.load(path)
    return {"ct": array[:1], "pet": array[1:2], "label": array[2:]}


def _batches(
    cases: Sequence[Mapping[str, NDArray[np.float32]]], *, patch: int, volumes: int, samples: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """For ever: `samples` patches of each of `volumes` cases, the cases in random order."""
    import torch
    from monai.data.utils import list_data_collate
    from monai.transforms import (
        Compose,
        ConcatItemsd,
        EnsureTyped,
        RandCropByLabelClassesd,
        RandFlipd,
        RandGaussianNoised,
        RandGaussianSmoothd,
        RandScaleIntensityd,
        RandShiftIntensityd,
        SpatialPadd,
    )

    keys = ["ct", "pet", "label"]
    smooth = {f"sigma_{axis}": (0.5, 1.15) for axis in "xyz"}
    draw = Compose(
        [
            EnsureTyped(keys, track_meta=False),
            SpatialPadd(keys, (patch,) * 3),
            RandCropByLabelClassesd(
                keys, "label", (patch,) * 3, ratios=list(CLASS_RATIOS), num_classes=2, num_samples=samples, warn=False
            ),
            RandFlipd(keys, prob=0.5, spatial_axis=[0, 1, 2]),
            RandScaleIntensityd("ct", factors=0.1, prob=0.5),
            RandShiftIntensityd("ct", offsets=0.1, prob=0.5),
            RandGaussianNoised("ct", std=0.01, prob=0.5),
            RandGaussianSmoothd("ct", prob=0.5, **smooth),
            ConcatItemsd(["ct", "pet"], "image"),
        ]
    ).set_random_state(seed)
    random = np.random.default_rng(seed)
    waiting: list[int] = []
    while True:
        patches: list[dict[str, Any]] = []
        for _ in range(volumes):
            waiting = waiting or random.permutation(len(cases)).tolist()
            patches += draw(dict(cases[waiting.pop()]))
        batch = list_data_collate([{key: patch_[key] for key in ("image", "label")} for patch_ in patches])
        yield torch.as_tensor(batch["image"]), torch.as_tensor(batch["label"])


if __name__ == "__main__":
    main()
