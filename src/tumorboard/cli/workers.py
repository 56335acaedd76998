"""Where a verb's cases are worked on: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tumorboard.engine.executors import Executor

__all__ = ["SCHEDULER", "case_pool"]

SCHEDULER = typer.Option(
    "",
    "--scheduler",
    metavar="ADDRESS",
    help="A Dask scheduler (tcp://HOST:8786): its workers do the cases. They need the same files at the same paths.",
)


def case_pool(workers: int, scheduler: str = "") -> Executor:
    """The executor for `workers` processes (0: one per core; 1: this one), or that of the cluster at `scheduler`.

    Close it when done: it is a context manager. ENG106 where Dask is missing, ENG107 where no scheduler answers.
    """
    from tumorboard.engine.executors import executor

    if scheduler:
        return executor(kind="dask", address=scheduler)
    return executor(workers)
