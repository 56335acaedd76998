"""Sentence frames round noun phrases: presence, doubt, absence and every kind of change. {np} is the phrase with its
article, {bare} without one, {the} with the definite one; {is}, {has}, {was} agree with it. ~word~ may be masked."""

from __future__ import annotations

__all__ = [
    "ADVICE",
    "CHANGED",
    "DENIED",
    "DEVICE_CHANGED",
    "DOUBTED",
    "FILLERS",
    "NORMAL_IMPRESSIONS",
    "PRESENT",
    "REASONS",
]

PRESENT: tuple[str, ...] = (
    "there {is} {np}",
    "{np} {is} seen",
    "{np} {is} noted",
    "{np} {is} present",
    "{bare}",
    "~note~ is made of {np}",
    "{np} {is} demonstrated",
    "the ~study~ shows {np}",
    "{np} {is} identified on the ~frontal~ view",
    "findings include {np}",
)
DOUBTED: tuple[str, ...] = (
    "possible {bare}",
    "there may be {np}",
    "{np} cannot be excluded",
    "{np} {is} not excluded",
    "questionable {bare}",
    "findings could reflect {np}",
    "{np} {is} suspected",
    "equivocal {bare}",
)
DENIED: tuple[str, ...] = (
    "no {list}",
    "there is no {list}",
    "no ~evidence~ of {list}",
    "there is no ~radiographic~ evidence of {list}",
    "negative for {list}",
    "without {list}",
    "no {list} is seen",
    "no {list} is identified",
    "there are no ~findings~ to suggest {list}",
    "absence of {list}",
)
CHANGED: dict[str, tuple[str, ...]] = {
    "new": (
        "there {is} new {bare}",
        "new {bare}",
        "{np} {is} new since the prior examination",
        "{np} {has} developed in the interval",
        "interval development of {np}",
        "{np} {was} not present on the earlier ~film~",
        "since the last study, {np} {has} appeared",
        "newly seen {bare}",
    ),
    "worsened": (
        "{the} {has} increased",
        "{the} {has} worsened since the prior ~study~",
        "interval increase in {np}",
        "worsening {bare}",
        "{the} {has} progressed in the interval",
        "{the} {is} more extensive than before",
        "increasing {bare}",
        "{the} {is} larger than on the ~previous~ exam",
    ),
    "improved": (
        "{the} {has} decreased",
        "{the} {has} improved since the prior ~study~",
        "interval decrease in {np}",
        "improving {bare}",
        "{the} {is} less extensive than before",
        "{the} {is} smaller than on the ~previous~ exam",
        "decreasing {bare}",
        "partial clearing of {the}",
    ),
    "no change": (
        "{the} {is} unchanged",
        "stable {bare}",
        "{the} {is} stable since the prior ~exam~",
        "unchanged {bare}",
        "no significant change in {the}",
        "{the} {is} similar to the previous ~study~",
        "persistent {bare}",
        "{the} {has} not changed in the interval",
    ),
    "resolved": (
        "{the} {has} resolved",
        "interval resolution of {the}",
        "{the} {is} no longer seen",
        "previously seen {bare} {has} resolved",
        "{the} {has} cleared",
        "resolved {bare}",
    ),
}
DEVICE_CHANGED: dict[str, tuple[str, ...]] = {
    "removed": (
        "the {side} [{noun}] has been removed",
        "interval removal of the {side} [{noun}]",
        "the {side} [{noun}] is out",
        "the {side} [{noun}] is no longer in place",
    ),
    "new": ("interval placement of", "new"),
    "no change": ("unchanged position of the", "stable position of the"),
}
FILLERS: tuple[str, ...] = (
    "a single frontal ~view~ of the chest was obtained",
    "the ~patient~ was examined upright",
    "findings were discussed with Dr. ~Miller~ at 10.30 a.m.",
    "overlying monitoring leads are present",
    "the field includes the upper abdomen",
)
ADVICE: tuple[str, ...] = (
    "follow-up CT is recommended if the [{noun}] persists",
    "if the [{noun}] persists, CT should be considered",
)
NORMAL_IMPRESSIONS: tuple[str, ...] = (
    "[no acute cardiopulmonary ~process~]",
    "[no acute cardiopulmonary abnormality]",
    "[no acute disease]",
    "[normal chest]",
    "[no acute ~intrathoracic~ process]",
)
REASONS: tuple[str, ...] = (
    "cough",
    "shortness of breath",
    "chest pain",
    "fever",
    "fall",
    "line placement",
    "preoperative exam",
)
