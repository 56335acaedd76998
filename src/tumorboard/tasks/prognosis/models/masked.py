"""Masked cross-modality learning (after Xing et al., MICCAI 2025) as a model of survival.

Stage 1 completes hidden patches of the CT from the rest of it and the intact table, and hidden cells of the table from
the rest and the intact CT; stage 2 predicts all endpoints together. Both see the training fold alone; the form called
``transductive`` also completes the images and tables (never the outcomes) of the patients it will be tested on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role
from tumorboard.tasks.clinical.variables import rows_of
from tumorboard.tasks.features.slab import SlabSettings
from tumorboard.tasks.prognosis import codes
from tumorboard.tasks.prognosis.cox import CoxFit, with_coefficients
from tumorboard.tasks.prognosis.models.discrete import curve
from tumorboard.tasks.prognosis.models.joint import Endpoints
from tumorboard.tasks.prognosis.models.masked_inputs import Cells, Inputs, Scaling, inputs_of
from tumorboard.tasks.prognosis.models.masked_outcomes import learn_outcomes, with_start
from tumorboard.tasks.prognosis.models.masked_training import (
    MaskedSettings,
    Truth,
    build_network,
    picture_of,
    pretrain,
)
from tumorboard.tasks.prognosis.models.registry import add_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["Explanation", "MaskedModel", "fit_masked"]

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
_FEWEST_EVENTS = 10
_BATCH = 48
_TABLE_STEPS = 4
"""Cheap steps of stage 1 for each with images."""


@dataclass(frozen=True)
class Explanation:
    """What the network used of n patients. `looks` (n, slices, rows, columns of patches): where the image was looked
    at, adding up to 1 (0 without an image); `names` of the table's k - 1 nodes, the last node reads all others; `edges`
    (layers, k, k) which node may read which, the same for everybody, `readings` (n, k, k) how much each did in the last
    layer; `risks` (n, 3) by image and table, image alone, table alone (NaN where a side is missing)."""

    names: tuple[str, ...]
    looks: Floats
    edges: Floats
    readings: Floats
    risks: Floats


@dataclass(frozen=True)
class MaskedModel:
    """A trained network for `endpoints`; `endpoint` is the one that `risk` and `survival` speak of. A patient with
    neither image nor table gets NaN: no answer."""

    weights: Mapping[str, NDArray[Any]]
    settings: MaskedSettings
    cells: Cells
    scaling: Scaling | None
    endpoints: Endpoints
    endpoint: str
    baselines: Mapping[str, CoxFit]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Of the training, where the model is kept: patients, steps, seconds."""

    def of(self, endpoint: str) -> MaskedModel:
        """The same model, asked about another of its endpoints. KeyError for one it has not learned."""
        if endpoint not in self.endpoints.names:
            raise KeyError(endpoint)
        return replace(self, endpoint=endpoint)

    def risk(self, patients: Patients) -> Floats:
        inputs = self.inputs(patients)
        if self.settings.likelihood == "cox":
            outputs = self._outputs(inputs)[:, self.endpoints.names.index(self.endpoint)]
            return np.where(inputs.has.any(axis=1), outputs, np.nan)
        at_edges = self._at_edges(inputs)[self.endpoint]
        return np.log(-np.log(np.clip(at_edges, 1e-6, 1 - 1e-6)).mean(axis=1))

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        return self.curves(patients, grid)[self.endpoint]

    def curves(self, patients: Patients, grid: Floats) -> dict[str, Floats]:
        """Every endpoint's event-free probability (n, m) at `grid`; PFS is nowhere above OS."""
        inputs = self.inputs(patients)
        if self.settings.likelihood == "cox":
            outputs = self._outputs(inputs)
            found = {
                name: self.baselines[name].survival(outputs[:, [place]], grid)
                for place, name in enumerate(self.endpoints.names)
            }
            if self.endpoints.chained:
                found[self.endpoints.chained] = np.minimum(found[self.endpoints.chained], found["OS"])
        else:
            at_edges = self._at_edges(inputs)
            found = {name: curve(values, self.endpoints.edges, grid) for name, values in at_edges.items()}
        gone = ~inputs.has.any(axis=1)
        return {name: np.where(gone[:, None], np.nan, values) for name, values in found.items()}

    def explain(self, patients: Patients) -> Explanation:
        """Where the network looked, what read what, and what each modality alone would say."""
        import torch

        inputs, module = self.inputs(patients), self.network()
        pair, n = module.network.pair, len(inputs)
        names, k = self.cells.names, len(self.cells.names) + 1
        edges, readings = np.zeros((0, k, k)), np.zeros((n, k, k))
        grid = pair.image.grid if pair.image is not None else (0, 0, 0)
        looks = np.zeros((n, *grid))
        with torch.no_grad():
            if pair.table is not None:
                edges = pair.table.edges().numpy().astype(float)
                read = pair.table.readings(torch.from_numpy(inputs.values), torch.from_numpy(inputs.states))
                readings = read[:, -1].double().numpy()
            for start in range(0, n if pair.image is not None and inputs.patches is not None else 0, _BATCH):
                part = inputs.part(np.arange(start, min(start + _BATCH, n)))
                tokens, known = pair.image_tokens(picture_of(part))
                known = known & torch.from_numpy(part.has[:, :1] > 0)
                shares = pair.looks(tokens, known).mean(dim=2).double().numpy()
                looks[start : start + len(part)] = shares.reshape(len(part), *grid)
        risks = np.column_stack([self._risk_with(inputs, np.array(kept)) for kept in ((1, 1), (1, 0), (0, 1))])
        return Explanation(names, looks, edges, readings, risks)

    def _risk_with(self, inputs: Inputs, kept: NDArray[Any]) -> Floats:
        """Risk of those who have all that is kept, from that alone."""
        shown = replace(inputs, has=(inputs.has * kept).astype(np.float32))
        able = (inputs.has[:, kept > 0] > 0).all(axis=1)
        if self.settings.likelihood == "cox":
            risk = self._outputs(shown)[:, self.endpoints.names.index(self.endpoint)]
        else:
            risk = np.log(-np.log(np.clip(self._at_edges(shown)[self.endpoint], 1e-6, 1 - 1e-6)).mean(axis=1))
        return np.where(able, risk, np.nan)

    def inputs(self, patients: Patients) -> Inputs:
        """What the network is given of these patients."""
        slab = self.settings.slab if self.scaling is not None else None
        return inputs_of(
            patients.rows, patients.cohort, cells=self.cells, slab=slab, patch=self.settings.patch, scaling=self.scaling
        )[0]

    def network(self) -> Any:
        """The trained module, in evaluation mode."""
        import torch

        channels = len(self.scaling.channels) if self.scaling is not None else 0
        cox = self.settings.likelihood == "cox"
        outputs = len(self.endpoints.names) if cox else self.endpoints.outputs
        network = build_network(self.cells.nodes(), channels=channels, outputs=outputs, settings=self.settings)
        module = with_start(network, np.asarray(self.weights["start"]))
        module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()})
        return module.eval()

    def _outputs(self, inputs: Inputs) -> Floats:
        import torch

        module, parts = self.network(), []
        encoder = module.network.pair.image
        with torch.no_grad():
            for start in range(0, len(inputs), _BATCH):
                part = inputs.part(np.arange(start, min(start + _BATCH, len(inputs))))
                picture = None if encoder is None or part.patches is None else picture_of(part)
                cells = (torch.from_numpy(part.values), torch.from_numpy(part.states))
                has = torch.from_numpy(part.has if picture is not None else part.has * np.array([0, 1], np.float32))
                parts.append(module.network(picture, *cells, has).double().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self.endpoints.outputs))

    def _at_edges(self, inputs: Inputs) -> dict[str, Floats]:
        import torch

        outputs = torch.from_numpy(self._outputs(inputs))
        curves = self.endpoints.survival(outputs, torch.from_numpy(np.asarray(self.weights["start"], float)))
        gone = ~inputs.has.any(axis=1)
        return {name: np.where(gone[:, None], np.nan, values.numpy()) for name, values in curves.items()}


