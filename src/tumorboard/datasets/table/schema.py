"""The TOML beside a table: what its columns mean.

name = "Example cohort"                 # optional; else the file's stem
file = "clinical.csv"                   # beside the TOML; .csv, .tsv, .txt, .xlsx
id = "patient_id"                       # a column, several (joined by "-"), or "row number"
centre = "Hospital"                     # optional: the column of the centre or sub-cohort
missing = ["", "NA", "Not collected"]   # cells that mean "not known", in every column
covariates = ["Age at diagnosis", "Gender"]   # known before treatment: models may predict from these columns
# sheet, delimiter, header_rows (several are joined by "."), encoding

[constants]                             # the same for all patients
centre = "Zurich"

[[filters]]                             # rows to keep (or drop)
column = "Structure"
keep = ["GTV-1"]

[[join]]                                # further files, matched on their own id
file = "targets.csv"
id = "patient_id"

[columns."Age at diagnosis"]            # columns not listed are imported with an inferred kind
as = "age_years"
kind = "numeric"                        # numeric, categorical, ordinal, boolean, date, text
unit = "years"

[columns.Gender]
as = "sex"
levels = { "0" = "female", "1" = "male" }

[endpoints.OS]                          # a time column and an event column
time = "Survival (months)"
unit = "months"
event = "Status"
events = ["Dead"]
censored = ["Alive"]

[endpoints.RFS]                         # or dates: the earliest event, else censored
start = "RT start"                      # start_plus_days = "column" adds that many days to it
date_format = "%m/%d/%Y"
censored_on = "Last follow-up"
[[endpoints.RFS.occurs]]
column = "Local recurrence"
values = ["Yes"]
date = "Date of local recurrence"

[endpoints.EFS]                         # or whichever comes first of other endpoints
first_of = ["RFS", "OS"]

[endpoints.HPV]                         # or a class
class = "p16"
levels = { "2" = "positive", "0" = "negative" }
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind
from tumorboard.datasets.table import codes

__all__ = ["ROW_NUMBER", "Column", "Endpoint", "File", "Filter", "Occurrence", "Schema", "load_schema"]

ROW_NUMBER = "row number"

Heading = Annotated[str, BeforeValidator(lambda name: name.strip() if isinstance(name, str) else name)]
TimeUnit = Literal["days", "weeks", "months", "years"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Filter(_Strict):
    """Rows to keep, or to drop, by the published value of one column."""

    column: Heading
    keep: list[str] | None = None
    drop: list[str] | None = None

    @model_validator(mode="after")
    def _one(self) -> Filter:
        if (self.keep is None) == (self.drop is None):
            raise ValueError("give either `keep` or `drop`")
        return self


class File(_Strict):
    """One file of the table."""

    file: str | None = None
    id: Heading | list[Heading] = ROW_NUMBER
    sheet: str | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    header_rows: int = Field(1, ge=1, le=9)
    encoding: str = "utf-8-sig"
    filters: list[Filter] = []


class Joined(File):
    """A further file, matched on its own id column to the first."""

    file: str
    id: Heading | list[Heading]
    prefix: str = ""


class Column(_Strict):
    """One column as a variable of the patients."""

    as_: Heading | None = Field(None, alias="as")
    kind: Kind | None = None
    unit: str = ""
    levels: dict[str, str] = {}
    missing: list[str] = []
    date_format: str | None = None
    note: str = ""
    drop: bool = False


class Occurrence(_Strict):
    """An event that happened where `column` holds one of `values` (any date when not given), on `date`."""

    date: Heading
    column: Heading | None = None
    values: list[str] = []


class Endpoint(_Strict):
    """Time and event columns, or dates, or a class."""

    time: Heading | None = None
    unit: TimeUnit | None = None
    event: Heading | None = None
    events: list[str] = []
    censored: list[str] = []

    start: Heading | None = None
    start_plus_days: Heading | None = None
    """Column of days between `start` and the day that time counts from (surgery after the CT)."""
    occurs: list[Occurrence] = []
    censored_on: Heading | None = None
    date_format: str | None = None

    first_of: list[str] = []
    """Other endpoints of the schema: the event is the earliest of theirs; without one, the shortest follow-up."""

    class_: Heading | None = Field(None, alias="class")
    levels: dict[str, str] = {}

    missing: list[str] = []
    raw: Heading | None = None
    problem: Heading | None = None
    keep_columns: bool = False
    """Whether the endpoint's columns also stay variables of the patients (they give the outcome away)."""

    @model_validator(mode="after")
    def _one_form(self) -> Endpoint:
        timed, dated, classed = self.time is not None, self.start is not None, self.class_ is not None
        if timed + dated + classed + bool(self.first_of) != 1:
            raise ValueError(
                "give exactly one of `time` (with `unit`, `event`), `start` (dates), `first_of` or `class`"
            )
        if timed and (self.unit is None or self.event is None):
            raise ValueError("`time` needs `unit` (days, weeks, months, years) and `event`")
        if timed and not self.events:
            raise ValueError("`events` must list the values of `event` that mean it happened")
        if dated and not (self.date_format and self.censored_on and self.occurs):
            raise ValueError("`start` needs `date_format`, `censored_on` and at least one [[occurs]]")
        return self

    @property
    def columns(self) -> list[str]:
        """Headings that this endpoint reads."""
        named = [
            self.time,
            self.event,
            self.start,
            self.start_plus_days,
            self.censored_on,
            self.class_,
            self.raw,
            self.problem,
        ]
        named += [name for occurrence in self.occurs for name in (occurrence.column, occurrence.date)]
        return [name for name in dict.fromkeys(named) if name is not None]


class Schema(File):
    """The whole TOML."""

    name: str | None = None
    licence: str = ""
    citation: str = ""
    note: str = ""
    centre: Heading | None = None
    missing: list[str] = ["", "NA", "N/A", "nan", "NaN"]
    constants: dict[str, str | float | bool] = {}
    covariates: list[Heading] = []
    join: list[Joined] = []
    columns: dict[Heading, Column] = {}
    other_columns: Literal["keep", "drop"] = "keep"
    endpoints: dict[str, Endpoint] = {}


def load_schema(path: Path) -> Schema:
    """The schema in a TOML file. TAB102 names the key that is wrong."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Schema.model_validate(content)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise TumorboardError(codes.TABLE_SCHEMA, path, found=str(error), expected="a TOML file") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise TumorboardError(
            codes.TABLE_SCHEMA,
            f"{path}, {key or 'top level'}",
            found=f"{first['input']!r}"[:120] + others,
            expected=first["msg"],
        ) from error
