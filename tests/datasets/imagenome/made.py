"""Graphs with one fault each, and helpers to write and read them. Not a test file."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imagenome_synthetic import graphs

Graph = dict[str, Any]


def some(count: int = 12, *, seed: int = 3) -> list[Graph]:
    return [copy.deepcopy(graph) for graph in graphs(count, seed=seed)]


def put(folder: Path, made: Iterable[Graph], *, prefix: bytes = b"") -> Path:
    """Write graphs as a release below `folder`."""
    place = folder / "silver_dataset" / "scene_graph"
    place.mkdir(parents=True, exist_ok=True)
    for graph in made:
        (place / f"{graph['image_id']}_SceneGraph.json").write_bytes(prefix + json.dumps(graph).encode())
    return folder


def got(folder: Path) -> dict[str, Graph]:
    """Graphs by image, from a folder."""
    return {g["image_id"]: g for g in (json.loads(p.read_text()) for p in folder.rglob("*_SceneGraph.json"))}


def canonical(graph: Graph) -> str:
    """Content alone: key order does not count, true is not 1."""
    return json.dumps(graph, sort_keys=True)
