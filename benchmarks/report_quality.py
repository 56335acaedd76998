"""Quality of the report reader on Open-I and the NegEx sentences: one table with n and 95 % bootstrap intervals.

    TUMORBOARD_DATA=... python benchmarks/report_quality.py [--half even|odd|all] [--errors LABEL]

Reference of the findings: the coders' MeSH tags of each report; a tag counts whatever its qualifiers. What a report
says with strong belief ("probable", "a or b") counts as said, with weak belief ("may", "cannot be excluded") not: the
coders tagged the opacity and not the disease that it may be. Reports without text or "No Indexing" are left out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.nlp import Reader

# Open-I headings -> labels of ours that count as the finding. Fifteen findings: those of the peers' comparison.
FINDINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cardiomegaly": (("Cardiomegaly", "Cardiac Shadow/enlarged"), ("enlarged cardiac silhouette",)),
    "atelectasis": (
        ("Pulmonary Atelectasis",),
        ("atelectasis", "linear/patchy atelectasis", "lobar/segmental collapse"),
    ),
    "pleural effusion": (("Pleural Effusion", "Hydropneumothorax"), ("pleural effusion", "hydropneumothorax")),
    "pneumothorax": (("Pneumothorax", "Hydropneumothorax"), ("pneumothorax", "hydropneumothorax")),
    "pulmonary edema": (("Pulmonary Edema",), ("pulmonary edema/hazy opacity",)),
    "pneumonia": (("Pneumonia",), ("pneumonia",)),
    "airspace disease": (("Airspace Disease",), ("airspace opacity",)),
    "consolidation": (("Consolidation",), ("consolidation",)),
    "infiltrate": (("Infiltrate",), ("infiltration",)),
    "nodule": (("Nodule",), ("mass/nodule (not otherwise specified)", "multiple masses/nodules")),
    "emphysema": (
        ("Emphysema", "Pulmonary Emphysema", "Bullous Emphysema", "Pulmonary Disease, Chronic Obstructive"),
        ("copd/emphysema",),
    ),
    "granuloma": (
        ("Calcified Granuloma", "Granuloma", "Granulomatous Disease"),
        ("calcified nodule", "granulomatous disease"),
    ),
    "scoliosis": (("Scoliosis",), ("scoliosis",)),
    "hiatal hernia": (("Hernia, Hiatal",), ("hernia",)),
    "fracture": (("Fractures, Bone",), ("rib fracture", "clavicle fracture", "spinal fracture")),
}

# Columns of the 14-label table (Hernia is empty there although 44 reports are tagged: left out).
LABELS14: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis", "linear/patchy atelectasis", "lobar/segmental collapse"),
    "Cardiomegaly": ("enlarged cardiac silhouette",),
    "Effusion": ("pleural effusion", "hydropneumothorax"),
    "Infiltration": ("infiltration",),
    "Mass": ("mass/nodule (not otherwise specified)", "multiple masses/nodules"),
    "Nodule": ("mass/nodule (not otherwise specified)", "multiple masses/nodules"),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax"),
    "Consolidation": ("consolidation",),
    "Edema": ("pulmonary edema/hazy opacity",),
    "Emphysema": ("copd/emphysema",),
    "Fibrosis": ("interstitial lung disease",),
    "Pleural_Thickening": ("pleural/parenchymal scarring",),
}
# Words that must (or must not) stand in the evidence where one label of ours serves two columns of theirs.
EVIDENCE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Mass": (("mass",), ("mass like", "masslike")),
    "Nodule": (("nodule",), ()),
    "Pleural_Thickening": (("pleural", "pleura", "thicken", "apical cap"), ("scar", "pleuroparenchymal")),
    "Fibrosis": (("fibro",), ()),
    "Edema": (("edema", "oedema"), ()),
    "pulmonary edema": (("edema", "oedema"), ()),
    "nodule": (("nodule",), ()),
    "airspace disease": (("disease", "process"), ()),
}
SURE = 0.5  # a doubtful statement counts from this confidence on: "probable" does, "may represent" does not
ZONES = {
    "base": "lower lung zone",
    "lower lobe": "lower lung zone",
    "retrocardiac": "lower lung zone",
    "middle lobe": "mid lung zone",
    "lingula": "mid lung zone",
    "upper lobe": "upper lung zone",
    "apex": "apical zone",
    "hilum": "hilar structures",
}
LADDER = ("apical zone", "upper lung zone", "mid lung zone", "lower lung zone")
PLACED = {
    "Opacity": ("lung opacity", "pulmonary edema/hazy opacity", "airspace opacity"),
    "Density": ("lung opacity", "pulmonary edema/hazy opacity"),
    "Airspace Disease": ("airspace opacity",),
    "Infiltrate": ("infiltration",),
    "Consolidation": ("consolidation",),
    "Pulmonary Atelectasis": ("atelectasis", "linear/patchy atelectasis", "lobar/segmental collapse"),
    "Pleural Effusion": ("pleural effusion", "hydropneumothorax"),
    "Costophrenic Angle": ("costophrenic angle blunting",),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax"),
    "Nodule": ("mass/nodule (not otherwise specified)", "multiple masses/nodules", "calcified nodule"),
    "Mass": ("mass/nodule (not otherwise specified)", "multiple masses/nodules"),
    "Calcified Granuloma": ("calcified nodule", "granulomatous disease"),
    "Cicatrix": ("pleural/parenchymal scarring",),
    "Diaphragm": ("elevated hemidiaphragm",),
    "Fractures, Bone": ("rib fracture", "clavicle fracture"),
    "Pneumonia": ("pneumonia",),
}


def reports(folder: Path, half: str) -> list[dict[str, str]]:
    """Open-I reports of a half by the parity of their number."""
    with gzip.open(folder / "reports" / "openi_reports.csv.gz") as file:
        rows = list(csv.DictReader(io.StringIO(file.read().decode("utf-8"))))
    wanted = {"even": (0,), "odd": (1,), "all": (0, 1)}[half]
    return [row for row in rows if int(row["uid"]) % 2 in wanted]


def text_of(row: Mapping[str, str]) -> str:
    """Findings and impression with their headings."""
    parts = [(name, row[name.lower()].strip()) for name in ("Findings", "Impression")]
    return "\n".join(f"{name.upper()}: {text}" for name, text in parts if text)


def tags(row: Mapping[str, str]) -> list[list[str]]:
    """MeSH tags of a report as lists: heading, qualifiers."""
    return [[p.strip() for p in tag.split("/")] for tag in row["MeSH"].split(";") if tag.strip()]


def usable(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Reports with text and with tags."""
    return [row for row in rows if text_of(row) and "No Indexing" not in row["MeSH"] and row["MeSH"].strip()]


