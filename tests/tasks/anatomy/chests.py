"""Drawn chests for tests: two dark ellipses in a bright body, their masks and a few boxes, as files and as a cohort."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tumorboard.core.cohort import Cohort
from tumorboard.datasets.radiographs.reader import read

EDGE = 96
LIGHT: dict[str, Any] = {
    "virtual_patients": 0, "steps": 80, "edge": 48, "channels": (8, 12, 16, 16), "folds": 2, "batch": 4,
    "learning_rate": 1e-2,
}  # fmt: skip
"""Settings of a small model that learns drawn chests in seconds."""


def chest(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Picture and lung mask (0, 255), (96, 96): places and sizes vary."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:EDGE, 0:EDGE] / EDGE
    dx, dy = random.uniform(-0.05, 0.05, 2)
    size = random.uniform(0.9, 1.1)
    u, v = (x - 0.5 - dx) / size, (y - 0.45 - dy) / size
    body = (np.abs(u) < 0.46) & (v > -0.42)
    body |= np.abs(u) < 0.10
    right = ((u + 0.22) / 0.15) ** 2 + ((v - 0.02) / 0.30) ** 2 < 1
    left = ((u - 0.23) / 0.14) ** 2 + (v / 0.29) ** 2 < 1
    grey = np.where(body, 0.6, 0.05) + np.where((np.abs(u) < 0.07) | (body & (v > 0.3)), 0.3, 0.0)
    grey = np.where(right | left, 0.12, grey) + random.normal(0, 0.03, x.shape)
    picture = (255 * np.clip(grey * random.uniform(0.8, 1.0), 0, 1)).astype(np.uint8)
    return picture, np.where(right | left, 255, 0).astype(np.uint8)


def cohort_of(folder: Path, *, patients: int = 6, changes: Any = None) -> Cohort:
    """A folder of drawn chests with masks and a table, read; `changes(number, picture)` alters a picture."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(patients):
        picture, mask = chest(number)
        picture = picture if changes is None else changes(number, picture)
        Image.fromarray(picture).save(folder / "images" / f"p{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"p{number}.png")
        rows.append([f"p{number}.png", f"P{number}", "PA", "M" if number % 2 else "F", 50 + number])
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["image", "patient", "view", "sex", "age"], *rows])
    return read(folder)
