"""The verbs of the command line that run tasks, for Python: `tumorboard.benchmark(cohort, task="prognosis")`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import resolve, tasks
from tumorboard.tasks import codes
from tumorboard.tasks.result import TaskResult

__all__ = ["benchmark"]


def benchmark(
    cohort: Cohort,
    *,
    task: str,
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> TaskResult:
    """Cross-validate `task` on `cohort` beside every baseline, as `tumorboard benchmark` does.

    `out` is where models and predictions go (default ``benchmark-<task>`` in the working folder); `settings` are the
    task's own. Errors: TSK101 for an unknown task, TSK102 when the cohort lacks what it needs, pydantic's
    ValidationError for settings that do not fit.
    """
    known = {name: spec for name, spec in tasks().items() if spec.benchmark}
    if task not in known:
        raise TumorboardError(codes.TASK_UNKNOWN, "benchmark", found=repr(task), expected=", ".join(known))
    spec = known[task]
    lacking = list(resolve(spec.missing)(cohort))
    if lacking:
        raise TumorboardError(codes.TASK_LACKS, cohort.name, found=f"no {', no '.join(lacking)}", expected=spec.title)
    assert spec.benchmark is not None
    config = resolve(spec.config)(**settings)
    folder = Path(f"benchmark-{task}" if out is None else out)
    result: TaskResult = resolve(spec.benchmark)(cohort, folder, config=config, progress=progress)
    return result
