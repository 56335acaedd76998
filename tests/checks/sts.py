"""The soft-tissue sarcoma PET/CT as a cohort, put together by hand."""

import csv
from pathlib import Path

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.io.images import describe_image, load_image


def read_sts(folder: Path, *, patients: int | None = None) -> Cohort:
    with (folder / "cuts.csv").open() as file:
        cuts = {row["patient"]: row for row in csv.DictReader(file)}
    ids = sorted(path.name for path in folder.iterdir() if path.is_dir())[:patients]
    images = []
    for patient in ids:
        exam, place = f"{patient}.0", folder / patient
        row = cuts[patient]
        cut = [[int(row[f"{axis}_low"]), int(row[f"{axis}_high"])] for axis in "ijk"]
        common = {"exam_id": exam}
        images.append(
            describe_image(
                place / "CT_image.nii.gz", image_id=f"{exam}.CT", modality=Modality.CT, role=Role.IMAGE, unit=Unit.HU,
                options={"evaluation_cut": cut}, **common,
            )
        )  # fmt: skip
        images.append(
            describe_image(
                place / "PET_image.nii.gz", image_id=f"{exam}.PT", modality=Modality.PT, role=Role.IMAGE,
                unit=Unit.SUVBW, **common,
            )
        )  # fmt: skip
        images.append(
            describe_image(
                place / "CT_mask.nii.gz", image_id=f"{exam}.mask", modality=Modality("SEG"), role=Role.MASK,
                unit=Unit.LABEL, run_id="expert", reference_image_id=f"{exam}.CT", labels={1: "GTV"}, **common,
            )
        )  # fmt: skip
    return Cohort.build(
        "sts",
        loader=load_image,
        patients=[{"patient_id": p} for p in ids],
        exams=[{"exam_id": f"{p}.0", "patient_id": p, "order": 0} for p in ids],
        images=images,
    )
