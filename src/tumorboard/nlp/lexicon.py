"""Lexicons: tables and rules that a radiologist can edit, compiled once for the reader."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.nlp.codes import LEXICON_MISSING, LEXICON_UNREADABLE
from tumorboard.nlp.compilation import Compiled, compile_terms
from tumorboard.nlp.ontology import Ontology, read_ontology

__all__ = ["FILES", "Lexicon", "Row", "lexicon_names", "load_lexicon"]

FOLDER = Path(__file__).parent / "lexicon"
FILES = ("words.tsv", "findings.tsv", "anatomy.tsv", "modifiers.tsv", "context.yaml", "sections.yaml", "ontology.yaml")
"""Files of a lexicon. Those it lacks come from `common`; tables and triggers of both are used together."""
_COLUMNS = ("surface", "label", "category", "codes", "flags")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, with where it stands."""

    where: str
    surface: str
    label: str
    category: str
    codes: str
    flags: frozenset[str]


@dataclass(frozen=True)
class Lexicon:
    """A lexicon as read and compiled.

    `stamp` names it with version and the first 12 digits of the SHA-256 of all its files: ``chest-xray 1.0 (…)``.
    """

    name: str
    stamp: str
    rows: tuple[Row, ...]
    variants: Mapping[str, str]
    triggers: tuple[Mapping[str, Any], ...]
    macros: Mapping[str, str]
    sections: tuple[Mapping[str, Any], ...]
    ontology: Ontology
    compiled: Compiled = field(repr=False)


def lexicon_names() -> tuple[str, ...]:
    """Lexicons of the package."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/ontology.yaml")))


def load_lexicon(name: str | Path = "chest-xray") -> Lexicon:
    """The lexicon of that name, or in that folder; read and compiled once per process.

    Raises NLP101 where there is none, NLP102 where a file does not read.
    """
    text = str(name)
    if text in lexicon_names():
        return _packaged(text)
    folder = Path(name)
    if not (folder / "ontology.yaml").is_file():
        raise TumorboardError(
            LEXICON_MISSING, text, found="no such lexicon", expected=f"one of {', '.join(lexicon_names())} or a folder"
        )
    return _load(folder)


@lru_cache(maxsize=4)
def _packaged(name: str) -> Lexicon:
    return _load(FOLDER / name)


def _load(folder: Path) -> Lexicon:
    common = FOLDER / "common"
    found = [base / file for file in FILES for base in (common, folder) if (base / file).is_file()]
    data = {path: path.read_bytes() for path in found}
    digest = hashlib.sha256()
    for path in found:
        digest.update(f"{path.parent == common}/{path.name}\n".encode() + data[path].replace(b"\r\n", b"\n"))
    rows: list[Row] = []
    variants: dict[str, str] = {}
    triggers: list[Mapping[str, Any]] = []
    macros: dict[str, str] = {}
    sections: list[Mapping[str, Any]] = []
    ontology: Mapping[str, Any] = {}
    for path in found:
        text = _text(path, data[path])
        if path.name == "words.tsv":
            variants.update((line["variant"], line["word"]) for _, line in _table(path, text, ("variant", "word")))
        elif path.suffix == ".tsv":
            rows.extend(_rows(path, text))
        else:
            content = _yaml(path, text)
            triggers.extend(content.get("triggers", ()))
            macros.update(content.get("macros", {}))
            sections.extend(content.get("sections", ()))
            ontology = content if path.name == "ontology.yaml" else ontology
    built = read_ontology(ontology, folder / "ontology.yaml")
    try:
        compiled = compile_terms(rows, variants=variants, triggers=triggers, macros=macros, ontology=built)
    except (ValueError, KeyError, TypeError) as error:
        raise TumorboardError(
            LEXICON_UNREADABLE, folder, found=str(error), expected="wordings and names that resolve"
        ) from error
    stamp = f"{built.name} {built.version} ({digest.hexdigest()[:12]})"
    return Lexicon(built.name, stamp, tuple(rows), variants, tuple(triggers), macros, tuple(sections), built, compiled)


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TumorboardError(LEXICON_UNREADABLE, path, found=str(error), expected="UTF-8 text") from error


def _rows(path: Path, text: str) -> Iterable[Row]:
    for number, line in _table(path, text, _COLUMNS):
        where = f"{path.parent.name}/{path.name}:{number}"
        flags = frozenset(line["flags"].split())
        yield Row(where, line["surface"], line["label"], line["category"], line["codes"], flags)


def _table(path: Path, text: str, columns: tuple[str, ...]) -> Iterable[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = tuple(next(reader, ()))
    if header != columns:
        raise TumorboardError(
            LEXICON_UNREADABLE, f"{path}:1", found="\t".join(header), expected=" ".join(columns) + ", tab between"
        )
    for number, cells in enumerate(reader, start=2):
        if not cells or cells[0].startswith("#"):
            continue
        if len(cells) > len(columns) or len(cells) < 2:
            raise TumorboardError(
                LEXICON_UNREADABLE, f"{path}:{number}", found=f"{len(cells)} cells", expected=f"{len(columns)}"
            )
        yield number, dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=True))


def _yaml(path: Path, text: str) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise TumorboardError(LEXICON_UNREADABLE, path, found=str(error), expected="YAML") from error
    if not isinstance(content, Mapping):
        raise TumorboardError(LEXICON_UNREADABLE, path, found=type(content).__name__, expected="keys and values")
    return content
