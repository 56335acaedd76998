"""DeepLesion: 32,735 marked lesions on CT slices of 4,427 patients, and tables of the same form."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="deeplesion",
    title="DeepLesion",
    summary=(
        "`DL_info.csv` (or parts of it) with marked lesions, and CT slices as 16-bit PNG (`Images_png/PPPPPP_SS_RR/"
        "NNN.png`) or NIfTI sub-volumes of any of the three public conventions; labels, pairs over time and 3-D boxes "
        "of the companion sets are read where they lie beside it."
    ),
    read="tumorboard.datasets.deeplesion.reader:read",
    write="tumorboard.datasets.deeplesion.writer:write",
)
