"""JSON from elsewhere: a trailing comma is forgiven, doubled keys and endless files are not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes

__all__ = ["read_tolerant_json"]

_MAX_BYTES = 2**20
_TRAILING = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


def read_tolerant_json(path: Path) -> Any:
    """The value in a small JSON file (UTF-8, at most 1 MiB). LAY103 when it is none."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        text = _TRAILING.sub(lambda match: match[1] or "", path.read_text(encoding="utf-8-sig"))
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError, OSError) as error:
        raise TumorboardError(
            codes.TABLE_FORM, path, found=f"{type(error).__name__}: {error}", expected="a JSON value of at most 1 MiB"
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    doubled = {key for key in keys if keys.count(key) > 1}
    if doubled:
        raise ValueError(f"keys {sorted(doubled)} more than once")
    return dict(pairs)
