"""Chest ImaGenome 1.0.0: scene graphs of chest X-rays."""

from tumorboard.core.registry import Layout

LAYOUTS = (
    Layout(
        name="imagenome",
        title="Chest ImaGenome 1.0.0",
        summary=(
            "`silver_dataset/scene_graph/<image>_SceneGraph.json` (or `scene_graph.zip`), tables, splits and the "
            "gold set; boxes in source pixels (the 224 ones kept beside), subject of a change = current exam, "
            "object = previous one."
        ),
        read="tumorboard.datasets.imagenome.reader:read",
        write="tumorboard.datasets.imagenome.writer:write",
    ),
    Layout(
        name="imagenome-gold",
        title="Chest ImaGenome's gold tables alone",
        summary="The experts' tables of `gold_dataset` as a cohort of their own (run `expert`).",
        read="tumorboard.datasets.imagenome.gold:read_gold",
    ),
    Layout(
        name="imagenome-pairs",
        title="Pair tables for change detection",
        summary=(
            "One row per current image, previous image, location and label with the word of change; one CSV per split, "
            "patients in one split only."
        ),
        write="tumorboard.datasets.imagenome.pairs:write",
    ),
)
