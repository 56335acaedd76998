"""FHIR: reports as bundles."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="fhir",
    title="FHIR R4 or R5 bundles",
    summary=(
        "One JSON bundle per exam: Patient, ImagingStudy, DiagnosticReport and an Observation per statement and "
        "location (`bodySite`, positive, negative or indeterminate, change and severity as components) and per "
        "measured lesion (its figures as components, in UCUM units)."
    ),
    write="tumorboard.datasets.fhir.writer:write",
)
