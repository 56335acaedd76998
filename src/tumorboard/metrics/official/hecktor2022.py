"""HECKTOR 2022: aggregated Dice (task 1) and concordance index (task 2), as the organisers computed them.

Task 1 (evaluation notebook of 2022): a prediction must hold only 0, 1 (GTVp), 2 (GTVn) and have the CT's
spacing; it is then placed on the reference's grid by nearest neighbour, so that a crop is padded with
background and a shift by parts of a voxel is rounded. True positives are rebuilt in mm3 from SimpleITK's Dice,
which is 0 (not undefined) where a structure is absent on both sides; sums over patients give the aggregated
Dice, unaffected by such patients. Patients without a prediction are not in the sums.

Task 2 (evaluator of 2021, used again in 2022): lifelines' rules, but a missing prediction is a tie with every
comparable patient, half a point, although the evaluator's own text calls it "non-concordant".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.volume import Volume
from tumorboard.metrics.concordance import EARLIER, LATER
from tumorboard.metrics.labelmaps import as_labels, compare
from tumorboard.metrics.official.rules import MISSING, Ratio, one_of

__all__ = ["GTVN", "GTVP", "PrognosisRules2022", "SegmentationRules2022", "place_on_reference"]

GTVP, GTVN = 1, 2
_LABELS = {GTVP: "GTVp", GTVN: "GTVn"}
_TERMS = (("tp2_gtvp_mm3", "sum_gtvp_mm3"), ("tp2_gtvn_mm3", "sum_gtvn_mm3"))


@dataclass(frozen=True)
class SegmentationRules2022:
    """`missing`: ``skip`` (as published), ``empty`` or ``refuse``. `truncate`: values between integers are cut
    off towards 0 by the published cast to 8 bits (0.9999 becomes 0); False refuses them (MET102)."""

    missing: str = "skip"
    truncate: bool = True

    name: ClassVar[str] = "hecktor2022"
    labels: ClassVar[Mapping[int, str]] = _LABELS
    figures: ClassVar[tuple[Ratio, ...]] = (
        Ratio("aggregated_dice", "GTVp", _TERMS[:1]),
        Ratio("aggregated_dice", "GTVn", _TERMS[1:]),
        Ratio("aggregated_dice", "mean", _TERMS),
    )

    def __post_init__(self) -> None:
        one_of("missing", self.missing, MISSING)

    def place(self, prediction: Volume, reference: Geometry, *, where: str) -> Volume:
        """The prediction cast and on the reference's grid, as the organisers' check does it."""
        array = np.trunc(prediction.array) if self.truncate else prediction.array
        cast = Volume(as_labels(array, where=where), prediction.affine, prediction.unit)
        return Volume(place_on_reference(cast, reference, where=where), reference.affine, prediction.unit)

    def count(
        self, reference: NDArray[Any], prediction: NDArray[Any] | None, *, spacing_mm: Sequence[float], where: str
    ) -> dict[str, float]:
        """2 TP and the sum of both volumes of each structure in mm3. MET101, MET102, MET104, GEO102."""
        if prediction is not None and self.truncate and prediction.dtype.kind == "f":
            prediction = np.trunc(prediction)
        pair = compare(reference, prediction, spacing_mm=spacing_mm, labels=_LABELS, where=where)
        voxel_mm3 = float(np.prod(pair.spacing_mm))
        counts: dict[str, float] = {}
        for value, label in _LABELS.items():
            in_reference, in_prediction, both = pair.voxels(value)
            counts[f"tp2_{label.lower()}_mm3"] = 2 * both * voxel_mm3
            counts[f"sum_{label.lower()}_mm3"] = (in_reference + in_prediction) * voxel_mm3
        return counts


@dataclass(frozen=True)
class PrognosisRules2022:
    """`higher_means`: the submitter said whether the score was concordant with time (``later event``) or not.
    `missing`: ``tie`` (as computed), ``omit`` or ``refuse``. No comparable pair: undefined (the evaluator
    stopped with a division by zero)."""

    higher_means: str = EARLIER
    missing: str = "tie"

    name: ClassVar[str] = "hecktor2022-rfs"

    def __post_init__(self) -> None:
        one_of("higher_means", self.higher_means, (EARLIER, LATER))
        one_of("missing", self.missing, ("tie", "omit", "refuse"))


def place_on_reference(prediction: Volume, reference: Geometry, *, where: str = "prediction") -> NDArray[Any]:
    """The prediction on the reference's grid by the rule of 2022: spacings equal within 1e-6 mm (plus 1e-5 of
    the spacing, numpy's `allclose`), else GEO102; nearest voxel; 0 outside what was predicted."""
    from tumorboard.core.codes import GEOMETRY_MISMATCH

    ours, theirs = prediction.spacing_mm, reference.spacing_mm
    if not np.allclose(theirs, ours, atol=1e-6):
        raise TumorboardError(
            GEOMETRY_MISMATCH, where, found=f"spacing {ours.tolist()} mm", expected=f"{theirs.tolist()} mm"
        )
    to_index = np.linalg.inv(prediction.affine) @ reference.affine
    placed = np.zeros(reference.shape, prediction.array.dtype)
    ranges = [np.arange(n, dtype=float) for n in reference.shape]
    steps = [[to_index[axis, d] * ranges[d] for d in range(3)] for axis in range(3)]
    for i in range(reference.shape[0]):  # slice by slice: whole coordinate grids would take gigabytes
        index, inside = [], np.ones(reference.shape[1:], bool)
        for axis in range(3):
            where_to = steps[axis][0][i] + steps[axis][1][:, None] + steps[axis][2][None, :] + to_index[axis, 3]
            nearest = np.floor(np.round(where_to, 9) + 0.5).astype(np.int64)
            inside &= (nearest >= 0) & (nearest < prediction.shape[axis])
            index.append(nearest)
        placed[i][inside] = prediction.array[tuple(axis[inside] for axis in index)]
    return placed
