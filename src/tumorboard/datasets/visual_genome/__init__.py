"""Visual Genome: objects, attributes and relationships as JSON."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="visual-genome",
    title="Visual Genome JSON",
    summary=(
        "`image_data.json`, `objects.json`, `attributes.json`, `relationships.json`; x, y, w, h in source "
        "pixels; attributes are `label` or `no label`, predicates words of change (subject the current image's object)."
    ),
    write="tumorboard.datasets.visual_genome.writer:write",
)
