"""A virtual radiologist's report of one exam: sections of text, and the graph that the sentences say.

The graph is made from the plan with the words, never by reading them. Authors differ in habits (order, style, lists),
and leave some things out: the plan's own rows (run ``truth``) hold those too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tumorboard.core.tables import EXPERT
from tumorboard.phantom.chest import ChestPatient
from tumorboard.phantom.chest_plan import DEVICES, Sign
from tumorboard.phantom.chest_truth import change_of
from tumorboard.phantom.report_frames import FILLERS, REASONS
from tumorboard.phantom.report_grammar import Said, Sentence, pick, say
from tumorboard.phantom.report_sentences import advice, conclusion, denial, history, normal, sign_sentences

__all__ = ["Report", "ReportOptions", "write_report"]

_encode = json.JSONEncoder(sort_keys=True).encode
STYLES = ("prose", "telegram", "lines", "numbered", "capitals")
_HEART = ("cardiomegaly", "tortuous aorta", "aortic calcium")
_PLEURA = ("effusion", "pneumothorax", "elevated diaphragm", "rib fracture")


@dataclass(frozen=True)
class ReportOptions:
    """masked_words : de-identification left XXXX in place of dates, names and some other words. omitted : share of
    signs that the author does not mention."""

    masked_words: bool = False
    omitted: float = 0.05


@dataclass(frozen=True)
class _Placed:
    """A statement with its evidence in its section's text."""

    said: Said
    start: int
    end: int
    sentence: tuple[int, int]


@dataclass(frozen=True)
class _Section:
    name: str
    body: str
    placed: tuple[_Placed, ...] = field(default=())


@dataclass(frozen=True)
class Report:
    """Sections in their order, and where the previous exam is."""

    exam_id: str
    previous_id: str | None
    sections: tuple[_Section, ...]

    @property
    def text(self) -> str:
        """The whole report with its headings."""
        return "\n".join(f"{section.name.upper()}: {section.body}" for section in self.sections)

    def text_rows(self) -> list[dict[str, Any]]:
        """Rows of `texts`: one per section; `body` is its text without the heading."""
        return [
            {"text_id": self._text_id(n), "exam_id": self.exam_id, "section": section.name, "body": section.body}
            for n, section in enumerate(self.sections)
        ]

    def relation_rows(self) -> list[dict[str, Any]]:
        """Rows of `relations`: every statement, and every change that the text states against the previous exam."""
        rows = []
        for n, section in enumerate(self.sections):
            for m, placed in enumerate(section.placed):
                row = self._statement(section, placed, self._text_id(n))
                rows.append({"relation_id": f"{self._text_id(n)}.{m}", **row})
                if placed.said.comparison and self.previous_id and placed.said.tense == "current":
                    rows += self._changes(placed, self._text_id(n), m)
        return rows

    def _text_id(self, number: int) -> str:
        return f"{self.exam_id}.text{number}"

    def _statement(self, section: _Section, placed: _Placed, text_id: str) -> dict[str, Any]:
        said = placed.said
        facts = {
            "locations": list(said.locations),
            "tense": said.tense,
            "comparison": said.comparison,
            "severity": said.severity,
            "cues": [],
            "section": section.name,
            "sentence": list(placed.sentence),
            "rules": [],
            "measures": dict(said.measures),
            "lexicon": "",
            "implied": said.implied,
            "sign": said.sign,
        }
        return {
            "subject": self.exam_id,
            "predicate": said.polarity,
            "object": f"{said.category}|{said.attribute}",
            "run_id": EXPERT,
            "text_id": text_id,
            "start": placed.start,
            "end": placed.end,
            "confidence": 1.0,
            "attributes": _encode(facts),
        }

    def _changes(self, placed: _Placed, text_id: str, number: int) -> list[dict[str, Any]]:
        said = placed.said
        return [
            {
                "relation_id": f"{text_id}.{number}.{location}",
                "subject": self.exam_id,
                "predicate": said.comparison,
                "object": self.previous_id,
                "run_id": EXPERT,
                "text_id": text_id,
                "start": placed.start,
                "end": placed.end,
                "confidence": 1.0,
                "attributes": _encode(
                    {
                        "location": location,
                        "category": said.category,
                        "attribute": said.attribute,
                        "source": "text",
                    }
                ),
            }
            for location in said.locations
        ]


def write_report(patient: ChestPatient, exam: int, options: ReportOptions | None = None) -> Report:
    """The report of one exam. Depends on patient, exam and options alone."""
    chosen = options or ReportOptions()
    rng = Random(f"report {patient.seed} {patient.index} {exam}")
    masked = Random(f"masked {patient.seed} {patient.index} {exam}") if chosen.masked_words else None
    author = Random(f"author {patient.clinic} {pick(rng, (1, 2, 3))}")
    style = pick(author, STYLES)
    told = [sign for sign in patient.signs if rng.random() >= chosen.omitted]
    findings = _findings(rng, patient, told, exam, masked)
    impression = _impression(rng, told, exam, masked)
    sections = [
        _section("indication", _indication(rng), "prose"),
        _Section("comparison", _comparison(rng, patient, exam, masked)),
        _section("findings", findings, style),
        _section("impression", impression, "numbered" if style in ("numbered", "lines") else style),
    ]
    previous = patient.exams[exam - 1].exam_id if exam else None
    return Report(patient.exams[exam].exam_id, previous, tuple(s for s in sections if s.body))


