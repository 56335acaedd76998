"""Silver scene graphs -> Cohort, whole or patient by patient in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import build_table
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import Progress, import_entry
from tumorboard.datasets.imagenome import codes
from tumorboard.datasets.imagenome.batch import Batch, Choice, read_batch
from tumorboard.datasets.imagenome.files import SPLITS, Release, find_release, image_of_place
from tumorboard.datasets.imagenome.problems import Problems
from tumorboard.io.images import load_image

__all__ = ["read", "stream"]

_GRAPHS_AT_ONCE = 500


def read(
    source: Path,
    *,
    name: str | None = None,
    split: Literal["", "train", "valid", "test"] = "",
    patients: int = 0,
    gold: bool = True,
    hedge: Literal["uncertain", "cue"] = "uncertain",
    run_id: str = "silver",
    damaged: Literal["error", "skip"] = "error",
    images: Path | None = None,
    progress: Progress | None = None,
) -> Cohort:
    """Read the silver graphs of a release (and its gold set, where there is one) into a cohort.

    Parameters
    ----------
    source : the release, its `silver_dataset`, a folder of graphs, one graph, or `scene_graph.zip`.
    split : only the images of one split table.
    patients : at most this many patients; 0 for all.
    gold : also read `gold_dataset` beside the silver one, as the run ``expert``.
    hedge : what yes with the cue hedge is: ``uncertain`` (written back as published), or yes with a ``cue``.
    run_id : run of the silver rows.
    damaged : ``error`` stops at the first file that is no graph; ``skip`` leaves such files out and lists them.
    images : folder of the images (`files/p10/p.../s.../<image>.jpg` or `<image>.*`); without it they have no path.

    Boxes are in source pixels; the 224 box stays in a finding's attributes (``box_224``). Subject of a change is the
    current exam, object the previous one. What has no place in the tables is kept in an image's options, so that the
    writer gives back the published graph. Errors: LAY101, FIL105, FIL112, CIG101, CIG117, CIG118, LAY106.
    """
    release = find_release(Path(source), split=split)
    choice = Choice(run_id, hedge, damaged)
    tables: dict[str, list[pa.Table]] = {}
    problems, skipped, done = Problems(), [], 0
    for batch in _batches(release, choice, patients=patients):
        _merge(problems, batch.problems)
        skipped += batch.skipped
        for table, rows in batch.rows.items():
            tables.setdefault(table, []).append(build_table(table, rows))
        done += len(batch.rows["images"])
        if progress:
            progress(done, len(release.places))
    whole = {t: pa.concat_tables(parts, promote_options="permissive") for t, parts in tables.items()}
    if images is not None:
        from tumorboard.datasets.imagenome.pixels import with_pixels

        whole["images"] = with_pixels(whole["images"], Path(images))
    _check_gold(release, whole["images"], problems)
    entry = import_entry(
        "imagenome", Path(source).resolve(), notes=problems.notes() + [f"left out: {s}" for s in skipped],
        split=split, patients=patients, gold=gold, hedge=hedge, run_id=run_id, damaged=damaged,
        space="boxes in source pixels; box_224 in attributes",
    )  # fmt: skip
    runs = [{"run_id": run_id, "task": "scenegraph", "kind": "import", "config": None}]
    cohort = Cohort.build(name or release.root.name, provenance=[entry], loader=load_image, runs=runs, **whole)
    folder = release.root / "gold_dataset"
    if gold and folder.is_dir() and not split:
        from tumorboard.datasets.imagenome.gold import with_gold

        cohort = with_gold(cohort, folder)
    return cohort


def stream(
    source: Path, *, split: str = "", hedge: str = "uncertain", run_id: str = "silver", graphs: int = _GRAPHS_AT_ONCE
) -> Iterator[Cohort]:
    """The release as cohorts of some whole patients each, about `graphs` images at a time: memory does not grow with
    the release. Errors as in `read`."""
    if split not in ("", *SPLITS):
        raise TumorboardError(layout_codes.OPTION, "option split", found=repr(split), expected=", ".join(SPLITS))
    release = find_release(Path(source), split=split)
    for batch in _batches(release, Choice(run_id, hedge), at_once=graphs):
        entry = import_entry("imagenome", Path(source).resolve(), notes=batch.problems.notes(), run_id=run_id)
        runs = [{"run_id": run_id, "task": "scenegraph", "kind": "import"}]
        rows: dict[str, Any] = batch.rows
        yield Cohort.build(release.root.name, provenance=[entry], loader=load_image, runs=runs, **rows)


def _batches(release: Release, choice: Choice, *, patients: int = 0, at_once: int = _GRAPHS_AT_ONCE) -> Iterator[Batch]:
    groups = release.by_patient(release.places)
    if patients:
        groups = groups[:patients]
    waiting: list[str] = []
    for group in groups:
        waiting += group
        if len(waiting) >= at_once:
            yield read_batch(release.read(waiting), choice=choice, splits=release.splits)
            waiting = []
    if waiting:
        yield read_batch(release.read(waiting), choice=choice, splits=release.splits)


def _merge(problems: Problems, more: Problems) -> None:
    for code, count in more.counts.items():
        problems.counts[code] = problems.counts.get(code, 0) + count
        problems.first.setdefault(code, more.first[code])
        problems.titles.setdefault(code, more.titles[code])


def _check_gold(release: Release, images: pa.Table, problems: Problems) -> None:
    """Images of gold patients that stand in the training or validation table (CIG112)."""
    wrong = [
        i for i in images["image_id"].to_pylist() if i in release.avoid and release.splits.get(i) in ("train", "valid")
    ]
    for image_id in wrong:
        problems.add(codes.GOLD_IN_TRAINING, "splits", f"image {image_id} in {release.splits[image_id]}")
    missing = (
        set(map(image_of_place, release.places)) - set(release.splits) - release.avoid if release.splits else set()
    )
    if missing:
        problems.add(codes.FILE_NAME, "splits", f"{len(missing)} graphs in no split table, e.g. {min(missing)}")
