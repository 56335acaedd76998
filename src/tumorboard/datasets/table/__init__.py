"""Any clinical table (CSV, TSV, XLSX) with a TOML that says what its columns mean; reader, draft, twin writer."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="table",
    title="Clinical table with a schema",
    summary="CSV, TSV or XLSX; a TOML names id, endpoints, units and covariates. Without one all columns are imported "
    "as variables of inferred kind and no endpoint is guessed.",
    read="tumorboard.datasets.table.reader:read",
    write="tumorboard.datasets.table.writer:write",
)
