"""Report texts from anywhere."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="reports",
    title="Report texts",
    summary=(
        "A folder of `.txt` files (one report each), or a CSV with columns `id` and `text` (or one column per "
        "section), and optionally `patient`, `day`, `order`."
    ),
    read="tumorboard.datasets.reports.reader:read",
    write="tumorboard.datasets.reports.writer:write",
)
