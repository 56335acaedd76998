"""COCO: boxes as JSON."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="coco",
    title="COCO boxes",
    summary=(
        "`images`, `annotations` (bbox = x, y, width, height in source pixels), `categories`; what the report "
        "says of a location is in an annotation's `attributes`. Read as boxes of a run, also onto a cohort that "
        "has the images."
    ),
    read="tumorboard.datasets.coco.reader:read",
    write="tumorboard.datasets.coco.writer:write",
)