def fit_masked(
    training: Training,
    settings: MaskedSettings | None = None,
    *,
    also: Sequence[Row] = (),
) -> MaskedModel:
    """Train on the patients of `training`; its endpoint and those of `others` with ten events or more are learned
    together.

    Stage 1 also completes the rows `also` (records of further patients, whose images are looked up in the cohort of
    `training`): other cohorts' tables, whose missing columns are missing cells, or, transductively, the tested
    patients. Their outcomes are never read.

    Errors: PRG103 for patients without any event.
    """
    from tumorboard.engine.loop import seeded

    if not training.event.any():
        where = training.endpoint or "event"
        raise TumorboardError(codes.TOO_FEW_EVENTS, where, found="0 events in training", expected="1 or more")
    settings = settings or settings_of(training)
    inputs, learned, cells, scaling = _prepared(training, settings, also)
    known = {training.endpoint or "event": (training.event, training.time_days)}
    known |= {name: pair for name, pair in training.others.items() if pair[0].sum() >= _FEWEST_EVENTS}
    truth = Truth(Endpoints.of(known), known)
    outputs = len(known) if settings.likelihood == "cox" else truth.endpoints.outputs
    seed = training.config.seed
    with seeded(seed):
        channels = len(scaling.channels) if scaling is not None else 0
        network = build_network(cells.nodes(), channels=channels, outputs=outputs, settings=settings)
    pretrain(network, learned, settings, seed=seed)
    weights = learn_outcomes(network, inputs, truth, settings, seed=seed + 1)
    endpoint = training.endpoint or "event"
    model = MaskedModel(weights, settings, cells, scaling, truth.endpoints, endpoint, {})
    if settings.likelihood != "cox":
        return model
    scores = model._outputs(inputs)
    baselines = {}
    for place, (name, (event, time)) in enumerate(known.items()):
        kept = np.isfinite(time) & inputs.has.any(axis=1)
        baselines[name] = with_coefficients(scores[kept][:, [place]], event[kept], time[kept], [1.0])
    return replace(model, baselines=baselines)


