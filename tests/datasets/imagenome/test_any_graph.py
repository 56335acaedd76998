"""The two spaces of a box, and graphs with anything at all in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tumorboard.core.chest import LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.imagenome.reader import read
from tumorboard.datasets.imagenome.space import Scaling
from tumorboard.datasets.imagenome.writer import compose_graphs

from .made import canonical, put, some


# ---- spaces ------------------------------------------------------------------------------------------
def test_the_two_spaces_follow_from_padding_to_a_square() -> None:
    """By hand: 2000 x 1000 is padded to 2000 x 2000 by 500 above; 2000 / 224 source pixels per small one."""
    scaling = Scaling.pad_to_square(2000, 1000)
    assert scaling == Scaling(2000 / 224, 0.0, 500.0)
    assert scaling.to_small([0, 0, 2000, 1000]) == [0, 56, 224, 168]
    box = [13.0, 5.0, 1500.0, 900.0]
    np.testing.assert_allclose(scaling.to_source(scaling.to_small(box)), box)


def test_the_scaling_is_found_from_boxes_in_both_spaces() -> None:
    true = Scaling.pad_to_square(2021, 2544)
    source = np.random.default_rng(0).uniform(0, 2000, (29, 4))
    found = Scaling.fitted([np.round(true.to_small(b)) for b in source], source)
    assert found is not None
    assert found.ratio == pytest.approx(true.ratio, rel=0.01)
    assert (found.left, found.top) == (pytest.approx(true.left, abs=8), pytest.approx(true.top, abs=8))


# ---- anything at all -------------------------------------------------------------------------------
_LEAVES = st.none() | st.booleans() | st.integers(-400, 400) | st.text(max_size=6) | st.sampled_from(["yes", "x|yes|y"])
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from([*some(1)[0], "objects", "attributes", "relationships"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_graph_it_comes_back_or_is_refused(data: st.DataObject, tmp_path_factory: Any) -> None:
    graph = some(1)[0]
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(_KEYS)
        value = graph.get(key)
        if isinstance(value, list) and value and data.draw(st.booleans()):
            entry = value[data.draw(st.integers(0, len(value) - 1))]
            if isinstance(entry, dict) and entry:
                entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(_VALUES)
                continue
        if key != "image_id":
            graph[key] = data.draw(_VALUES)
    folder = put(tmp_path_factory.mktemp("any"), [graph])
    try:
        cohort = read(folder)
    except TumorboardError:
        return
    assert canonical(next(compose_graphs(cohort))) == canonical(graph)


def test_all_29_boxes_are_known_by_name(tmp_path: Path) -> None:
    cohort = read(put(tmp_path, some(1)))
    assert cohort.findings["label"].to_pylist() == list(LOCATIONS)
