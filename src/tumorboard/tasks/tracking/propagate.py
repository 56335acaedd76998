"""Where a lesion of one exam is expected in another: point, box, axes, and how sure that is.

After a registration the map says it; without pixels the relative location of the lesion and the lesions marked in the
other exam do (`bodyframe`). Size is taken over as it was: growth is what the other exam is looked at for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.tracking import codes
from tumorboard.tasks.tracking.alignment import Aligned
from tumorboard.tasks.tracking.bodyframe import Anchors, place_in_exam
from tumorboard.tasks.tracking.marks import Mark

__all__ = ["Propagated", "propagate", "propagate_by_marks"]

REGISTERED_SD_MM = 3.5
"""Error per axis of a place after registration: a guess, larger than what a few virtual patients showed."""


@dataclass(frozen=True, eq=False)
class Propagated:
    """A lesion's expected place in another image, RAS mm: middle (3,), box (2, 3), long and short axis, standard
    deviation of the middle (3,). `inside`: whether the image shows that place. `confidence`: chance (0..1) that the
    middle lies within the lesion's radius of the true one, errors being normal; 0 outside the image."""

    centre_mm: NDArray[np.float64]
    box_mm: NDArray[np.float64]
    axes_mm: tuple[float, float]
    sd_mm: NDArray[np.float64]
    inside: bool
    confidence: float


def propagate(mark: Mark, aligned: Aligned, image: Mapping[str, Any]) -> Propagated:
    """A lesion's place in `image` (a row of `images`) of another exam of the patient, by the registration in `aligned`.

    TRK103 where there is none between the two exams (they do not overlap, or exams were not registered).
    """
    exam = image["exam_id"]
    lost = mark.exam_id not in aligned.maps or exam not in aligned.maps
    if lost or not _same_island(aligned, mark.exam_id, exam):
        found = f"no registration ({'; '.join(aligned.notes) or aligned.method})"
        raise TumorboardError(codes.NO_PLACE, f"{mark.exam_id} to {exam}", found=found, expected="overlapping scans")
    there, back = aligned.maps[mark.exam_id], aligned.maps[exam].inverse()
    centre = back.apply(there.apply(mark.centre_mm))
    return _expected(mark, centre, np.full(3, REGISTERED_SD_MM), image)


def propagate_by_marks(
    mark: Mark, anchors: Sequence[Mark], image: Mapping[str, Any], *, images: Mapping[str, Mapping[str, Any]]
) -> Propagated:
    """The same without pixels, in DeepLesion's frame: by relative locations of `anchors`, lesions of the patient that
    are marked already (leave out what shall be predicted). `images`: rows of `images` by image_id. The place is held
    between the first and the last slice of `image`. TRK103 for a lesion without a relative location."""
    if mark.relative is None:
        raise TumorboardError(codes.NO_PLACE, mark.finding_id, found="no relative location", expected="x, y, z in 0..1")
    used = [one for one in anchors if one.relative is not None]
    known = Anchors(
        np.array([one.relative for one in used], float).reshape(-1, 3),
        np.array([_to_frame(one.centre_mm, images[one.image_id]) for one in used]).reshape(-1, 3),
        np.array([one.exam_id for one in used], dtype=np.str_),
        np.array([one.series for one in used], dtype=np.str_),
    )
    series = next((one.series for one in used if one.image_id == image["image_id"]), f"image {image['image_id']}")
    place = place_in_exam(known, mark.relative, exam=image["exam_id"], series=series)
    low, high = sorted(-float(z) for z in _ends(image)[:, 2])
    mean = np.array([*place.mean_mm[:2], place.within(2, low, high)])
    return _expected(mark, _from_frame(mean, image), np.array(place.sd_mm), image)


def _same_island(aligned: Aligned, one: str, two: str) -> bool:
    if aligned.island_of is None:
        return True
    return aligned.island_of.get(one) == aligned.island_of.get(two)


def _expected(
    mark: Mark, centre: NDArray[np.float64], sd_mm: NDArray[np.float64], image: Mapping[str, Any]
) -> Propagated:
    from scipy.stats import chi

    axes = np.nan_to_num(np.array(mark.axes_mm), nan=10.0)
    half = (mark.box_mm[1] - mark.box_mm[0]) / 2 if mark.box_mm is not None else np.full(3, axes[0] / 2)
    ends = _ends(image)
    inside = bool((centre >= ends.min(axis=0)).all() and (centre <= ends.max(axis=0)).all())
    sure = float(chi(3).cdf(axes[0] / 2 / float(np.sqrt((sd_mm**2).mean())))) if inside else 0.0
    box = np.array([centre - half, centre + half])
    return Propagated(centre, box, mark.axes_mm, sd_mm, inside, sure)


def _ends(image: Mapping[str, Any]) -> NDArray[np.float64]:
    """First and last voxel's outer faces (2, 3), RAS mm, as far as the grid is aligned with the body."""
    affine = np.asarray(image["affine"], float).reshape(4, 4)
    corners = np.array([[-0.5] * 3, np.asarray(image["shape"], float) - 0.5])
    found: NDArray[np.float64] = corners @ affine[:3, :3].T + affine[:3, 3]
    return found


def _to_frame(point_mm: NDArray[np.float64], image: Mapping[str, Any]) -> NDArray[np.float64]:
    """RAS mm -> frame of `bodyframe`: x, y from the middle of the image (to the left, to the back), z to the feet."""
    middle = _ends(image).mean(axis=0)
    return np.array([middle[0] - point_mm[0], middle[1] - point_mm[1], -point_mm[2]])


def _from_frame(place_mm: NDArray[np.float64], image: Mapping[str, Any]) -> NDArray[np.float64]:
    middle = _ends(image).mean(axis=0)
    return np.array([middle[0] - place_mm[0], middle[1] - place_mm[1], -place_mm[2]])
