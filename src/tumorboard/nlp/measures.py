"""Sizes in text: numbers with a unit of length, one to three axes."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["number", "sizes_mm"]

_MM = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "cm": 10.0, "centimeter": 10.0, "centimeters": 10.0}


def sizes_mm(tokens: Sequence[str]) -> list[float]:
    """Axes in mm, longest first, of tokens such as ``1.2 x 0.8 cm``; empty when there is no unit of length.

    A comma in a number is a decimal comma. A unit said once, at the end, is that of all axes.
    """
    values: list[tuple[float, float]] = []
    unit = 0.0
    for token in reversed(tokens):
        if token in _MM:
            unit = _MM[token]
        elif token[0].isdigit() and unit:
            values.append((float(token.replace(",", ".")), unit))
    return sorted((round(value * scale, 3) for value, scale in values), reverse=True)


def number(tokens: Sequence[str]) -> float | None:
    """The last number among tokens, a comma in it read as the decimal point."""
    return next((float(token.replace(",", ".")) for token in reversed(tokens) if token[0].isdigit()), None)
