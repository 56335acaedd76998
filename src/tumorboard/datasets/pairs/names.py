"""What a file name says: patient and role.

A name is split into words at every character that is no letter or digit. Words that say a role:

=========  ==========================================================================
CT         ``ct``, ``ctres`` (resampled to the PET)
PT         ``pt``, ``pet``, ``suv``
mask       ``mask``, ``seg``, ``segmentation``, ``label``, ``labels``, ``gtv``, ``gtvp``, ``gtvn``, ``roi``,
           ``tumor``, ``tumour``, ``lesion``, ``lesions``
dose       ``dose``, ``rtdose``
CTplan     ``ctplanning``, ``ctplan``
(none)     ``image``, ``img``, ``volume``, ``vol``
=========  ==========================================================================

Role words stand at the end of the name, after the patient id if it is there (``PT-001_CT`` is the CT of
patient ``PT-001``). ``CT`` or ``PT`` beside a mask word says which image the mask was drawn on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes

__all__ = ["Named", "Patterns", "role_of"]

WORDS = {
    **dict.fromkeys(["ct", "ctres"], "CT"),
    **dict.fromkeys(["pt", "pet", "suv"], "PT"),
    **dict.fromkeys(["mask", "seg", "segmentation", "label", "labels", "gtv", "gtvp", "gtvn", "roi"], "mask"),
    **dict.fromkeys(["tumor", "tumour", "lesion", "lesions"], "mask"),
    **dict.fromkeys(["dose", "rtdose"], "dose"),
    **dict.fromkeys(["ctplanning", "ctplan"], "CTplan"),
    **dict.fromkeys(["image", "img", "volume", "vol"], ""),
}
STRUCTURES = {"gtvp": "GTVp", "gtvn": "GTVn", "gtv": "GTV"}


@dataclass(frozen=True)
class Named:
    """What a name says: the kind of image, the patient (empty: the folder says it), and for a mask the image
    it is named for and the structure it is named after."""

    kind: str
    patient: str = ""
    prefer: str | None = None
    structure: str | None = None


@dataclass(frozen=True)
class Patterns:
    """Patterns (comma separated, ``*`` and ``?``) by role, that stand above the words of the name."""

    by_kind: Mapping[str, str]
    ignore: str = ""

    def kind(self, path: Path) -> str | None:
        """The one role whose pattern fits; LAY102 when two do."""
        kinds = [kind for kind, patterns in self.by_kind.items() if _fits(path.name, patterns)]
        if len(kinds) > 1:
            raise TumorboardError(
                codes.FILE_ROLE, path, found=f"a name that fits the patterns of {kinds}", expected="one role"
            )
        return kinds[0] if kinds else None

    def ignored(self, path: Path) -> bool:
        return _fits(path.name, self.ignore)


def role_of(path: Path, suffix: str, patterns: Patterns, *, folder: str | None) -> Named:
    """Role (and in a flat folder, patient) of a file from its name.

    `folder` is the patient's folder, or None in a flat folder, where the name must begin with the id.
    LAY102 when the name says no role or several.
    """
    stem = path.name[: -len(suffix)]
    head, words = _split(stem, folder)
    said = [WORDS[word] for word in words if WORDS[word]]
    images = sorted({kind for kind in said if kind != "mask"})
    kind = patterns.kind(path) or ("mask" if "mask" in said else images[0] if len(images) == 1 else None)
    if kind is None or (kind == "mask" and len(images) > 1):
        found = f"the roles {images}" if images else "no role in the name"
        raise TumorboardError(codes.FILE_ROLE, path, found=found, expected="one of CT, PET, mask, dose in the name")
    if folder is None and not head:
        raise TumorboardError(codes.FILE_ROLE, path, found="no patient in the name", expected="<ID>_CT, <ID>_PT ...")
    prefer = images[0] if kind == "mask" and images else None
    structure = next((STRUCTURES[word] for word in words if word in STRUCTURES), None)
    return Named(kind, head if folder is None else "", prefer, structure if kind == "mask" else None)


def _split(stem: str, folder: str | None) -> tuple[str, list[str]]:
    """Patient part and role words of a name."""
    if folder is not None and stem.casefold().startswith(folder.casefold()):
        stem = stem[len(folder) :]
    pieces = [(m.start(), m.group().casefold()) for m in re.finditer(r"[A-Za-z0-9]+", stem)]
    if folder is not None:
        return "", [word for _, word in pieces if word in WORDS]
    end = len(pieces)
    while end and pieces[end - 1][1] in WORDS:
        end -= 1
    if not end:
        return "", [word for _, word in pieces]
    cut = pieces[end][0] if end < len(pieces) else len(stem)
    return stem[:cut].rstrip(" _-."), [word for _, word in pieces[end:]]


def _fits(name: str, patterns: str) -> bool:
    return any(fnmatchcase(name, pattern.strip()) for pattern in patterns.split(",") if pattern.strip())
