"""The survival model that is kept: regressions on whatever a patient has, for every endpoint of a cohort, or (asked for
by name) the masked cross-modality network of all endpoints together."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.prognosis import codes
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.data import endpoints_of, missing
from tumorboard.tasks.prognosis.kept import PrognosisModel, TrainedEndpoint
from tumorboard.tasks.prognosis.models.fusion import fit_pattern_cox
from tumorboard.tasks.prognosis.patients import Training

if TYPE_CHECKING:
    from tumorboard.tasks.prognosis.models.masked import MaskedModel

__all__ = ["train"]

MASKED = ("masked-crossmodal",)


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: PrognosisConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PrognosisModel | MaskedModel:
    """Fit `fusion-cox` (on clinical variables alone where the cohort has no image features) to every endpoint, or those
    of `config`, and write it below `out`. Where `config` names `masked-crossmodal` as the only model, that is fitted to
    all endpoints together. PRG103 when the cohort lacks endpoints, events or baseline variables."""
    config = config or PrognosisConfig()
    started = time.perf_counter()
    outcomes, variables = endpoints_of(cohort, config.endpoints), covariates_of(cohort, config.covariates)
    if not outcomes or not variables:
        raise TumorboardError(
            codes.TOO_FEW_EVENTS,
            cohort.name,
            found=f"no {', no '.join(missing(cohort))}",
            expected="endpoints to predict, and variables to predict them from",
        )
    if config.models == MASKED:
        from tumorboard.tasks.prognosis.masked_kept import train_masked

        return train_masked(cohort, outcomes, out, config=config)
    trained = []
    for done, outcome in enumerate(outcomes, start=1):
        rows = rows_of(cohort, outcome.patient_ids)
        training = Training.of(rows, outcome.event, outcome.time_days, variables=variables, config=config)
        trained.append(TrainedEndpoint(outcome.endpoint, fit_pattern_cox(training), training.encoder))
        if progress is not None:
            progress(done, len(outcomes))
    patients = sorted({patient for outcome in outcomes for patient in outcome.patient_ids})
    seconds = round(time.perf_counter() - started, 1)
    model = PrognosisModel(
        tuple(trained), config, {"patients": patients, "steps": len(trained), "seconds": seconds, "model": "fusion-cox"}
    )
    model.save(out)
    return model
