"""Open-i: the Indiana University chest X-ray reports."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="openi",
    title="Open-i chest X-ray reports (Indiana University)",
    summary=(
        "`ecgen-radiology/<n>.xml` in a folder or `.tar.gz`, or the CSV form with its table of projections: "
        "sections as texts, MeSH codes as expert relations, images listed."
    ),
    read="tumorboard.datasets.openi.reader:read",
)
