"""What CXAS (Seibold et al.) writes: one binary mask per class, in one of three forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import Progress, files_below
from tumorboard.datasets.chest_masks import codes
from tumorboard.datasets.chest_masks.boxes import Box, BoxRows, load_channels
from tumorboard.io.jsonfile import read_json
from tumorboard.io.radiograph import read_radiograph
from tumorboard.ops.lungs import box_of

__all__ = ["CLASSES", "read"]

CLASSES = {
    0: ("spine", "spine"),
    31: ("clavicle left", "left clavicle"),
    32: ("clavicle right", "right clavicle"),
    106: ("left hemidiaphragm", "left hemidiaphragm"),
    107: ("right hemidiaphragm", "right hemidiaphragm"),
    115: ("cardiomediastinum", "mediastinum"),
    116: ("upper mediastinum", "upper mediastinum"),
    121: ("heart", "cardiac silhouette"),
    123: ("heart atrium right", "right atrium"),
    129: ("descending aorta", "descending aorta"),
    130: ("aortic arch", "aortic arch"),
    135: ("right lung", "right lung"),
    136: ("left lung", "left lung"),
    141: ("right upper zone lung", "right upper lung zone"),
    142: ("right mid zone lung", "right mid lung zone"),
    143: ("right lung base", "right lower lung zone"),
    144: ("right apical zone lung", "right apical zone"),
    145: ("left upper zone lung", "left upper lung zone"),
    146: ("left mid zone lung", "left mid lung zone"),
    147: ("left lung base", "left lower lung zone"),
    148: ("left apical zone lung", "left apical zone"),
    154: ("trachea", "trachea"),
    155: ("tracheal bifurcation", "carina"),
}
"""Index and name of a class of CXAS -> location. Classes without a location are passed over."""
_COUNT = 159
_OF_NAME = dict(CLASSES.values())


def read(source: Path, *, onto: Path | None = None, run: str = "cxas", progress: Progress | None = None) -> Cohort:
    """Add the boxes of CXAS masks to the X-rays of a cohort.

    Parameters
    ----------
    source : output folder of `cxas_segment`: ``<image>/<class>.png``, ``<image>.npy`` or ``<image>.json``.
    onto : the cohort with the X-rays, matched by file name.
    run : name of the run that the boxes belong to.

    Errors: LAY101 no mask of a known image, CXM101 another form, CXM102 another size than the X-ray.
    """
    rows = BoxRows.onto(onto, run)
    found = list(_images(Path(source)))
    for done, (stem, paths) in enumerate(found, start=1):
        image = rows.image(stem)
        if image is not None:
            rows.add(image, _boxes(rows, image, paths))
        if progress:
            progress(done, len(found))
    return rows.finish("cxas", Path(source), run=run)


def _images(source: Path) -> Iterator[tuple[str, list[Path]]]:
    """Name of an image and the files that hold its masks."""
    if not source.is_dir():
        raise TumorboardError(layout_codes.LAYOUT_NOT_FOUND, source, found="no such folder", expected="CXAS output")
    folders: dict[str, list[Path]] = {}
    for path in files_below(source):
        if path.suffix.lower() in (".npy", ".json"):
            yield path.stem, [path]
        elif path.suffix.lower() == ".png" and path.stem in _OF_NAME and path.parent != source:
            folders.setdefault(path.parent.name, []).append(path)
    yield from folders.items()


def _boxes(rows: BoxRows, image: dict[str, Any], paths: list[Path]) -> dict[str, Box]:
    if paths[0].suffix.lower() == ".json":
        return _of_coco(rows, image, paths[0])
    found: dict[str, Box] = {}
    if paths[0].suffix.lower() == ".npy":
        channels = load_channels(paths[0], _COUNT)
        rows.require_size(image, channels.shape[1], channels.shape[2], str(paths[0]))
        masks: Iterator[tuple[str, Any]] = ((location, channels[i] > 0) for i, (_, location) in CLASSES.items())
    else:
        masks = ((_OF_NAME[path.stem], read_radiograph(path, unit=Unit.LABEL).array[:, :, 0].T > 0) for path in paths)
    for location, mask in masks:
        rows.require_size(image, mask.shape[0], mask.shape[1], f"{paths[0]}, {location}")
        box = box_of(mask)
        if box is not None:
            found[location] = box
    return found


def _of_coco(rows: BoxRows, image: dict[str, Any], path: Path) -> dict[str, Box]:
    """COCO's x, y, width, height per class; the size stands in the run-length code."""
    record, _ = read_json(path)
    annotations = record.get("annotations") if isinstance(record, dict) else None
    if not isinstance(annotations, list):
        raise TumorboardError(codes.MASKS_FORM, path, found="no list of annotations", expected="COCO as CXAS writes it")
    found: dict[str, Box] = {}
    for entry in annotations:
        try:
            known = CLASSES.get(int(entry["category_id"]))
            x, y, width, height = (float(value) for value in entry["bbox"])
            size = entry["segmentation"]["size"]
            rows_columns = int(size[0]), int(size[1])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise TumorboardError(
                codes.MASKS_FORM,
                path,
                found=f"{type(error).__name__}: {error}",
                expected="category_id, bbox, segmentation",
            ) from error
        rows.require_size(image, *rows_columns, str(path))
        if known is not None and width > 0 and height > 0:
            found[known[1]] = (x, y, x + width, y + height)
    return found
