"""The pages of a board below one folder: drawn all at once for an export, one by one for a server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from tumorboard.board import codes, plots
from tumorboard.board.cohort_facts import CohortFacts, Plot
from tumorboard.board.context import Board, PatientSummary
from tumorboard.board.crops import Crop, draw_crops
from tumorboard.board.exam import ExamPage, draw_exam, save_picture
from tumorboard.board.lesion_plots import draw_lesion_plots
from tumorboard.board.pages import Pages
from tumorboard.board.pictures import colour_bars
from tumorboard.board.report import self_contained
from tumorboard.core.cohort import ImageLoader
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.core.tables import EXPERT
from tumorboard.core.volume import Volume

__all__ = ["Job", "Site", "draw_patient"]


@dataclass(frozen=True)
class Job:
    """One patient's images, in plain values that cross process borders."""

    patient_id: str
    folder: str
    exams: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]
    crops: tuple[Crop, ...] = ()


@dataclass(frozen=True)
class Site:
    """A board's pages below `folder`."""

    board: Board
    folder: Path

    def write_assets(self) -> None:
        """Styles, scripts, NiiVue, colour bars: what every page shares."""
        with as_file(files("tumorboard.board") / "static") as static:
            shutil.copytree(static, self.folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
        for name in ("patients", "plots", "reports"):
            (self.folder / name).mkdir(exist_ok=True)
        for name, bar in zip(("bar-fused.png", "bar-pet.png"), colour_bars(), strict=True):
            save_picture(self.folder / name, bar)

    def job(self, patient_id: str) -> Job:
        """What a worker needs to draw a patient."""
        board = self.board
        exams = tuple(
            (exam["exam_id"], tuple(board.images_of.get(exam["exam_id"], ())))
            for exam in board.exams_of.get(patient_id, [])
        )
        return Job(patient_id, board.names[patient_id], exams, tuple(board.crops(patient_id)))

    def drawer(self) -> Callable[[Job], list[ExamPage]]:
        """A function of a job that can be sent to another process."""
        cohort = self.board.cohort
        return partial(
            draw_patient,
            load=partial(_load, loader=cohort.loader, root=cohort.root),
            run_ids=[style.run_id for style in self.board.styles],
            folder=self.folder,
        )

    def crop(self, patient_id: str, number: int) -> Path | None:
        """A crop of a marked lesion, drawn now (with the others of the same scan) if it was not before; None when there
        is no such lesion, or no pixels of it."""
        path = self.folder / "crops" / self.board.names[patient_id] / f"{number}.png"
        crops = {crop.number: crop for crop in self.board.crops(patient_id)}
        if number not in crops:
            return None
        if not path.is_file():
            scan = crops[number].image["image_id"]
            mine = [crop for crop in crops.values() if crop.image["image_id"] == scan]
            load = partial(_load, loader=self.board.cohort.loader, root=self.board.cohort.root)
            draw_crops(mine, load=load, folder=path.parent)
        return path

    def write_patient(self, patient_id: str, drawn: Sequence[ExamPage]) -> PatientSummary:
        """Write the page of a drawn patient, and keep what the cohort's page needs."""
        facts = self.board.patient(patient_id, drawn)
        path = self.folder / "patients" / f"{facts.page}.html"
        report = self_contained(self._pages.report(facts), self.folder)
        (self.folder / "reports" / path.name).write_text(report, encoding="utf-8")
        path.write_text(self._pages.patient(facts), encoding="utf-8")
        return PatientSummary.of(drawn, f"pictures/{facts.page}")

    def write_cohort(self, drawn: Mapping[str, PatientSummary]) -> None:
        """Write the cohort's page and the further pages of the list of patients."""
        facts = CohortFacts(self.board, drawn, self._plots(drawn))
        _ = self._lesion_plots
        (self.folder / "index.html").write_text(self._pages.cohort(facts), encoding="utf-8")
        for number in range(2, len(facts.chunks) + 1):
            text = self._pages.further(facts, number)
            (self.folder / f"patients-{number}.html").write_text(text, encoding="utf-8")

    @property
    def _pages(self) -> Pages:
        made: Pages = self.__dict__.setdefault("_made_pages", Pages(self.board))
        return made

    @cached_property
    def _lesion_plots(self) -> list[str]:
        """Names of the plots of the marked lesions, which do not change while patients are drawn: written once."""
        return draw_lesion_plots(self.board, self.folder / "plots")

    def _plots(self, drawn: Mapping[str, PatientSummary]) -> list[Plot]:
        """Cohort plots, each in the page's light and dark colours."""
        cohort = self.board.cohort
        wanted: list[tuple[str, str, Callable[[plots.Theme], Any]]] = []
        for i, endpoint in enumerate(cohort.endpoints()):
            usable = cohort.rows("outcomes", endpoint=endpoint, run_id=EXPERT)
            if not any(row["survival"] is not None for row in usable):
                continue
            outcome = cohort.outcome(endpoint)
            if isinstance(outcome, Survival):
                title = f"{endpoint}: events in {outcome.events} of {len(outcome)} patients"
                left_out = len(usable) - len(outcome)
                note = f" ({left_out} more without a usable time)" if left_out else ""
                wanted.append((f"km-{i}", title + note, partial(_km, outcome)))
        hot = [lesion for summary in drawn.values() for lesion in summary.hot]
        if hot:
            wanted.append(("lesions", f"{len(hot)} drawn lesions: volume and highest uptake", partial(_lesions, hot)))
        made = []
        for name, title, draw in wanted:
            for theme in (plots.LIGHT, plots.DARK):
                draw(theme).savefig(self.folder / "plots" / f"{name}-{theme.name}.svg", metadata={"Date": None})
            made.append(Plot(name, title, "outcomes" if name.startswith("km") else "lesions"))
        return made


def draw_patient(
    job: Job, *, load: Callable[[Mapping[str, Any]], Volume], run_ids: Sequence[str], folder: Path
) -> list[ExamPage]:
    """Every exam of a patient as pictures and figures below `folder`, and crops of the marked lesions; a scan is read
    once for both."""
    pages = []
    for number, (exam_id, images) in enumerate(job.exams):
        names = {row["image_id"] for row in images}
        crops = [crop for crop in job.crops if crop.image["image_id"] in names]
        read = _Reader(load, {crop.image["image_id"] for crop in crops})
        place = folder / "pictures" / job.folder / str(number)
        pages.append(draw_exam(exam_id, images, load=read, run_ids=run_ids, folder=place))
        draw_crops(crops, load=read.again, folder=folder / "crops" / job.folder)
    return pages


class _Reader:
    """Reads the images of an exam, and keeps those of `wanted` until they are asked for `again`."""

    def __init__(self, load: Callable[[Mapping[str, Any]], Volume], wanted: set[str]) -> None:
        self._load, self._wanted = load, wanted
        self._kept: dict[str, Volume] = {}

    def __call__(self, row: Mapping[str, Any]) -> Volume:
        volume = self._load(row)
        if row["image_id"] in self._wanted:
            self._kept[row["image_id"]] = volume
        return volume

    def again(self, row: Mapping[str, Any]) -> Volume:
        return self._kept.pop(row["image_id"], None) or self._load(row)


def _load(row: Mapping[str, Any], *, loader: ImageLoader | None, root: Path | None) -> Volume:
    if loader is None:
        raise TumorboardError(
            codes.BOARD_NO_LOADER, row["image_id"], found="a cohort without an image loader", expected="one with"
        )
    return loader(row, root)


def _km(outcome: Survival, theme: plots.Theme) -> Any:
    return plots.kaplan_meier(outcome, theme=theme)


def _lesions(lesions: Sequence[Any], theme: plots.Theme) -> Any:
    return plots.lesion_map(lesions, theme=theme)
