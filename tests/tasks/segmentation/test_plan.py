"""The plan as a file: written by a training, changed by hand, followed by another; refused where it makes no sense."""

from __future__ import annotations

import json

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.segmentation.cache import Fingerprint
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.model import SegmentationModel
from tumorboard.tasks.segmentation.plan import PLAN_FILE, fit_to_memory, training_gib
from tumorboard.tasks.segmentation.train import train

PLAN = {
    "version": 1,
    "grid": {"spacing_mm": 2.5},
    "intensities": {"CT": {"window_hu": [-200, 300]}},
    "region": "body",
    "network": "residual-encoder",
    "size": "S",
    "patch_voxels": 48,
    "batch": 3,
}


def written(folder, **changes):
    path = folder / "plan.json"
    path.write_text(json.dumps({**PLAN, **changes}))
    return path


def test_a_plan_stands_where_nothing_else_is_set(tmp_path) -> None:
    config = SegmentationConfig.model_validate({"plan": str(written(tmp_path)), "batch": "5"})
    assert (config.spacing_mm, config.ct_window_hu, config.region) == (2.5, (-200.0, 300.0), "body")
    assert (config.network, config.patch_voxels, config.batch) == ("residual-encoder", 48, 5)
    # What was read is part of the settings; the file is not needed again.
    (tmp_path / "plan.json").unlink()
    assert SegmentationConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"grid": {"spacing_mm": -1}}, r"grid\.spacing_mm"),
        ({"grid": {"spacing_mm": 2, "orientation": "LPS"}}, r"grid\.orientation"),
        ({"intensities": {"CT": {"window_hu": [300, -200]}}}, r"intensities\.CT"),
        ({"intensities": {"CT": {"window_hu": [0, 1]}, "PT": {"unit": "Bq/ml"}}}, r"intensities\.PT\.unit"),
        ({"region": "abdomen"}, "region"),
        ({"network": "vgg"}, "network"),
        ({"batchsize": 3}, "batchsize"),
        ({"version": 2}, "version"),
    ],
)
def test_a_plan_that_cannot_be_followed_says_where(tmp_path, changes, where) -> None:
    with pytest.raises(TumorboardError, match=rf"SGM108 .*{where}"):
        SegmentationConfig(plan=str(written(tmp_path, **changes)))


def test_no_plan_and_no_json_are_coded_errors(tmp_path) -> None:
    with pytest.raises(TumorboardError, match="FIL101"):
        SegmentationConfig(plan=str(tmp_path / "absent.json"))
    (tmp_path / "plan.json").write_text("spacing = 2")
    with pytest.raises(TumorboardError, match="FIL112"):
        SegmentationConfig(plan=str(tmp_path / "plan.json"))


def test_training_writes_the_plan_it_followed_and_it_is_taken_back(spheres, tiny, tmp_path) -> None:
    train(spheres, tmp_path / "a", config=tiny)
    plan = json.loads((tmp_path / "a" / PLAN_FILE).read_text())
    assert plan["fingerprint"]["cases"] == 6 and plan["fingerprint"]["lesions"] == 6
    assert plan["fingerprint"]["median_spacing_mm"] == [2.0, 2.0, 4.0]
    assert plan["region_facts"]["coverage"] == {f"P{n}.0": 1.0 for n in range(6)}
    plan["grid"]["spacing_mm"] = 5.0
    (tmp_path / "edited.json").write_text(json.dumps(plan))
    kept = {"channels", "residual_units", "window_voxels", "steps", "warmup_steps", "mirror", "precision", "workers"}
    settings = {**tiny.model_dump(mode="json", include=kept), "plan": str(tmp_path / "edited.json")}
    train(spheres, tmp_path / "b", config=SegmentationConfig.model_validate(settings))
    assert SegmentationModel.load(tmp_path / "b").preprocessing.spacing_mm == 5.0
    assert json.loads((tmp_path / "b" / PLAN_FILE).read_text())["grid"]["spacing_mm"] == 5.0


# ---- memory -------------------------------------------------------------------------------------------------
PRINTS = [Fingerprint((10.0,), (1.0, 1.0, 3.0), (500.0, 500.0, 300.0))]


def test_more_memory_gives_a_larger_patch_then_a_larger_batch() -> None:
    sizes = []
    for memory_gib in (0.8, 1.5, 3.0, 6.0, 48.0):
        config = fit_to_memory(SegmentationConfig(memory_gib=memory_gib), PRINTS, 3.0)
        assert training_gib(config) <= memory_gib
        assert config.patch_voxels % config.edge_step == 0 and 2 <= config.batch <= 8
        sizes.append((config.patch_voxels, config.batch))
    assert sizes == sorted(sizes) and sizes[0][0] < sizes[-1][0] <= 104  # 300 mm at 3 mm, to the next multiple of 8


def test_too_little_memory_is_said_and_none_leaves_things_as_they_are() -> None:
    with pytest.raises(TumorboardError, match=r"SGM105 memory_gib.*0\.3 GiB.*at least"):
        fit_to_memory(SegmentationConfig(memory_gib=0.3), PRINTS, 3.0)
    config = SegmentationConfig()
    assert fit_to_memory(config, PRINTS, 3.0) is config
