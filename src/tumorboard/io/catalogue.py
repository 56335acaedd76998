"""Questions to a cohort's tables in SQL, by DuckDB on the Parquet files: only what an answer needs is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import TABLES
from tumorboard.io import codes
from tumorboard.io.store import table_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from duckdb import DuckDBPyConnection

__all__ = ["catalogue", "query"]

_MEMORY = "2GB"


@contextmanager
def catalogue(folder: str | Path) -> Iterator[DuckDBPyConnection]:
    """A DuckDB connection with one view per table of the cohort in `folder` (patients, exams, ... runs).

    The connection reads these files and nothing else: no other file, no network, no extension, and what it could not
    read stays so (`lock_configuration`). The files' checksums are not verified, as `open_cohort` does, since that
    would read them whole. Errors: STO101, STO102, STO103 for the folder.
    """
    import duckdb

    files = table_files(folder)
    connection = duckdb.connect(config={"memory_limit": _MEMORY})
    try:
        for name in TABLES:
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_quoted(files[name])})")
        allowed = ", ".join(_quoted(path) for path in files.values())
        connection.execute(f"SET allowed_paths = [{allowed}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def query(folder: str | Path, sql: str, *, most_rows: int = 100_000) -> tuple[list[str], Sequence[tuple[Any, ...]]]:
    """Names of the columns and rows of one SELECT over the cohort's tables; STO106 for what is none, cannot be
    answered, or has more than `most_rows` rows."""
    import duckdb

    with catalogue(folder) as connection:
        try:
            statements = duckdb.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise TumorboardError(codes.QUERY, folder, found=repr(sql[:200]), expected="one SELECT")
            answer = connection.execute(statements[0])
            columns = [str(column[0]) for column in answer.description or []]
            rows = answer.fetchmany(most_rows + 1)
        except duckdb.Error as error:
            found = f"{type(error).__name__}: {error}"
            raise TumorboardError(codes.QUERY, folder, found=found[:500], expected="one SELECT") from error
    if len(rows) > most_rows:
        raise TumorboardError(
            codes.QUERY, folder, found=f"more than {most_rows} rows", expected="fewer", fix="add LIMIT, or count them"
        )
    return columns, rows


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
