"""The head-and-neck PET/CT challenge HECKTOR, in all its published layouts."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="hecktor",
    title="HECKTOR head-and-neck PET/CT, 2022 to 2026",
    summary=(
        "CT, PT, GTVp/GTVn masks, planning CT, dose and clinical tables in the layouts of 2022, 2025 (task folders, "
        "`Defaced ALL`), 2026, and Grand Challenge cases (.mha with ehr.json); a patient in several folders is one."
    ),
    read="tumorboard.datasets.hecktor.reader:read",
    write="tumorboard.datasets.hecktor.writer:write",
)