def said(graph: SceneGraph, labels: Sequence[str], name: str, text: str) -> list[Statement]:
    """Statements of this exam that say one of the labels, with or without doubt."""
    must, never = EVIDENCE.get(name, ((), ()))
    out = []
    for statement in graph.statements:
        if statement.attribute not in labels or statement.tense is not Tense.CURRENT:
            continue
        if statement.polarity is Polarity.NO or (
            statement.polarity is Polarity.UNCERTAIN and statement.confidence < SURE
        ):
            continue
        words = text[statement.start : statement.end].lower()
        if (must and not any(w in words for w in must)) or any(w in words for w in never):
            continue
        out.append(statement)
    return out


def scores(counts: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 of (tp, fp, fn)."""
    tp, fp, fn = (float(x) for x in counts)
    return {
        "p": tp / (tp + fp) if tp + fp else float("nan"),
        "r": tp / (tp + fn) if tp + fn else float("nan"),
        "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else float("nan"),
    }


def interval(per_unit: np.ndarray, *, seed: int = 0, draws: int = 1000) -> tuple[float, float]:
    """95 % interval of F1 from resampling reports (rows of tp, fp, fn)."""
    rng = np.random.default_rng(seed)
    n = len(per_unit)
    values = [scores(per_unit[rng.integers(0, n, n)].sum(axis=0))["f1"] for _ in range(draws)]
    return float(np.nanpercentile(values, 2.5)), float(np.nanpercentile(values, 97.5))


def line(name: str, per_unit: np.ndarray, *, draws: int = 300) -> str:
    """One printed row."""
    total = per_unit.sum(axis=0)
    s = scores(total)
    low, high = interval(per_unit, draws=draws)
    return (
        f"{name:34} n={len(per_unit):5d} tp={int(total[0]):4d} fp={int(total[1]):4d} fn={int(total[2]):4d} "
        f"P={s['p']:.3f} R={s['r']:.3f} F1={s['f1']:.3f} [{low:.3f}, {high:.3f}]"
    )


def table(
    rows: Sequence[Mapping[str, str]], graphs: Sequence[SceneGraph], *,
    truth: Callable[[Mapping[str, str], str], bool], labels: Mapping[str, Sequence[str]], errors: str = "",
) -> np.ndarray:  # fmt: skip
    """Counts (report, finding, tp/fp/fn); prints the errors of one finding when asked."""
    out = np.zeros((len(rows), len(labels), 3), dtype=int)
    for i, (row, graph) in enumerate(zip(rows, graphs, strict=True)):
        text = text_of(row)
        for j, (name, wanted) in enumerate(labels.items()):
            yes = truth(row, name)
            found = said(graph, wanted, name, text)
            out[i, j] = (yes and bool(found), not yes and bool(found), yes and not found)
            if errors == name and yes != bool(found):
                print(
                    "FP" if found else "FN", row["uid"], row["MeSH"], "\n  ", text, "\n  ", [s.sentence for s in found]
                )
    return out


def has_tag(row: Mapping[str, str], name: str) -> bool:
    """Whether the report carries one of the finding's tags."""
    for tag in tags(row):
        for wanted in FINDINGS[name][0]:
            heading, _, qualifier = wanted.partition("/")
            if tag[0] == heading and (not qualifier or qualifier in tag[1:]):
                return True
    return False


def print_counts(title: str, counts: np.ndarray, names: Sequence[str]) -> None:
    """Table of one comparison: each finding, micro and macro."""
    print(f"\n{title}")
    for j, name in enumerate(names):
        print(line(name, counts[:, j], draws=100))
    macro = [scores(counts[:, j].sum(axis=0))["f1"] for j in range(len(names))]
    print(line("micro", counts.sum(axis=1), draws=1000), f"macro F1={np.nanmean(macro):.3f}")


def coded_places(row: Mapping[str, str]) -> list[tuple[str, set[str], set[str]]]:
    """(heading, sides, zones) of the tags that name a side."""
    out = []
    for tag in tags(row):
        if tag[0] not in PLACED or (tag[0] == "Diaphragm" and "elevated" not in tag):
            continue
        sides = {q for q in tag[1:] if q in ("right", "left")} | ({"right", "left"} if "bilateral" in tag else set())
        zones = {ZONES[q] for q in tag[1:] if q in ZONES}
        if "retrocardiac" in tag and not sides:
            sides = {"left"}
        if "lingula" in tag:
            sides = sides or {"left"}
        if sides:
            out.append((tag[0], sides, zones))
    return out


def places(rows: Sequence[Mapping[str, str]], graphs: Sequence[SceneGraph], *, errors: bool = False) -> None:
    """Finding x side x zone against the coded tags, and whether the sides are told apart."""
    strict, lenient, sides = (np.zeros((len(rows), 3), dtype=int) for _ in range(3))
    apart = [0, 0]
    for i, (row, graph) in enumerate(zip(rows, graphs, strict=True)):
        text = text_of(row)
        by_heading: dict[str, list[tuple[set[str], set[str]]]] = {}
        for heading, coded_sides, zones in coded_places(row):
            by_heading.setdefault(heading, []).append((coded_sides, zones))
        for heading, entries in by_heading.items():
            spoken = said(graph, PLACED[heading], "", text)
            placed = [s for s in spoken if s.rules[-1] != "ontology default"] or spoken
            found = {loc for s in placed for loc in s.locations if loc[:5] in ("right", "left ")}
            if not found:
                continue
            ours = {loc.split(" ", 1)[0] for loc in found}
            theirs = set().union(*(e[0] for e in entries))
            apart[1] += 1
            apart[0] += ours == theirs
            if errors and ours != theirs:
                print("SIDE", row["uid"], heading, theirs, ours, "|", row["MeSH"], "\n   ", text)
            sides[i] += (len(ours & theirs), len(ours - theirs), len(theirs - ours))
            truth = {f"{side} {zone}" for s, z in entries for side in s for zone in (z or {"lung"})}
            if not any(z for _, z in entries):
                continue
            strict[i] += (len(truth & found), len(found - truth), len(truth - found))
            tp_t = sum(any(_near(t, f) for f in found) for t in truth)
            fp = sum(not any(_near(t, f) for t in truth) for f in found)
            lenient[i] += (tp_t, fp, len(truth) - tp_t)
    print("\nfinding x side x zone, of findings that both have (coded side)")
    print(line("side x zone, strict", strict))
    print(line("side x zone, same or next zone", lenient))
    print(line("side", sides))
    print(f"sides exactly as coded: {apart[0]}/{apart[1]} = {apart[0] / max(apart[1], 1):.3f}")


def _near(a: str, b: str) -> bool:
    side_a, zone_a = a.split(" ", 1)
    side_b, zone_b = b.split(" ", 1)
    if side_a != side_b:
        return False
    if zone_a == zone_b or "lung" in (zone_a, zone_b) or "costophrenic angle" in (zone_a, zone_b):
        return True
    if zone_a in LADDER and zone_b in LADDER:
        return abs(LADDER.index(zone_a) - LADDER.index(zone_b)) <= 1
    return "hilar structures" in (zone_a, zone_b) and "mid lung zone" in (zone_a, zone_b)


def labels14(folder: Path) -> dict[str, dict[str, str]]:
    """The 14-label table by report number."""
    with (folder / "reports" / "openi_labels14.csv").open(encoding="utf-8") as file:
        return {row["filename"].removeprefix("CXR"): row for row in csv.DictReader(file)}


def negex_counts(folder: Path, half: str, reader: Reader, *, errors: str = "") -> dict[str, np.ndarray]:
    """Counts (sentence, tp/fp/fn) of negation, history and experiencer of the marked conditions."""
    with (folder / "reports" / "negex_context_sentences.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = {"even": (0,), "odd": (1,), "all": (0, 1)}[half]
    rows = [row for row in rows if int(row["report"]) % 2 in wanted]
    axes: dict[str, tuple[str, tuple[str, ...], Callable[[Any], bool]]] = {
        "negation": ("negation", ("Negated",), lambda c: c.polarity is Polarity.NO),
        "historical": ("temporality", ("Historical",), lambda c: c.tense is Tense.HISTORICAL),
        "not the patient": ("experiencer", ("Family member", "Other"), lambda c: c.experiencer != "patient"),
    }
    counts = {name: np.zeros((len(rows), 3), dtype=int) for name in axes}
    for i, row in enumerate(rows):
        context = reader.context_of(row["sentence"], *span_of(row["sentence"], row["condition"]))
        for name, (column, positive, test) in axes.items():
            yes, ours = row[column] in positive, test(context)
            counts[name][i] = (yes and ours, not yes and ours, yes and not ours)
            if errors == name and yes != ours:
                print("FP" if ours else "FN", name, row["condition"], "|", " ".join(row["sentence"].split()), context)
    return counts


def span_of(sentence: str, condition: str) -> tuple[int, int]:
    """Characters of the condition: as written in capitals if so, else the first place where it stands."""
    words = condition.split()
    pattern = r"\s+".join(re.escape(word) for word in words)
    capital = re.search(pattern.upper(), sentence)
    match = capital or re.search(pattern, sentence, re.IGNORECASE)
    if match is None:
        return 0, len(sentence)
    return match.start(), match.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=("even", "odd", "all"), default="all")
    parser.add_argument("--errors", default="", help="finding, label, side, negation or historical: list errors")
    options = parser.parse_args(arguments)
    folder = Path(os.environ.get("TUMORBOARD_DATA", "../shared/data"))
    if not (folder / "reports" / "openi_reports.csv.gz").is_file():
        print(f"no reports under {folder}; set TUMORBOARD_DATA", file=sys.stderr)
        return 1
    reader = Reader()
    rows = reports(folder, options.half)
    tagged = usable(rows)
    graphs = [reader.read(text_of(row)) for row in tagged]
    names = {name: labels for name, (_, labels) in FINDINGS.items()}
    print(f"{reader.lexicon.stamp}, half: {options.half}")
    print_counts(
        "Open-I MeSH tags, 15 findings",
        table(tagged, graphs, truth=has_tag, labels=names, errors=options.errors),
        list(names),
    )
    places(tagged, graphs, errors=options.errors == "side")
    known = labels14(folder)
    labelled = [row for row in rows if row["uid"] in known and text_of(row)]
    graphs = [reader.read(text_of(row)) for row in labelled]
    counts = table(
        labelled, graphs, truth=lambda row, name: known[row["uid"]][name] == "1", labels=LABELS14, errors=options.errors
    )
    print_counts("Open-I 14-label table (13 columns)", counts, list(LABELS14))
    print(f"\nNegEx sentences ({options.half})")
    for name, per in negex_counts(folder, options.half, reader, errors=options.errors).items():
        print(line(name, per))
    return 0


if __name__ == "__main__":
    sys.exit(main())
