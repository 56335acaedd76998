"""JSON from elsewhere: strict, of modest size, and forgiving in exactly one point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes
from tumorboard.io.remarks import Remark

__all__ = ["MAX_JSON_BYTES", "parse_json", "read_json"]

MAX_JSON_BYTES = 64 * 2**20


def read_json(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> tuple[Any, list[Remark]]:
    """The value in a JSON file, and what was forgiven. Errors: FIL101 missing, otherwise as in `parse_json`."""
    if not path.is_file():
        raise TumorboardError(codes.FILE_MISSING, path, found="no such file", expected="a JSON file")
    with path.open("rb") as file:
        # A read of n bytes reserves n first, however small the file.
        data = file.read(min(max_bytes, path.stat().st_size) + 1)
    return parse_json(data, path, max_bytes=max_bytes)


def parse_json(data: bytes, where: str | Path, *, max_bytes: int = MAX_JSON_BYTES) -> tuple[Any, list[Remark]]:
    """JSON by RFC 8259 in UTF-8 (a byte order mark is skipped), keys unique, no NaN.

    One thing is forgiven and remarked (FIL113): a single comma before a closing brace or bracket, as in the sample
    record of HECKTOR's container. Errors: FIL105 more than `max_bytes`, FIL112 anything else that is not JSON.
    """
    if len(data) > max_bytes:
        raise TumorboardError(
            codes.FILE_TOO_LARGE, where, found=f"more than {max_bytes:,} bytes", expected=f"at most {max_bytes:,}"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(where, f"byte {error.start} that is not UTF-8", "UTF-8 text") from error
    try:
        return _strict(text, where), []
    except json.JSONDecodeError as error:
        commas = _hanging_commas(text)
        if not commas:
            raise _invalid(where, f"{error.msg} in line {error.lineno}, column {error.colno}", "JSON") from error
    cleaned = list(text)
    for at in commas:
        cleaned[at] = " "
    try:
        value = _strict("".join(cleaned), where)
    except json.JSONDecodeError as error:
        raise _invalid(where, f"{error.msg} in line {error.lineno}, column {error.colno}", "JSON") from error
    lines = ", ".join(str(text.count("\n", 0, at) + 1) for at in commas[:5])
    remark = Remark.of(
        codes.JSON_COMMA,
        where,
        severity="info",
        found=f"a comma before a closing bracket in line {lines}",
        expected="no comma there",
    )
    return value, [remark]


def _strict(text: str, where: str | Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            names = [name for name, _ in pairs]
            doubled = next(name for name in names if names.count(name) > 1)
            raise _invalid(where, f"the key {doubled!r} twice", "each key once")
        return record

    def no_constant(name: str) -> NoReturn:
        raise _invalid(where, f"the number {name}", "finite numbers")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except RecursionError as error:
        raise _invalid(where, "brackets nested too deeply", "a plain record") from error
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise
        raise _invalid(where, f"{error}", "modest numbers") from error


def _hanging_commas(text: str) -> list[int]:
    """Places of commas outside strings whose next character other than white space closes a bracket, and whose last
    one before is neither a comma nor an opening bracket."""
    found: list[int] = []
    comma, before, quoted, escaped = -1, "", False, False
    for at, char in enumerate(text):
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
            continue
        if char.isspace():
            continue
        if char in "}]" and comma >= 0:
            found.append(comma)
        comma = at if char == "," and before not in ("", ",", "{", "[", ":") else -1
        quoted, before = char == '"', char
    return found


def _invalid(where: str | Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.JSON_INVALID, where, found=found, expected=expected)
