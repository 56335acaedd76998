"""T and N stage of a cancer of the oropharynx by what a mask measures: size, number and side.

Sizes after Edge et al., AJCC Cancer Staging Manual, 7th ed. 2010, ch. 4, and Amin et al., 8th ed. 2017, ch. 10 (p16
positive) and 11 (p16 negative); clinical stages. A mask cannot tell invasion (T4, and T3 of the 8th edition by spread
to the epiglottis), extension through a node's capsule (N3b of the 8th edition, p16 negative), nor distant disease (M):
each stage says what it leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = ["Stage", "n_stage", "stage_of", "t_stage"]

EDITIONS = (7, 8)


@dataclass(frozen=True)
class Stage:
    """A stage by geometry, None when it cannot be said; `open`: in words, what it leaves undecided."""

    value: str | None
    open: str = ""


def t_stage(diameter_mm: float | None) -> Stage:
    """T by the primary's longest diameter, the same in both editions and for either p16 status: up to 20 mm T1, up to
    40 mm T2, above T3. None or 0: no primary was drawn."""
    if not diameter_mm:
        return Stage(None, "no primary in the mask: T0, TX, or not drawn")
    value = "T1" if diameter_mm <= 20 else "T2" if diameter_mm <= 40 else "T3"
    return Stage(value, "T4 if neighbouring structures are invaded, which a mask does not show")


def n_stage(
    count: int, diameter_mm: float, *, opposite: bool | None, both_sides: bool | None, edition: int, hpv: bool | None
) -> Stage:
    """N by the number of nodes, the longest diameter of the largest, and whether one lies opposite the primary
    (`opposite`) or nodes lie on both sides (None: sides not known, taken as the primary's side and said so).

    7th edition, and 8th without p16: one node up to 30 mm on the primary's side N1, up to 60 mm N2a, several N2b, opposite
    or both sides N2c, above 60 mm N3 (8th: N3a). 8th with p16: up to 60 mm on the primary's side N1, opposite or both sides
    N2, above 60 mm N3. 8th with an unknown status: only what is the same either way. MET107 for another edition.
    """
    if edition not in EDITIONS:
        raise TumorboardError(codes.OPTION_UNKNOWN, "edition", found=repr(edition), expected="7 or 8")
    if not count:
        return Stage("N0", "nodes that were not drawn")
    across = bool(opposite) or bool(both_sides)
    notes = [] if opposite is not None or both_sides is not None else ["sides not known, taken as the primary's"]
    with_p16 = "N3" if diameter_mm > 60 else "N2" if across else "N1"
    if diameter_mm > 60:
        without = "N3" if edition == 7 else "N3a"
    elif across:
        without = "N2c"
    elif count > 1:
        without = "N2b"
    else:
        without = "N1" if diameter_mm <= 30 else "N2a"
    if edition == 8 and hpv is not True:
        notes.append("N3b if a node's capsule is broken, which a mask does not show")
    if edition == 7 or hpv is False:
        return Stage(without, "; ".join(notes))
    if hpv:
        return Stage(with_p16, "; ".join(notes))
    same = with_p16[:2] == without[:2]
    notes.append("" if same else f"{with_p16} with p16, {without} without: the status is not known")
    return Stage(with_p16[:2] if same else None, "; ".join(note for note in notes if note))


def stage_of(features: Mapping[str, float], *, edition: int, hpv: bool | None = None) -> dict[str, Stage]:
    """``{"T stage": ..., "N stage": ...}`` of a patient from the geometry of a mask: primary_diameter_mm, node_count,
    node_diameter_mm, and where the midline is known node_opposite and nodes_on_both_sides (1 or 0)."""
    sides = {name: features.get(name) for name in ("node_opposite", "nodes_on_both_sides")}
    opposite, both = (None if value is None else bool(value) for value in sides.values())
    return {
        "T stage": t_stage(features.get("primary_diameter_mm")),
        "N stage": n_stage(
            int(features.get("node_count", 0)),
            float(features.get("node_diameter_mm", 0.0)),
            opposite=opposite,
            both_sides=both,
            edition=edition,
            hpv=hpv,
        ),
    }