def _prepared(
    training: Training, settings: MaskedSettings, also: Sequence[Row]
) -> tuple[Inputs, Inputs, Cells, Scaling | None]:
    """Inputs of the training patients, those of stage 1, and what was fitted for them on the rows of stage 1."""
    mine = training.patients.rows
    seen = {str(row["patient_id"]) for row in mine if "patient_id" in row}
    everybody = [*mine, *(row for row in also if str(row["patient_id"]) not in seen)]
    variables = training.variables if settings.table else ()
    cells = Cells.fit(everybody, variables, rare_below=training.config.rare_below)
    slab = settings.slab if settings.image and _has_images(training.patients.cohort) else None
    cohort = training.patients.cohort
    learned, scaling = inputs_of(everybody, cohort, cells=cells, slab=slab, patch=settings.patch)
    if scaling is not None and not scaling.channels:
        scaling = None
    inputs = learned if len(everybody) == len(mine) else learned.part(np.arange(len(mine)))
    return inputs, learned, cells, scaling


def settings_of(training: Training) -> MaskedSettings:
    """What the task's settings say."""
    config = training.config
    return MaskedSettings(
        slab=SlabSettings(rule=config.masked_crop),
        pretraining_steps=config.masked_pretraining,
        table_steps=_TABLE_STEPS * config.masked_pretraining,
        steps=config.masked_steps,
        likelihood=config.masked_likelihood,
    )


def _has_images(cohort: Cohort | None) -> bool:
    kinds = (Modality.CT, Modality.PT)
    return cohort is not None and any(
        row["modality"] in kinds and row["role"] == Role.IMAGE for row in cohort.rows("images")
    )


def _lacks(training: Training) -> str:
    return "" if training.variables or _has_images(training.patients.cohort) else "variables or images"


def _fit_transductive(training: Training) -> MaskedModel:
    cohort = training.patients.cohort
    return fit_masked(training, also=rows_of(cohort, cohort.patient_ids) if cohort is not None else ())


def _lacks_cohort(training: Training) -> str:
    return _lacks(training) or ("" if training.patients.cohort is not None else "cohort with the tested patients")


add_model(
    "masked-crossmodal", "CT and table, each completed from the other before the outcomes are learned", fit_masked,
    lacks=_lacks,
)  # fmt: skip
add_model(
    "masked-crossmodal-transductive",
    "the same; TRANSDUCTIVE: stage 1 also saw the tested patients' images and tables, without outcomes",
    _fit_transductive,
    lacks=_lacks_cohort,
)
