"""Scene graphs as plain tables."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="graph-csv",
    title="Scene graphs as CSV or TSV",
    summary=(
        "`statements`, `changes`, `boxes`: a row per statement and location, per change, per box (source "
        "pixels); columns for CUI, RadLex and SNOMED that a table of yours fills; safe to open in a spreadsheet."
    ),
    write="tumorboard.datasets.graph_csv.writer:write",
)
