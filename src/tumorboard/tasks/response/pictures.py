"""Figures of responses as files, with the words that go beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorboard.io.files import atomic_file
from tumorboard.tasks.response import figures
from tumorboard.tasks.result import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cohort_pictures", "draw", "patient_picture"]


def cohort_pictures(results: Sequence[Mapping[str, Any]], folder: Path) -> list[Picture]:
    """Waterfall, spider and swimmer plot of all patients; none without a second exam anywhere."""
    judged = [one for one in results if one["best"] is not None]
    if not judged:
        return []
    counts = Counter(str(one["best"]) for one in judged)
    told = ", ".join(f"{word} {counts[word]}" for word in figures.STATES if word in counts)
    made = [
        draw(figures.swimmers(judged), folder, "swimmers", title="Responses over time", alt=f"Best response: {told}.")
    ]
    changes = [change for one in judged if (change := figures.best_change(one)) is not None]
    if changes:
        fell = sum(change <= -30 + 1e-9 for change in changes)
        alt = f"Best change of the sum of {len(changes)} patients, {fell} of them by 30 % or more down. {told}."
        made.append(draw(figures.waterfall(judged), folder, "waterfall", title="Best change of each patient", alt=alt))
        alt = f"Change of the sum from baseline over time, {len(changes)} patients."
        made.append(draw(figures.spider(judged), folder, "spider", title="Change over time", alt=alt))
    return made


def patient_picture(result: Mapping[str, Any], folder: Path, *, name: str) -> Picture:
    """The timeline of one patient, in a file of this (plain) name."""
    words = [f"{exam['exam']} {exam['response']}" for exam in result["exams"] if exam["response"]]
    alt = f"Sum of diameters and axes of {len(result['lesions'])} lesions over {len(result['exams'])} exams: "
    return draw(
        figures.timeline(result), folder, name, title="Lesions over time, RECIST 1.1",
        alt=alt + (", ".join(words) or "no exam after the first") + ".", patient_id=str(result["patient"]),
    )  # fmt: skip


def draw(figure: Figure, folder: Path, name: str, *, title: str, alt: str, patient_id: str = "") -> Picture:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return Picture(path, title, alt, patient_id)
