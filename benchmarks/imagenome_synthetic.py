"""Synthetic silver graphs in the published Chest ImaGenome form: own sentences, random boxes, no real person.

python benchmarks/imagenome_synthetic.py OUT --graphs 100
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.chest import ATTRIBUTES, LOCATIONS, TEXT_LOCATIONS

__all__ = ["graphs", "write_release"]

_LABELS = [(c, label) for c in ("anatomicalfinding", "disease", "tubesandlines", "device") for label in ATTRIBUTES[c]]
_SAID = {"yes": "There is {} in the {}, as described below.", "no": "No sign of {} in the {} on this view."}


def graphs(count: int, *, seed: int = 0, sentences: int = 14) -> Iterator[dict[str, Any]]:
    """`count` graphs of patients with 1 to 4 studies of 1 or 2 frontal images; about 29 boxes and 30 spoken
    locations."""
    rng = np.random.default_rng(seed)
    made, patient = 0, 10_000_000
    while made < count:
        patient += int(rng.integers(1, 900))
        previous: list[str] = []
        for order in range(1, int(rng.integers(1, 5)) + 1):
            study = 50_000_000 + int(rng.integers(0, 9_999_999))
            said = _report(rng, study, sentences, compared=order > 1)
            current = []
            for _ in range(1 + int(rng.random() < 0.15)):
                image = "-".join(f"{int(rng.integers(0, 2**32)):08x}" for _ in range(5))
                current.append(image)
                yield _graph(rng, image, patient, study, order, said, previous)
                made += 1
                if made == count:
                    return
            previous = current


def _report(rng: np.random.Generator, study: int, sentences: int, *, compared: bool) -> list[dict[str, Any]]:
    said = []
    for number in range(1, sentences + 1):
        places = list(rng.choice([*LOCATIONS, *TEXT_LOCATIONS], size=int(rng.integers(3, 9)), replace=False))
        polarity = "yes" if rng.random() < 0.4 else "no"
        labels = [_LABELS[i] for i in rng.choice(len(_LABELS), size=int(rng.integers(1, 5)), replace=False)]
        words = _SAID[polarity].format(" or ".join(label for _, label in labels), places[0])
        attributes = [f"{category}|{polarity}|{label}" for category, label in labels]
        attributes.append("nlp|yes|abnormal" if polarity == "yes" else "nlp|yes|normal")
        cue = str(rng.choice(ATTRIBUTES["comparison"])) if compared and rng.random() < 0.4 else ""
        said.append(
            {
                "phrase": words,
                "phrase_id": f"{study}|{number}",
                "places": places,
                "named": places[0],
                "attributes": attributes,
                "ids": [
                    f"C{int(rng.integers(0, 9_999_999)):07d}" + (";;C0000001" if i == 1 else "")
                    for i in range(len(attributes))
                ],
                "comparison_cues": [f"comparison|yes|{cue}"] if cue else [],
                "temporal_cues": ["temporal|yes|acute"] if rng.random() < 0.1 else [],
                "severity_cues": [
                    f"severity|yes|{s}" for s in ATTRIBUTES["severity"] if polarity == "yes" and rng.random() < 0.15
                ],
                "texture_cues": ["texture|yes|interstitial"] if rng.random() < 0.05 else [],
            }
        )
    return said


def _graph(
    rng: np.random.Generator,
    image: str,
    patient: int,
    study: int,
    order: int,
    said: list[dict[str, Any]],
    previous: list[str],
) -> dict[str, Any]:
    wide, high = int(rng.integers(1900, 3100)), int(rng.integers(1900, 3100))
    day = f"21{10 + patient % 80:02d}-{1 + order:02d}-{1 + study % 27:02d} {study % 24:02d}:{study % 60:02d}:00"
    places = dict.fromkeys(place for sentence in said for place in sentence["places"])
    relationships = [
        _relationship(image, other, sentence, place)
        for sentence in said
        if sentence["comparison_cues"]
        for place in sentence["places"][:2]
        for other in previous
    ]
    return {
        "image_id": image,
        "viewpoint": "PA" if rng.random() < 0.6 else "AP",
        "patient_id": patient,
        "study_id": study,
        "gender": "F" if patient % 2 else "M",
        "age_decile": f"{30 + patient % 5 * 10}-{40 + patient % 5 * 10}",
        "reason_for_exam": "Synthetic patient with cough, please assess.",
        "StudyOrder": order,
        "StudyDateTime": day,
        "objects": [_object(rng, image, location, wide, high) for location in LOCATIONS],
        "attributes": [_entry(image, place, said) for place in places],
        "relationships": relationships,
    }


def _object(rng: np.random.Generator, image: str, location: str, wide: int, high: int) -> dict[str, Any]:
    ratio, left, top = max(wide, high) / 224, max(0, high - wide) / 2, max(0, wide - high) / 2
    x1, y1 = (int(rng.integers(int(pad / ratio) + 1, 110)) for pad in (left, top))
    x2 = int(rng.integers(x1 + 8, 223 - int(left / ratio)))
    y2 = int(rng.integers(y1 + 8, 223 - int(top / ratio)))
    source = [round(x1 * ratio - left), round(y1 * ratio - top), round(x2 * ratio - left), round(y2 * ratio - top)]
    return {
        "object_id": f"{image}_{location}",
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
        "width": x2 - x1,
        "height": y2 - y1,
        "bbox_name": location,
        "synsets": ["C0024109"],
        "name": location.capitalize(),
        "original_x1": source[0],
        "original_y1": source[1],
        "original_x2": source[2],
        "original_y2": source[3],
        "original_width": source[2] - source[0],
        "original_height": source[3] - source[1],
    }


def _entry(image: str, place: str, said: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [sentence for sentence in said if place in sentence["places"]]
    return {
        place: any(sentence["named"] == place for sentence in mine),
        "bbox_name": place,
        "synsets": ["C0024109"] if place in LOCATIONS else [],
        "name": place.capitalize(),
        "attributes": [s["attributes"] for s in mine],
        "attributes_ids": [s["ids"] for s in mine],
        "phrases": [s["phrase"] for s in mine],
        "phrase_IDs": [s["phrase_id"] for s in mine],
        "sections": ["finalreport" for _ in mine],
        "comparison_cues": [s["comparison_cues"] for s in mine],
        "temporal_cues": [s["temporal_cues"] for s in mine],
        "severity_cues": [s["severity_cues"] for s in mine],
        "texture_cues": [s["texture_cues"] for s in mine],
        "object_id": f"{image}_{place}",
    }


_PREDICATES = {"improved": "Improved", "worsened": "Worsened", "no change": "No status change"}


def _relationship(image: str, other: str, sentence: dict[str, Any], place: str) -> dict[str, Any]:
    word = sentence["comparison_cues"][0].rpartition("|")[2]
    return {
        "relationship_id": f"{sentence['phrase_id']}|{image[:8]}|{other[:8]}|{place}",
        "predicate": f"['{_PREDICATES[word]}']",
        "synsets": ["C0442739"],
        "relationship_names": [f"comparison|yes|{word}"],
        "relationship_contexts": [1.0],
        "phrase": sentence["phrase"],
        "attributes": [a for a in sentence["attributes"] if not a.startswith("nlp")],
        "bbox_name": place,
        "subject_id": f"{image}_{place}",
        "object_id": f"{other}_{place}",
    }


def write_release(out: Path, count: int, *, seed: int = 0) -> int:
    """`count` graphs as `silver_dataset/scene_graph/*_SceneGraph.json` below `out`; bytes written."""
    folder = out / "silver_dataset" / "scene_graph"
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for graph in graphs(count, seed=seed):
        text = json.dumps(graph)
        size += (folder / f"{graph['image_id']}_SceneGraph.json").write_text(text, encoding="utf-8")
    return size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--graphs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{write_release(options.out, options.graphs, seed=options.seed) / 1e6:.1f} MB in {options.out}")
