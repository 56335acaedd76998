"""`--set key=value` for tasks: words of the command line -> a task's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from tumorboard.core.registry import TaskSpec

__all__ = ["task_config", "task_spec"]


def task_spec(name: str, *, able_to: str) -> TaskSpec:
    """The task of that name, if it has the function `able_to`; exit code 2 with the list of tasks otherwise."""
    from tumorboard.core.registry import tasks

    able = {key: spec for key, spec in tasks().items() if getattr(spec, able_to)}
    if name not in able:
        raise typer.BadParameter(f"no task {name!r} to {able_to}. Tasks: {', '.join(able)}", param_hint="TASK")
    return able[name]


def task_config(spec: TaskSpec, settings: Sequence[str]) -> Any:
    """The task's settings, defaults but for ``["key=value", ...]``; mistakes end with exit code 2."""
    from pydantic import ValidationError

    from tumorboard.core.registry import resolve

    model: Any = resolve(spec.config)
    values: dict[str, str] = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        key = key.strip().removeprefix(f"{spec.name}.").replace("-", "_")
        if not sign or key not in model.model_fields or key in values:
            why = "is set twice" if key in values else f"is no setting. Settings: {', '.join(model.model_fields)}"
            raise typer.BadParameter(f"{setting!r} {why}", param_hint="--set")
        values[key] = text.strip()
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise typer.BadParameter(f"{where}: {first['msg']}", param_hint="--set") from None
