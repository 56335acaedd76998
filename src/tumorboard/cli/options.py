"""`--set key=value`: words of the command line -> typed keyword arguments of a function."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

__all__ = ["described_options", "parse_settings", "resolve_layout"]

_SIMPLE = (bool, int, float, str, Path)
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def parse_settings(
    settings: Sequence[str], function: Callable[..., Any], *, reserved: Iterable[str] = ("progress",)
) -> dict[str, Any]:
    """``["pet_unit=Bq/ml"]`` -> {"pet_unit": "Bq/ml"}, by the keyword-only parameters of `function`.

    Types: bool, int, float, str, Path, Literal, each also `| None` (the word ``none``). Parameters of other types
    and `reserved` ones cannot be set. Unknown keys, doubled keys and values of another type end the program with
    exit code 2 and the list of options.
    """
    known = {name: kind for name, (kind, _) in _options(function).items() if name not in set(reserved)}
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not sign or key not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise typer.BadParameter(f"{setting!r} is no option here. Options: {listed}", param_hint="--set")
        if key in parsed:
            raise typer.BadParameter(f"{key} is set twice", param_hint="--set")
        parsed[key] = _convert(key, text, known[key])
    return parsed


def described_options(function: Callable[..., Any], *, reserved: Iterable[str] = ("progress",)) -> list[dict[str, Any]]:
    """The options that `parse_settings` accepts: name, type and default, for people and for ``--json``."""
    return [
        {"name": name, "type": _type_name(kind), "default": None if default is None else str(default)}
        for name, (kind, default) in _options(function).items()
        if name not in set(reserved)
    ]


def resolve_layout(name: str, *, direction: str) -> Callable[..., Any]:
    """The function that reads or writes (`direction`) a layout; exit code 2 with the list of layouts otherwise."""
    from tumorboard.core.registry import layouts, resolve

    able = {layout.name: layout for layout in layouts().values() if getattr(layout, direction)}
    if name not in able:
        listed = "; ".join(f"{layout.name} ({layout.title})" for layout in able.values())
        raise typer.BadParameter(f"no layout {name!r} to {direction}. Layouts: {listed}", param_hint="LAYOUT")
    return resolve(getattr(able[name], direction))


def _options(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    hints = typing.get_type_hints(function)
    return {
        name: (hints[name], parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and _choices(hints.get(name)) is not None
    }


def _choices(kind: Any) -> list[Any] | None:
    """The simple types (or literal values) a parameter takes; None when it takes something else."""
    if kind in _SIMPLE or kind is type(None):
        return [kind]
    if typing.get_origin(kind) is typing.Literal:
        return list(typing.get_args(kind))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        parts = [_choices(part) for part in typing.get_args(kind)]
        if all(part is not None for part in parts):
            return [choice for part in parts if part for choice in part]
    return None


def _convert(key: str, text: str, kind: Any) -> Any:
    for choice in _choices(kind) or []:
        try:
            return _as(choice, text)
        except ValueError:
            continue
    raise typer.BadParameter(f"{key}={text!r}: expected {_type_name(kind)}", param_hint="--set")


def _as(choice: Any, text: str) -> Any:
    if choice is type(None):
        if text.casefold() == "none":
            return None
        raise ValueError(text)
    if choice is bool:
        if text.casefold() in _TRUE | _FALSE:
            return text.casefold() in _TRUE
        raise ValueError(text)
    if choice in _SIMPLE:
        return choice(text)
    if str(choice) == text:
        return choice
    raise ValueError(text)


def _type_name(kind: Any) -> str:
    names = ["none" if c is type(None) else c.__name__ if c in _SIMPLE else str(c) for c in _choices(kind) or []]
    return " or ".join(names)
