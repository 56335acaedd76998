"""The data dictionary: what a clinical column means, in which codes, recorded with the cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Kind", "Variable"]


class Kind(StrEnum):
    """How the values of a variable compare."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    ORDINAL = "ordinal"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXT = "text"


@dataclass(frozen=True)
class Variable:
    """One clinical variable.

    Parameters
    ----------
    name : column in the `patients` table.
    kind : how its values compare.
    unit : of a numeric variable, e.g. ``years``.
    levels : code as published -> meaning, in order for ordinal variables. Empty for free values.
    missing : strings of the source that mean "not known".
    source : column and file as published.
    baseline : whether it was known before treatment and may be used to predict; only a reader of a published layout
        or a schema says so, since what is known later gives the outcome away.
    note : where the codes come from; choices that were ours.
    """

    name: str
    kind: Kind
    unit: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    source: str = ""
    note: str = ""
    baseline: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain types, for `cohort.json`."""
        record = asdict(self)
        record["kind"] = str(self.kind)
        record["levels"] = dict(self.levels)
        record["missing"] = list(self.missing)
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Variable:
        return cls(
            **{
                **record,
                "kind": Kind(record["kind"]),
                "levels": dict(record.get("levels", {})),
                "missing": tuple(record.get("missing", ())),
            }
        )
