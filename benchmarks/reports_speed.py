"""Report reader against medspaCy and negspaCy: reports a second on one core in one run, and quality.

    TUMORBOARD_DATA=... python benchmarks/reports_speed.py [--peers PYTHON] [--reports N] [--peer-reports N]

`--peers` is the Python of an own environment with ``pip install medspacy==1.3.1 negspacy`` (they need numpy < 2 and
cannot share ours); TUMORBOARD_NLP_PEERS does the same. Without it only our figures are printed. Ours are end to end,
text to scene graph; the peers' give mentions with negation only: no location, side, comparison or device tip.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import report_quality as quality
from harness import machine

from tumorboard.nlp import Reader

GOAL = 5_000  # reports a second, cold
RESULTS = Path(__file__).parent / "results" / "reports.md"
PAGE = """# Report reading: speed and quality

{date}. Written by `python benchmarks/reports_speed.py --peers PYTHON --write DATE`. The language was learnt from
reports with even numbers; those with odd numbers ("half: odd") were not read by anybody. The NegEx sentences were all
read in the end. One coder's main terms are the reference: 1.0 cannot be reached.

```
{speed}
```

```
{quality}
```
"""

PEER = r"""
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import logging; logging.disable(logging.CRITICAL)
try:
    from loguru import logger; logger.remove()
except ImportError:
    pass
texts, terms, which, sample = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), sys.argv[3], int(sys.argv[4])
texts = texts[:sample]
if which == "medspacy":
    import medspacy
    from medspacy.ner import TargetRule
    nlp = medspacy.load(medspacy_enable=["medspacy_pyrush", "medspacy_target_matcher", "medspacy_context"])
    rules = [TargetRule(t, label.upper()) for label, ts in terms.items() for t in ts]
    nlp.get_pipe("medspacy_target_matcher").add(rules)
    positive = lambda e: not (e._.is_negated or e._.is_historical or e._.is_hypothetical)
else:
    import spacy
    from negspacy.negation import Negex
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    ruler = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns([{"label": label.upper(), "pattern": t} for label, ts in terms.items() for t in ts])
    nlp.add_pipe("negex", config={"ent_types": [label.upper() for label in terms]})
    positive = lambda e: not e._.negex
nlp(texts[0])
start = time.process_time()
found = [sorted({e.label_.lower() for e in nlp(t).ents if positive(e)}) for t in texts]
seconds = time.process_time() - start
print("RESULT" + json.dumps({"per_second": len(texts) / seconds, "n": len(texts), "found": found}))
"""

# One pass of plain wordings for the peers, as a user of theirs would write them: findings of `report_quality.FINDINGS`.
TERMS: dict[str, list[str]] = {
    "cardiomegaly": ["cardiomegaly", "enlarged heart", "heart is enlarged", "cardiac enlargement"],
    "atelectasis": ["atelectasis", "atelectatic"],
    "pleural effusion": ["pleural effusion", "pleural effusions", "effusion", "effusions"],
    "pneumothorax": ["pneumothorax", "pneumothoraces"],
    "pulmonary edema": ["pulmonary edema", "edema"],
    "pneumonia": ["pneumonia"],
    "airspace disease": ["airspace disease", "air space disease"],
    "consolidation": ["consolidation", "consolidations"],
    "infiltrate": ["infiltrate", "infiltrates"],
    "nodule": ["nodule", "nodules"],
    "emphysema": ["emphysema", "copd", "chronic obstructive pulmonary disease"],
    "granuloma": ["granuloma", "granulomas", "granulomatous disease"],
    "scoliosis": ["scoliosis"],
    "hiatal hernia": ["hiatal hernia"],
    "fracture": ["fracture", "fractures"],
}  # fmt: skip


def ours(texts: list[str], *, repeats: int = 5) -> float:
    """Best reports a CPU-second of several passes; nothing is remembered from report to report but unknown words."""
    best = 0.0
    for _ in range(repeats):
        reader = Reader()
        start = time.process_time()
        for text in texts:
            reader.read(text)
        best = max(best, len(texts) / (time.process_time() - start))
    return best


def peer(python: str, which: str, texts: list[str], sample: int) -> dict[str, Any] | str:
    """Speed and findings of a peer in its own environment, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("texts.json", "terms.json")]
        for path, content in zip(paths, (texts, TERMS), strict=True):
            path.write_text(json.dumps(content), encoding="utf-8")
        command = [python, "-c", PEER, *map(str, paths), which, str(sample)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if "RESULT" not in run.stdout:
        return run.stderr.strip().splitlines()[-1] if run.stderr.strip() else "no result"
    result: dict[str, Any] = json.loads(run.stdout.split("RESULT")[-1])
    return result


def peer_f1(rows: list[dict[str, str]], found: list[list[str]]) -> float:
    """Micro-F1 of a peer on the same tags."""
    tp = fp = fn = 0
    for row, names in zip(rows, found, strict=False):
        for name in quality.FINDINGS:
            yes, said = quality.has_tag(row, name), name in names
            tp, fp, fn = tp + (yes and said), fp + (said and not yes), fn + (yes and not said)
    return 2 * tp / (2 * tp + fp + fn)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; `--write` keeps them in results/reports.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", default=os.environ.get("TUMORBOARD_NLP_PEERS", ""))
    parser.add_argument("--reports", type=int, default=0, help="read only the first N")
    parser.add_argument("--peer-reports", type=int, default=300, help="medspaCy reads only the first N")
    parser.add_argument("--write", metavar="DATE", default="", help="write results/reports.md with this date")
    options = parser.parse_args(arguments)
    folder = Path(os.environ.get("TUMORBOARD_DATA", "../shared/data"))
    if not (folder / "reports" / "openi_reports.csv.gz").is_file():
        print(f"no reports under {folder}; set TUMORBOARD_DATA", file=sys.stderr)
        return 1
    rows = quality.usable(quality.reports(folder, "all"))[: options.reports or None]
    speed = speeds(rows, options.peers, options.peer_reports)
    print(speed, flush=True)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for half in ("odd", "all"):
            quality.main(["--half", half])
    print(said.getvalue())
    if options.write:
        RESULTS.write_text(
            PAGE.format(date=options.write, speed=speed, quality=said.getvalue().strip()), encoding="utf-8"
        )
    return 0


def speeds(rows: list[dict[str, str]], peers: str, sample: int) -> str:
    """Reports a second of ours and of the peers, in words."""
    texts = [quality.text_of(row) for row in rows]
    length = sum(map(len, texts)) / len(texts)
    cold = ours(texts)
    lines = [
        str(machine()),
        f"{len(texts)} Open-I reports, {length:.0f} characters each; one core, CPU seconds",
        f"{'tumorboard, text to scene graph':44} {cold:9.0f} reports/s (goal {GOAL})",
    ]
    for which, n in (("negspacy", len(texts)), ("medspacy", min(sample, len(texts)))):
        result = peer(peers, which, texts, n) if peers else "no --peers"
        if isinstance(result, str):
            lines.append(f"{which:44} not run: {result}")
            continue
        ratio, f1 = cold / result["per_second"], peer_f1(rows, result["found"])
        lines.append(
            f"{which + ', mentions and negation':44} {result['per_second']:9.0f} reports/s on {result['n']}; "
            f"we are {ratio:.1f} x; its micro-F1 {f1:.3f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
