"""Where the images of a release are, when the user has them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.datasets.assembly import files_below
from tumorboard.io.radiograph import PICTURE_SUFFIXES, picture_unit, read_radiograph_geometry

__all__ = ["with_pixels"]


def with_pixels(images: pa.Table, folder: Path) -> pa.Table:
    """The table with `path`, `format`, `unit` and grid filled where a PNG or JPEG below `folder` is named after the
    image; a picture that cannot be read leaves its code in `problem`."""
    known = {path.stem: path for path in files_below(folder) if path.suffix.lower() in PICTURE_SUFFIXES}
    rows = images.to_pylist()
    for row in rows:
        path = known.get(row["image_id"])
        if path is None:
            continue
        row["path"], row["format"] = str(path.resolve()), "radiograph"
        try:
            geometry = read_radiograph_geometry(path)
            row["unit"] = str(picture_unit(path))
        except TumorboardError as error:
            row["problem"], row["unit"] = error.code.id, str(Unit.UNKNOWN)
            continue
        row["shape"], row["affine"] = list(geometry.shape), geometry.affine.ravel().tolist()
    return pa.Table.from_pylist(rows, schema=images.schema)
