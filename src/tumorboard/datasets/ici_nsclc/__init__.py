"""CT, clinical table, PFS and OS of lung-cancer patients before immunotherapy, with a stated crop rule."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="ici-nsclc",
    title="Lung cancer before immunotherapy: CT, table, PFS and OS",
    summary=(
        "`clinical.csv` with the TOML of the table layout, `ct/<ID>.nii.gz` or a folder `ct/<ID>/` of DICOM slices, "
        "`mask/<ID>.nii.gz` where tumours are drawn, and `dataset.toml` that states how the CTs were cropped."
    ),
    read="tumorboard.datasets.ici_nsclc.reader:read",
    write="tumorboard.datasets.ici_nsclc.writer:write",
)
