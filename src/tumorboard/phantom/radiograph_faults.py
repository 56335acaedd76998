"""What goes wrong with X-ray files, done to a virtual one: truth follows the picture as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tumorboard.phantom.radiograph_picture import Box, Radiograph

__all__ = ["XRAY_FAULTS", "XrayFault", "cropped", "turned"]


@dataclass(frozen=True)
class XrayFault:
    """A fault of X-ray cohorts. `change` alters a finished picture; faults without it are exposures of another kind."""

    name: str
    summary: str
    change: Callable[[Radiograph, np.random.Generator], Radiograph] | None = None


def turned(picture: Radiograph, quarters: int) -> Radiograph:
    """Turned anticlockwise by quarters of a circle, as `numpy.rot90` does; boxes and masks with it."""
    boxes = picture.boxes
    height, width = picture.image.shape
    for _ in range(quarters % 4):
        boxes = {name: (y1, width - x2, y2, width - x1) for name, (x1, y1, x2, y2) in boxes.items()}
        height, width = width, height
    return replace(
        picture,
        image=np.ascontiguousarray(np.rot90(picture.image, quarters)),
        boxes=boxes,
        lungs={side: np.ascontiguousarray(np.rot90(mask, quarters)) for side, mask in picture.lungs.items()},
    )


def _mirrored(picture: Radiograph, rng: np.random.Generator) -> Radiograph:
    """Left and right exchanged, marker and all; names stay with the patient's sides."""
    width = picture.image.shape[1]
    return replace(
        picture,
        image=np.ascontiguousarray(picture.image[:, ::-1]),
        boxes={name: (width - x2, y1, width - x1, y2) for name, (x1, y1, x2, y2) in picture.boxes.items()},
        lungs={side: np.ascontiguousarray(mask[:, ::-1]) for side, mask in picture.lungs.items()},
    )


def _turned(picture: Radiograph, rng: np.random.Generator) -> Radiograph:
    return turned(picture, int(rng.choice([1, 3])))


def _upside_down(picture: Radiograph, rng: np.random.Generator) -> Radiograph:
    return turned(picture, 2)


def _inverted(picture: Radiograph, rng: np.random.Generator) -> Radiograph:
    return replace(picture, image=np.invert(picture.image))


def cropped(picture: Radiograph, box: tuple[int, int, int, int]) -> Radiograph:
    """The part x1, y1, x2, y2 of a picture; boxes are cut, and dropped where less than a quarter is left."""
    x1, y1, x2, y2 = box
    kept: dict[str, Box] = {}
    for name, (a, b, c, d) in picture.boxes.items():
        e, f, g, h = max(a, x1), max(b, y1), min(c, x2), min(d, y2)
        if g - e >= 1 and h - f >= 1 and (g - e) * (h - f) >= 0.25 * (c - a) * (d - b):
            kept[name] = (e - x1, f - y1, g - x1, h - y1)
    return replace(
        picture,
        image=np.ascontiguousarray(picture.image[y1:y2, x1:x2]),
        boxes=kept,
        lungs={side: np.ascontiguousarray(mask[y1:y2, x1:x2]) for side, mask in picture.lungs.items()},
    )


def _cut_off(picture: Radiograph, rng: np.random.Generator) -> Radiograph:
    """A side or the bases missing: the field was set too small or beside the patient."""
    rows, columns = picture.image.shape
    edge = str(rng.choice(["left", "right", "bottom", "top"]))
    x1, y1, x2, y2 = 0, 0, columns, rows
    share = rng.uniform(0.3, 0.4)
    if edge == "left":
        x1 = int(share * columns)
    elif edge == "right":
        x2 = columns - int(share * columns)
    elif edge == "top":
        y1 = int(share * rows)
    else:
        y2 = rows - int(share * rows)
    return cropped(picture, (x1, y1, x2, y2))


XRAY_FAULTS: Mapping[str, XrayFault] = {
    fault.name: fault
    for fault in (
        XrayFault("xray-turned", "an X-ray is stored turned by 90 degrees", _turned),
        XrayFault("xray-upside-down", "an X-ray is stored upside down", _upside_down),
        XrayFault(
            "xray-inverted", "an X-ray is stored with black for dense (MONOCHROME1 taken for MONOCHROME2)", _inverted
        ),
        XrayFault("xray-mirrored", "an X-ray is stored with left and right exchanged", _mirrored),
        XrayFault("xray-cut-off", "part of the lungs is outside an X-ray's field", _cut_off),
        XrayFault("xray-lateral", "a lateral view says that it is frontal"),
        XrayFault("xray-two-frontals", "an exam holds two frontal X-rays"),
    )
}
