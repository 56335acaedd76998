"""Makes segmentation_cases.json: small masks as boxes, and what other programs say about them.

Dice and Hausdorff 95/100, surface Dice, ASSD on voxel borders: MONAI. The same on surface elements:
surface-distance (DeepMind). Dice once more: SimpleITK. Lesion counts: written by hand in `CASES`.
Run with the `oracles` extra installed: python tests/golden/make_segmentation_cases.py
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np

TOLERANCE_MM = 2.0
# Boxes are [i0, i1, j0, j1, k0, k1], ends excluded. `lesions` is [TP, FP, FN] for IoU >= 0.3, 26-connected,
# greedy; `merged` the same for merged groups.
CASES = {
    "one box, shifted by one voxel": {
        "spacing_mm": [1.0, 1.0, 1.0],
        "reference": [[2, 8, 2, 8, 2, 8]],
        "prediction": [[3, 9, 2, 8, 2, 8]],
        "lesions": [1, 0, 0],
        "merged": [1, 0, 0],
    },
    "conglomerate: two nodes touch, predicted as one": {
        "spacing_mm": [1.0, 1.0, 3.0],
        "reference": [[2, 6, 2, 6, 2, 6], [6, 10, 2, 6, 2, 6]],
        "prediction": [[2, 10, 2, 6, 2, 6]],
        "lesions": [1, 0, 0],
        "merged": [1, 0, 0],
    },
    "one prediction covers two separate nodes": {
        "spacing_mm": [0.98, 0.98, 3.27],
        "reference": [[2, 6, 2, 6, 2, 6], [8, 12, 2, 6, 2, 6]],
        "prediction": [[2, 12, 2, 6, 2, 6]],
        "lesions": [1, 0, 1],
        "merged": [1, 0, 0],
    },
    "two predictions on one node": {
        "spacing_mm": [2.0, 2.0, 2.0],
        "reference": [[2, 12, 2, 6, 2, 6]],
        "prediction": [[2, 6, 2, 6, 2, 6], [8, 12, 2, 6, 2, 6]],
        "lesions": [1, 1, 0],
        "merged": [1, 0, 0],
    },
    "an L and a bar": {
        "spacing_mm": [0.7, 1.3, 2.1],
        "reference": [[1, 11, 2, 4, 3, 6], [1, 3, 2, 12, 3, 6]],
        "prediction": [[1, 13, 2, 5, 3, 5]],
        "lesions": [1, 0, 0],
        "merged": [1, 0, 0],
    },
    "touches the border of the image": {
        "spacing_mm": [1.0, 2.0, 3.0],
        "reference": [[0, 5, 0, 5, 0, 5]],
        "prediction": [[0, 4, 0, 6, 0, 5]],
        "lesions": [1, 0, 0],
        "merged": [1, 0, 0],
    },
    "far apart": {
        "spacing_mm": [1.0, 1.0, 1.0],
        "reference": [[0, 3, 0, 3, 0, 3]],
        "prediction": [[11, 14, 11, 14, 11, 14]],
        "lesions": [0, 1, 1],
        "merged": [0, 1, 1],
    },
}
SHAPE = (14, 14, 14)


def draw(boxes: list[list[int]]) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    for i0, i1, j0, j1, k0, k1 in boxes:
        mask[i0:i1, j0:j1, k0:k1] = 1
    return mask


def peers(reference: np.ndarray, prediction: np.ndarray, spacing_mm: list[float]) -> dict[str, float]:
    import SimpleITK as sitk
    import surface_distance as peer
    import torch
    from monai import metrics

    one_hot = [torch.from_numpy(np.stack([mask == 0, mask == 1])[None]) for mask in (prediction, reference)]
    monai = {
        "dice": metrics.compute_dice(*one_hot, include_background=False),
        "hd95_mm (voxel borders)": metrics.compute_hausdorff_distance(*one_hot, percentile=95, spacing=spacing_mm),
        "hd100_mm (voxel borders)": metrics.compute_hausdorff_distance(*one_hot, spacing=spacing_mm),
        "nsd_2mm (voxel borders)": metrics.compute_surface_dice(*one_hot, [TOLERANCE_MM], spacing=spacing_mm),
        "assd_mm (voxel borders)": metrics.compute_average_surface_distance(
            *one_hot, symmetric=True, spacing=spacing_mm
        ),
    }
    figures = {name: float(value[0, 0]) for name, value in monai.items()}
    found = peer.compute_surface_distances(reference == 1, prediction == 1, spacing_mm)
    figures["hd95_mm (surface elements)"] = float(peer.compute_robust_hausdorff(found, 95))
    figures["hd100_mm (surface elements)"] = float(peer.compute_robust_hausdorff(found, 100))
    figures["nsd_2mm (surface elements)"] = float(peer.compute_surface_dice_at_tolerance(found, TOLERANCE_MM))
    distance = np.concatenate([found["distances_gt_to_pred"], found["distances_pred_to_gt"]])
    area = np.concatenate([found["surfel_areas_gt"], found["surfel_areas_pred"]])
    figures["assd_mm (surface elements)"] = float((distance * area).sum() / area.sum())
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(sitk.GetImageFromArray(reference), sitk.GetImageFromArray(prediction))
    figures["dice by SimpleITK"] = overlap.GetDiceCoefficient(1)
    return figures


def main() -> None:
    warnings.simplefilter("ignore")
    cases = {}
    for name, case in CASES.items():
        figures = peers(draw(case["reference"]), draw(case["prediction"]), case["spacing_mm"])
        cases[name] = {**case, "figures": figures}
    out = Path(__file__).with_name("segmentation_cases.json")
    out.write_text(json.dumps({"shape": SHAPE, "cases": cases}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
