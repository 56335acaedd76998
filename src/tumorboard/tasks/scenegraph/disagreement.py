"""Where sources differ about a report, for a person to decide: rules, labeler, expert side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tumorboard.core.scenegraph import Polarity, Statement
from tumorboard.tasks.scenegraph.ontology import Ontology
from tumorboard.tasks.scenegraph.report import report_facts

__all__ = ["Contradiction", "Disagreement", "contradictions_of", "disagreements"]

SILENT = "silent"


@dataclass(frozen=True)
class Disagreement:
    """One (location, attribute) of one exam to which the sources give different answers.

    `answers`: source -> yes, no, uncertain or silent; `sentences`: source -> the sentence its answer stands on.
    """

    exam_id: str
    location: str
    attribute: str
    answers: Mapping[str, str]
    sentences: Mapping[str, str]


@dataclass(frozen=True)
class Contradiction:
    """One (location, attribute) that a report states both ways: which sentence decided, which was overruled."""

    exam_id: str
    location: str
    attribute: str
    overruled: Statement
    decides: Statement

    @property
    def kind(self) -> str:
        """``wet read/impression`` and the like: the two sections."""
        return f"{self.overruled.section or 'report'}/{self.decides.section or 'report'}"


def disagreements(
    sources: Mapping[str, Mapping[str, Sequence[Statement]]], ontology: Ontology, *, decides: str = "last"
) -> list[Disagreement]:
    """Every (location, attribute) on which the sources (name -> exam -> statements) differ at report level, in the
    order of exams and names. Silence is an answer of its own; nlp|normal and nlp|abnormal are left out."""
    found = []
    exams = dict.fromkeys(exam for graphs in sources.values() for exam in graphs)
    for exam in exams:
        answers: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        for name, graphs in sources.items():
            statements = graphs.get(exam, ())
            facts, _ = report_facts(statements, ontology, decides=decides)
            for key, fact in facts.items():
                if fact.category != "nlp":
                    answers.setdefault(key, {})[name] = str(fact.polarity), statements[fact.source].sentence
        for (location, attribute), given in sorted(answers.items()):
            said = {name: given.get(name, (SILENT, ""))[0] for name in sources}
            if len(set(said.values())) > 1:
                sentences = {name: sentence for name, (_, sentence) in given.items()}
                found.append(Disagreement(exam, location, attribute, said, sentences))
    return found


def contradictions_of(exam_id: str, statements: Sequence[Statement], ontology: Ontology) -> list[Contradiction]:
    """Where a report contradicts itself (findings and impression, wet read and final): yes against no alone, since
    doubt that is settled later is the ordinary course of a report."""
    _, found = report_facts(statements, ontology)
    return [
        Contradiction(exam_id, c.location, c.attribute, statements[c.overruled], statements[c.decides])
        for c in found
        if Polarity.UNCERTAIN not in (statements[c.overruled].polarity, statements[c.decides].polarity)
    ]
