"""The patients that choose the weights, the figure they choose by, and centres that are left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.core.errors import TumorboardError
from tumorboard.engine.run_log import read_log
from tumorboard.tasks.segmentation.benchmark import benchmark
from tumorboard.tasks.segmentation.cases import find_cases
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.folds import split_centres
from tumorboard.tasks.segmentation.model import SegmentationModel
from tumorboard.tasks.segmentation.train import train
from tumorboard.tasks.segmentation.validation import challenge_score, inner_split, scorer


def box(*spans: tuple[int, int], value: int = 1) -> np.ndarray:
    labels = np.zeros((12, 12, 12), np.uint8)
    for low, high in spans:
        labels[low:high, :4, :4] = value
    return labels


def test_dice_is_the_mean_over_patients_and_silence_says_nothing():
    """By hand: 2*2/(2+4) = 2/3 and 1; the patient without a lesion on either side is left out."""
    pairs = [(box((0, 2)), box((0, 4))), (box((5, 9)), box((5, 9))), (box(), box())]
    assert challenge_score(pairs, ("GTV",), 3.0) == pytest.approx((2 / 3 + 1) / 2)


def test_head_and_neck_is_judged_as_hecktor_2025_does():
    """GTVp found whole in one patient, missed in the other: 1/2. GTVn: of two nodes of 2 slabs one is found exactly and
    one false one called: 2*2/(4+4) = 1/2 in voxels, 2*1/(2*1+1+1) = 1/2 in lesions. (1/2 + (1/2 + 1/2)/2) / 2 = 1/2."""
    nodes = box((0, 2), (4, 6), value=2)
    called = box((0, 2), (8, 10), value=2)
    primary = np.zeros((12, 12, 12), np.uint8)
    primary[:, 8:, 8:] = 1
    pairs = [(nodes + primary, called + primary), (primary, np.zeros_like(primary))]
    assert challenge_score(pairs, ("GTVp", "GTVn"), 3.0) == pytest.approx(0.5)
    assert challenge_score([(nodes + primary, nodes + primary)], ("GTVp", "GTVn"), 3.0) == 1.0


def test_weights_are_chosen_by_the_rule_that_answers():
    """A network that gives a lesion .35 and .25 for its two names, .4 for none of them: found whole, by the first."""

    class InDoubt(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shares = torch.nn.Parameter(torch.tensor([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25]]))

        def forward(self, image):
            return self.shares[(image[:, 0] > 0).long()].movedim(-1, 1).log()

    inside = (box((2, 6)) > 0).astype(np.float32)
    array = np.stack([inside, inside, inside, np.zeros_like(inside)])
    score = scorer([array], ("primary", "node"), spacing_mm=3.0, window=12)
    with torch.no_grad():
        assert score(InDoubt().eval()) == 1.0


def test_patients_that_choose_do_not_train(spheres):
    cases = find_cases(spheres, labelled=True)
    learning, choosing = inner_split(cases, 0.3, seed=1)
    mine, theirs = ({case.patient_id for case in part} for part in (learning, choosing))
    assert len(theirs) == 2 and not mine & theirs and len(mine | theirs) == 6
    assert inner_split(list(reversed(cases)), 0.3, seed=1)[1][0].patient_id in theirs
    assert inner_split(cases, 0.0, seed=1)[1] == []


def test_the_restored_network_is_the_one_that_scored_best(spheres, tiny, tmp_path):
    """Trap 10: the score in the model's facts is the score of the weights in the file."""
    config = tiny.model_copy(update={"validation": 0.3, "score_every": 3, "ema_decay": None})
    model = train(spheres, tmp_path, config=config)
    scores = {row["step"]: row["score"] for row in read_log(tmp_path / "log.jsonl") if row["event"] == "scored"}
    assert len(scores) == 4 and model.facts["validation_score"] == pytest.approx(max(scores.values()))
    assert scores[model.facts["best_step"]] == max(scores.values())
    held_out = inner_split(find_cases(spheres, labelled=True), 0.3, seed=config.seed)[1]
    from tumorboard.tasks.segmentation.cache import CaseCache

    cache = CaseCache(tmp_path / "cache", spheres)
    again = SegmentationModel.load(tmp_path)
    arrays = [np.load(cache.training(case, again.preprocessing)) for case in held_out]
    score = scorer(arrays, ("GTV",), spacing_mm=4.0, window=config.window_voxels)
    with torch.no_grad():
        assert score(again.networks[0].eval()) == pytest.approx(model.facts["validation_score"], abs=1e-6)


def test_a_training_that_no_longer_gains_ends_early(spheres, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("tumorboard.tasks.segmentation.train.scorer", lambda *a, **k: lambda network: 0.5)
    settings = {"validation": 0.2, "score_every": 2, "patience": 2, "steps": 400}
    model = train(spheres, tmp_path, config=tiny.model_copy(update=settings))
    assert (model.facts["steps"], model.facts["best_step"]) == (6, 2)  # best at 2; no better at 4 and 6


def test_every_centre_is_predicted_by_the_others(spheres, tiny, tmp_path):
    config = tiny.model_copy(update={"protocol": "leave-one-centre-out", "steps": 1})
    result = benchmark(spheres, tmp_path, config=config)
    homes = {row["patient_id"]: row["centre"] for row in spheres.rows("patients")}
    for number, centre in enumerate("AB"):
        trained = set(SegmentationModel.load(tmp_path / f"fold-{number}").facts["patients"])
        assert trained == {patient for patient, home in homes.items() if home != centre}
    (dice,) = [r for r in result.scores if (r["run"], r["metric"], r["subset"]) == ("unet", "dice", "all")]
    assert dice["n"] == 6


@pytest.mark.parametrize("centres", [{"P": "A", "Q": "A"}, {"P": "A", "Q": "B", "R": None}])
def test_without_centres_none_is_left_out(centres):
    with pytest.raises(TumorboardError, match=r"SGM105.*leave-one-centre-out"):
        split_centres(centres, where="cohort")


def test_patience_needs_patients_to_judge():
    with pytest.raises(ValueError, match="patience needs validation"):
        SegmentationConfig(patience=3)
