"""Reading `.nii.gz` with checksum and length verified, against stock nibabel, which verifies neither."""

from __future__ import annotations

import gzip
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import compare, printed, row


def scan(shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """A smooth picture with noise, which deflates like a CT (about 2:1)."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=shape).astype(np.float32), 2)
    return (smooth * 4000 + rng.normal(size=shape) * 12).astype(np.int16)


def save(path: Path, array: np.ndarray, *, slope: float, inter: float) -> None:
    """A file as zlib's level 6 writes it, by nibabel, with scaling in the header."""
    import nibabel

    image = nibabel.Nifti1Image(array, np.diag([-1.0, -1.0, 3.0, 1.0]))
    image.header.set_xyzt_units("mm")
    data = bytearray(image.to_bytes())
    data[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(gzip.compress(data, 6, mtime=0))


def main() -> list[dict[str, Any]]:
    """Rows for int16 as stored, scaled PET and a mask."""
    import nibabel
    from nibabel import openers

    from tumorboard.core.units import Unit
    from tumorboard.io.nifti import read_nifti

    if getattr(openers, "HAVE_INDEXED_GZIP", False):
        raise RuntimeError("indexed_gzip is installed; nibabel would not be the stock reader")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, array, slope, inter in (
            ("int16 as stored, 200^3", scan((200, 200, 200), 0), 1.0, 0.0),
            ("int16 scaled, 200^3", scan((200, 200, 200), 1), 0.00217, 0.0),
            ("uint8 mask, 200^3", (scan((200, 200, 200), 2) > 700).astype(np.uint8), 1.0, 0.0),
        ):
            path = Path(folder) / "image.nii.gz"
            save(path, array, slope=slope, inter=inter)

            def ours(path: Path = path) -> np.ndarray:
                return read_nifti(path, unit=Unit.UNKNOWN).array

            def peer(path: Path = path, *, scaled: bool = slope != 1) -> np.ndarray:
                image = nibabel.load(path)
                return image.get_fdata(dtype=np.float32) if scaled else np.asanyarray(image.dataobj)

            if slope == 1:
                np.testing.assert_array_equal(ours(), peer())
            else:
                np.testing.assert_allclose(ours(), peer(), rtol=2.4e-7)
            note = "peer: get_fdata(dtype=float32), its faster way" if slope != 1 else "equal bit for bit"
            rows.append(row(f"read .nii.gz, {name}", "nibabel", compare(ours, peer, repeats=15), goal=0.6, note=note))
    return rows


if __name__ == "__main__":
    print(printed(main()))
