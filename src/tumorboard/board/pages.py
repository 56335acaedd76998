"""Templates filled with what is known; the only file that writes HTML."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.resources import files
from typing import Any

from tumorboard import __version__
from tumorboard.board import summary
from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.context import Board, PatientFacts
from tumorboard.board.lesions import Lesion
from tumorboard.board.panes import COHORT_PANES, PATIENT_PANES, Pane, panes_of
from tumorboard.board.pictures import CT_WINDOW_HU
from tumorboard.board.report import REPORT_PANES, exports_of, sheet
from tumorboard.board.runs import pretty_json

__all__ = ["LESIONS_SHOWN", "POLICY", "Pages", "plain_finding"]

LESIONS_SHOWN = 6
"""Largest lesions listed per run and label; the smaller ones are counted and summed."""
FINDINGS_SHOWN = 50
"""Findings listed per code; the others are counted."""

POLICY = (
    "default-src 'none'; img-src 'self' file: data: blob:; style-src 'self' file:; script-src 'self' file: "
    "'wasm-unsafe-eval'; connect-src 'self' data: blob:; base-uri 'none'; form-action 'none'"
)
"""What a page may load: its own files. `data:` holds the letters that NiiVue draws with; `file:` is there because a
page opened from a folder has no origin of its own."""


def plain_finding(finding: Any) -> dict[str, str]:
    """code, severity, where, message and fix of a check finding (an object or a dictionary), as text."""
    get = finding.get if isinstance(finding, Mapping) else partial(getattr, finding)
    return {key: str(get(key)) for key in ("code", "severity", "where", "message", "fix")}


@dataclass(frozen=True)
class Pages:
    """Fills the templates of one board."""

    board: Board

    def patient(self, patient: PatientFacts) -> str:
        """The page of one patient, linked to its neighbours."""
        ids = self.board.cohort.patient_ids
        number = self._places[patient.patient_id]
        panes = list(panes_of(PATIENT_PANES, patient))
        return self._render(
            "patient.html",
            root="../",
            panes=panes,
            patient=patient.patient_id,
            page=patient.page,
            previous=self._link(ids[number - 1]) if number else None,
            next=self._link(ids[number + 1]) if number + 1 < len(ids) else None,
            position=(number + 1, len(ids)),
            exports=exports_of(patient),
        )

    def report(self, patient: PatientFacts) -> str:
        """The patient's report, still with addresses of its pictures (`report.self_contained` takes them in)."""
        from markupsafe import Markup

        style = sheet()
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
        panes = [replace(pane, data=None) for pane in panes_of(REPORT_PANES, patient)]
        template = self._templates.get_template("report.html")
        return str(
            template.render(
                root="../",
                panes=panes,
                patient=patient.patient_id,
                sheet=Markup(style),  # ours, not a reader's
                sheet_hash=f"sha256-{digest}",
            )
        )

    def cohort(self, facts: CohortFacts) -> str:
        """The cohort's page."""
        return self._render("cohort.html", root="", panes=list(panes_of(COHORT_PANES, facts)))

    def further(self, facts: CohortFacts, number: int) -> str:
        """Page `number` (2, 3 ...) of the list of patients."""
        chunk = (number, len(facts.chunks))
        rows = facts.chunks[number - 1]
        return self._render(
            "patients.html", root="", panes=[], rows=rows, chunk=chunk, links=facts.links, empty=facts.empty
        )

    def _render(self, template: str, *, panes: Sequence[Pane], **values: Any) -> str:
        scripts = [f"panes/{pane.name}.js" for pane in panes if pane.name in self._moving]
        if "panes/corrections.js" in scripts:
            scripts = ["handles.js", *scripts]
        if "panes/filters.js" in scripts:
            scripts = ["statistics.js", *scripts]
        if "panes/viewer.js" in scripts:
            scripts = ["vendor/niivue/niivue.umd.js", "viewer.js", *scripts]
        return str(self._templates.get_template(template).render(panes=panes, scripts=scripts, **values))

    def _link(self, patient: str) -> tuple[str, str]:
        return patient, f"{self.board.names[patient]}.html"

    @cached_property
    def _places(self) -> dict[str, int]:
        return {patient: number for number, patient in enumerate(self.board.cohort.patient_ids)}

    @cached_property
    def _moving(self) -> frozenset[str]:
        """Names of the panes that have a script."""
        scripts = (files("tumorboard.board") / "static" / "panes").iterdir()
        return frozenset(entry.name.removesuffix(".js") for entry in scripts)

    @cached_property
    def _templates(self) -> Any:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("tumorboard.board"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
        environment.filters.update(number=show_number, pretty=pretty_json, words=show_words, spoken=spoken)
        runs = {run_id: number for number, run_id in enumerate(self.board.runs)}
        environment.globals.update(
            board=self.board,
            cohort=self.board.cohort,
            synthetic=summary.is_synthetic(self.board.cohort),
            styles=self.board.styles,
            looks=self.board.looks,
            lesion_blocks=lesion_blocks,
            run_number=runs.get,
            version=__version__,
            window=CT_WINDOW_HU,
            policy=POLICY,
            findings_shown=FINDINGS_SHOWN,
        )
        return environment


def show_number(value: float | None, digits: int = 3) -> str:
    """A figure to `digits` significant digits, without exponents; a dash when there is none."""
    if value is None:
        return "–"
    if value != value:
        return "not a number"
    decimals = max(0, digits - len(str(int(abs(value)))))
    return f"{value:.{decimals}f}" if abs(value) >= 1 else f"{value:.{digits - 1}f}"


def spoken(name: str) -> str:
    """A column's name as it is read: ``pack_years`` -> pack years, ``age_years`` -> age, years."""
    for unit in ("years", "kg", "cm", "days", "ml", "mm"):
        if name.endswith(f"_{unit}") and name != "pack_years":
            return f"{name.removesuffix(f'_{unit}').replace('_', ' ')}, {unit}"
    return name.replace("_", " ")


def show_words(value: Any) -> str:
    """A value of a cohort's history without brackets and braces: figures to four digits, parts by commas."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {show_words(part)}" for key, part in value.items() if part not in (None, "", [], {}))
    if isinstance(value, (list, tuple)):
        return ", ".join(map(show_words, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def lesion_blocks(lesions: Sequence[Lesion]) -> list[tuple[str, list[Lesion], list[Lesion], Lesion]]:
    """Per label: its name, the largest lesions, the others, and all of them as one."""
    blocks = []
    for label in dict.fromkeys(lesion.label for lesion in lesions):
        mine = [lesion for lesion in lesions if lesion.label == label]
        blocks.append((label, mine[:LESIONS_SHOWN], mine[LESIONS_SHOWN:], _together(label, mine)))
    return blocks


def _together(label: str, lesions: Sequence[Lesion]) -> Lesion:
    volume_ml = sum(lesion.volume_ml for lesion in lesions)
    tlg = [lesion.tlg_ml for lesion in lesions]
    highest = [lesion.suv_max for lesion in lesions if lesion.suv_max is not None]
    known = [t for t in tlg if t is not None]
    mean = sum(known) / volume_ml if len(known) == len(tlg) and volume_ml else None
    return Lesion(label, 0, volume_ml, (0.0, 0.0, 0.0), max(highest, default=None), mean)