def _indication(rng: Random) -> list[Sentence]:
    sentences = [say(pick(rng, REASONS), [])]
    if rng.random() < 0.5:
        sentences.append(history(rng))
    return sentences


def _comparison(rng: Random, patient: ChestPatient, exam: int, masked: Any) -> str:
    if exam == 0:
        return str(pick(rng, ("None.", "None available.", "")))
    days = patient.exams[exam].day - patient.exams[exam - 1].day
    when = "XXXX" if masked is not None else f"{days:.0f} days earlier"
    return str(pick(rng, (f"Chest radiograph, {when}.", f"{when}.", f"Prior exam {when}.")))


def _findings(rng: Random, patient: ChestPatient, told: Sequence[Sign], exam: int, masked: Any) -> list[Sentence]:
    """Heart and vessels, lungs, pleura and bones, devices; what is not there; things that say nothing."""
    now = [sign for sign in patient.signs if sign.present(exam)]
    kinds = {sign.kind for sign in now}
    groups: dict[str, list[Sentence]] = {"heart": [], "lungs": [], "pleura": [], "devices": []}
    for sign in told:
        groups[_group(sign)] += sign_sentences(rng, sign, exam, masked)
    if not kinds & {"cardiomegaly"}:
        groups["heart"].insert(0, normal(rng, "heart"))
    if not kinds & {"tortuous aorta", "mass", "aortic calcium"} and rng.random() < 0.6:
        groups["heart"].append(normal(rng, pick(rng, ("mediastinum", "hila"))))
    groups["lungs"] = _lungs(rng, now) + groups["lungs"]
    for names in _absent(rng, patient, now):
        groups["pleura"].append(denial(rng, names, masked))
    order = ["heart", "lungs", "pleura", "devices"] if rng.random() < 0.7 else ["devices", "lungs", "pleura", "heart"]
    sentences = [sentence for name in order for sentence in groups[name]]
    if rng.random() < 0.3:
        sentences.insert(0, say(pick(rng, FILLERS), [], masked=masked))
    return sentences


def _group(sign: Sign) -> str:
    if sign.kind in DEVICES:
        return "devices"
    return "heart" if sign.kind in _HEART else "pleura" if sign.kind in _PLEURA else "lungs"


_LUNG_SIGNS = (
    "consolidation",
    "linear atelectasis",
    "collapse",
    "edema",
    "nodule",
    "mass",
    "calcified nodule",
    "reticulation",
    "hyperinflation",
    "low volumes",
)


def _lungs(rng: Random, now: Sequence[Sign]) -> list[Sentence]:
    """Clear lungs, or the clear one of two."""
    sides = {side for sign in now if sign.kind in (*_LUNG_SIGNS, "effusion", "pneumothorax")
             for side in (("left", "right") if sign.side == "both" else (sign.side,))}  # fmt: skip
    if not sides:
        return [normal(rng, "lungs")]
    if len(sides) == 1 and rng.random() < 0.5:
        return [normal(rng, "one lung", side="left" if "right" in sides else "right")]
    return []


def _absent(rng: Random, patient: ChestPatient, now: Sequence[Sign]) -> list[list[str]]:
    """Groups of findings to deny: nothing that is there, and nothing that was planted at any exam."""
    planted = {sign.kind for sign in patient.signs}
    free = [
        name for name in ("effusion", "pneumothorax", "consolidation", "edema", "rib fracture") if name not in planted
    ]
    free += ["congestion"] * ("edema" not in planted) + ["free air"] * bool(rng.random() < 0.3)
    if not planted & {"consolidation", "collapse"}:
        free += ["pneumonia", "infiltrate"]
    if not planted & {"nodule", "mass", "calcified nodule"}:
        free.append("nodule")
    common = [name for name in ("effusion", "pneumothorax", "consolidation") if name in free]
    others = [name for name in free if name not in common]
    wanted = common + rng.sample(others, min(len(others), int(3 * rng.random())))
    wanted = rng.sample(wanted, len(wanted))
    groups = []
    while wanted:
        size = 1 + int(3 * rng.random())
        groups.append(wanted[:size])
        wanted = wanted[size:]
    return groups


def _impression(rng: Random, told: Sequence[Sign], exam: int, masked: Any) -> list[Sentence]:
    """The main findings again in other words, advice now and then; or that there is nothing."""
    wanted = [s for s in told if s.kind not in ("aortic calcium", "sternotomy wires")]
    wanted = [s for s in wanted if s.present(exam) or change_of(s, exam) in ("resolved", "removed")]
    sentences = [sentence for sign in wanted[:4] for sentence in sign_sentences(rng, sign, exam, masked)]
    if not sentences:
        return [conclusion(rng, masked)]
    watched = [s for s in wanted if s.kind in ("nodule", "mass", "consolidation") and s.present(exam)]
    if watched and rng.random() < 0.35:
        sentences.append(advice(rng, watched[0]))
    return sentences


def _section(name: str, sentences: Sequence[Sentence], style: str) -> _Section:
    """Sentences set in a style, with the place of every mention in the section's text."""
    body, placed = "", []
    for n, sentence in enumerate(sentences):
        if n:
            body += "\n" if style in ("lines", "numbered") else " "
        if style == "numbered":
            body += f"{n + 1}. "
        start = len(body)
        text = sentence.text.removesuffix(".") if style == "lines" else sentence.text
        body += text.upper() if style == "capitals" else text
        for said in sentence.said:
            a, b = sentence.mentions[said.mention]
            placed.append(_Placed(said, start + a, start + b, (start, start + len(text))))
    return _Section(name, body, tuple(placed))
