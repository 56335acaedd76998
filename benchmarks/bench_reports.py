"""Reports to scene graphs against negspaCy and medspaCy (mentions with negation alone): CPU seconds per report.

The peers need an environment of their own (docs of `reports_speed.py`): TUMORBOARD_NLP_PEERS names its Python; without
it our time stands alone. SYNTHETIC reports of virtual patients; `reports_speed.py` has real ones, and quality.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from harness import printed
from reports_speed import ours, peer

PATIENTS, MEDSPACY_REPORTS = 150, 100


def main() -> list[dict[str, Any]]:
    """Rows with name, ours_s, peer, peer_s, ratio, goal, note: seconds are of one report."""
    texts = reports()
    mine = 1 / ours(texts, repeats=3)
    python = os.environ.get("TUMORBOARD_NLP_PEERS", "")
    rows = []
    for which, sample, goal in (("negspacy", len(texts), 1 / 5), ("medspacy", MEDSPACY_REPORTS, None)):
        found = peer(python, which, texts, sample) if python else "no TUMORBOARD_NLP_PEERS"
        theirs = None if isinstance(found, str) else 1 / found["per_second"]
        note = (
            found if isinstance(found, str) else "ours to a scene graph, theirs mentions and negation; answers differ"
        )
        rows.append(
            {
                "name": f"report reading, {len(texts)} reports",
                "ours_s": mine,
                "peer": which,
                "peer_s": theirs,
                "ratio": None if theirs is None else mine / theirs,
                "goal": goal,
                "note": note,
            }
        )
    return rows


def reports() -> list[str]:
    """One text per exam, its sections in order."""
    from tumorboard.phantom import make_cohort

    with tempfile.TemporaryDirectory() as folder:
        cohort = make_cohort(Path(folder) / "c", region="chest-xray", patients=PATIENTS, seed=5, tables_only=True)
        texts: dict[str, list[str]] = {}
        for row in cohort.rows("texts"):
            texts.setdefault(row["exam_id"], []).append(f"{row['section']}: {row['body']}")
    return ["\n".join(sections) for sections in texts.values()]


if __name__ == "__main__":
    print(printed(main()))
