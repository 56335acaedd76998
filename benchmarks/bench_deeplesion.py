"""DeepLesion's table against pandas and split, and its slices against one PNG at a time into an array of floats.

The table is the published rows that are at hand (`TUMORBOARD_DATA`), repeated to 32,735; without them, made rows.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import compare, compared_memory, peak_growth_mib, printed, row

ROWS = 32_735
SLICES, EDGE = 61, 512


def table(path: Path) -> str:
    """Write a table of the published length; returns what it was made of."""
    from tumorboard.datasets.deeplesion.table import COLUMNS

    folder = Path(os.environ.get("TUMORBOARD_DATA", "")) / "deeplesion"
    parts = [folder / name for name in ("DL_info_val.csv.gz", "DL_info_test.csv.gz")]
    if all(part.is_file() for part in parts):
        lines = [line for part in parts for line in gzip.decompress(part.read_bytes()).decode().splitlines()[1:]]
        words = f"{len(lines):,} published rows repeated"
    else:
        lines, words = [made_row(n) for n in range(2000)], "made rows repeated"
    whole = [lines[n % len(lines)] for n in range(ROWS)]
    path.write_text("\n".join([",".join(COLUMNS), *whole]) + "\n", encoding="utf-8")
    return words


def made_row(n: int) -> str:
    """A row with the lengths of text that published ones have."""
    rng = np.random.default_rng(n)
    x, y = rng.uniform(100, 400, 2)
    ends = np.round([x, y, x + 20, y + 1, x + 10, y - 6, x + 9, y + 7], 3)
    box = np.round([x - 5, y - 11, x + 25, y + 12], 3)
    key = 1 + n % 400
    return (
        f'{n + 1:06d}_01_01_{key:03d}.png,{n + 1},1,1,{key},"{listed(ends)}","{listed(box)}","20.0250, 13.0384",'
        f'"0.446660, 0.283794, 0.434454",{1 + n % 8},0,"{max(1, key - 6)}, {key + 6}","0.488281, 0.488281, 5",'
        f'"512, 512","-175, 275",F,62,{2 + n % 2}'
    )


def listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values)


def split_with_pandas(path: Path) -> dict[str, np.ndarray]:
    """The usual way: read_csv, then split the lists."""
    import pandas as pd

    frame = pd.read_csv(path)
    vectors = [name for name in frame if frame[name].dtype == object and "," in str(frame[name].iloc[0])]
    return {name: np.array(frame[name].str.split(",").tolist(), dtype=float) for name in vectors}


def table_row(folder: Path) -> dict[str, Any]:
    from tumorboard.datasets.deeplesion.table import read_lesions

    path = folder / "DL_info.csv"
    words = table(path)
    ours, theirs = read_lesions(path), split_with_pandas(path)
    np.testing.assert_array_equal(ours.ends_px.reshape(-1, 8), theirs["Measurement_coordinates"] - 1)
    np.testing.assert_array_equal(ours.spacing_mm, theirs["Spacing_mm_px_"])
    np.testing.assert_array_equal(ours.window_hu, theirs["DICOM_windows"])
    timing = compare(lambda: read_lesions(path), lambda: split_with_pandas(path))
    note = f"{words}; all 18 columns, 0-based; equal values"
    return row(f"DL_info.csv, {ROWS:,} rows", "pandas and split", timing, goal=0.25, note=note)


def slices(folder: Path) -> None:
    """Slices that deflate like CT: smooth bodies with noise."""
    from scipy.ndimage import gaussian_filter

    from tumorboard.io.slice_stack import write_slice

    rng = np.random.default_rng(0)
    y, x = np.mgrid[:EDGE, :EDGE]
    body = ((x - EDGE / 2) / 210) ** 2 + ((y - EDGE / 2) / 150) ** 2 < 1
    for number in range(1, SLICES + 1):
        organs = gaussian_filter(rng.normal(size=(EDGE, EDGE)), 12) * 900
        hu = np.where(body, 40 + organs, -1000) + rng.normal(0, 12, (EDGE, EDGE))
        write_slice(np.clip(hu.round(), -1024, 3000), folder / f"{number:03d}.png")


def one_at_a_time(folder: Path) -> np.ndarray:
    """After the official conversion: each picture decoded alone and put into an array of floats (rows, columns,
    slices)."""
    from PIL import Image

    files = sorted(folder.glob("*.png"))
    volume = np.zeros((EDGE, EDGE, len(files)))
    for at, path in enumerate(files):
        volume[:, :, at] = np.asarray(Image.open(path)).astype(float) - 32768
    return volume


def slice_rows(folder: Path) -> list[dict[str, Any]]:
    from tumorboard.core.units import Unit
    from tumorboard.io.slice_stack import read_slice_stack

    slices(folder)

    def ours() -> np.ndarray:
        return read_slice_stack(folder, unit=Unit.HU, first=1, last=SLICES, spacing_mm=(0.8, 0.8, 1.0)).array

    np.testing.assert_array_equal(ours().transpose(1, 0, 2), one_at_a_time(folder))
    timing = compare(ours, lambda: one_at_a_time(folder))
    name = f"{SLICES} slices of {EDGE} x {EDGE} to a volume"
    per_second = f"{SLICES / timing['ours_s']:.0f} slices a second; equal values"
    speed = row(name, "one PNG at a time into floats", timing, goal=0.5, note=per_second)
    ours_mib = peak_growth_mib(_OURS, str(folder), str(SLICES))
    peer_mib = peak_growth_mib(_PEER, str(folder), str(Path(__file__).parent))
    return [speed, compared_memory(name, "one PNG at a time into floats", ours_mib, peer_mib, goal=0.5)]


_OURS = """
import sys
from pathlib import Path
from PIL import Image
from tumorboard.core.units import Unit
from tumorboard.io.slice_stack import read_slice, read_slice_stack
read_slice(Path(sys.argv[1]) / "001.png")
# MEASURE
volume = read_slice_stack(Path(sys.argv[1]), unit=Unit.HU, first=1, last=int(sys.argv[2]), spacing_mm=(1, 1, 1))
"""
_PEER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from PIL import Image
from bench_deeplesion import one_at_a_time
# MEASURE
volume = one_at_a_time(Path(sys.argv[1]))
"""


def main() -> list[dict[str, Any]]:
    """Rows for the table and for slices (time, memory)."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "slices").mkdir()
        return [table_row(folder), *slice_rows(folder / "slices")]


if __name__ == "__main__":
    print(printed(main()))
