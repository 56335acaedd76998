"""Small cohorts for the layouts' round trips: random voxels, oblique grids, missing pieces.

Not a test file: imported by path, see `conftest.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float], *, origin=(-11.5, 7.25, 30.0)) -> Geometry:
    """A grid with negative x and y axes (as published PET/CT) and an origin off the voxel raster."""
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = origin
    return Geometry(shape, affine)


CT_GRID = grid((12, 14, 10), (0.977, 0.977, 3.0))
PET_GRID = grid((5, 6, 9), (3.906, 3.906, 3.27), origin=(-10.0, 8.5, 31.1))


def put(folder: Path, exam_id: str, kind: str, array: np.ndarray, geometry: Geometry, **more: Any) -> dict[str, Any]:
    """Write one image below `folder` and return its row."""
    modality, role, unit = {
        "CT": (Modality.CT, Role.IMAGE, Unit.HU),
        "PT": (Modality.PT, Role.IMAGE, Unit.SUVBW),
        "mask": (Modality.SEG, Role.MASK, Unit.LABEL),
        "dose": (Modality.RTDOSE, Role.DOSE, Unit.GY),
        "CTplan": (Modality.CT, Role.IMAGE, Unit.HU),
    }[kind.split("-")[0]]
    path = folder / "source" / f"{exam_id}.{kind}.nii.gz".replace("/", "_")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(Volume(array, geometry.affine, unit), path)
    row = describe_image(
        path,
        image_id=f"{exam_id}.{kind}",
        exam_id=exam_id,
        modality=modality,
        role=role,
        unit=unit,
        run_id=EXPERT if role is Role.MASK else None,
    )
    return {**row, **more}


def scan(folder: Path, exam_id: str, rng: np.random.Generator, **kinds: Any) -> list[dict[str, Any]]:
    """CT, PET and a two-label mask of one exam, less the kinds that are given as None."""
    images = {
        "CT": lambda: put(folder, exam_id, "CT", rng.integers(-1000, 1500, CT_GRID.shape).astype("float32"), CT_GRID),
        "PT": lambda: put(folder, exam_id, "PT", rng.gamma(1.5, 1.2, PET_GRID.shape).astype("float32"), PET_GRID),
        "mask": lambda: put(
            folder,
            exam_id,
            "mask",
            two_labels(),
            CT_GRID,
            reference_image_id=f"{exam_id}.CT",
            labels=kinds.get("labels", {1: "GTVp", 2: "GTVn"}),
        ),
    }
    return [make() for kind, make in images.items() if kinds.get(kind, True)]


def two_labels() -> np.ndarray:
    mask = np.zeros(CT_GRID.shape, "uint8")
    mask[4:7, 5:9, 3:6] = 1
    mask[8:10, 5:7, 4:6] = 2
    return mask


def cohort_of(images: list[dict[str, Any]], *, name: str = "twin", **tables: Any) -> Cohort:
    """A cohort of these images; patients and exams follow from the ids unless given."""
    exams = dict.fromkeys(row["exam_id"] for row in images)
    rows = [{"exam_id": e, "patient_id": e.rpartition(".")[0], "order": int(e.rpartition(".")[2])} for e in exams]
    tables.setdefault("patients", [{"patient_id": p} for p in dict.fromkeys(row["patient_id"] for row in rows)])
    return Cohort.build(name, loader=load_image, exams=rows, images=images, **tables)


def assert_same_images(left: Cohort, right: Cohort, *, tolerance: float = 0.0) -> None:
    """Same images by id, with equal voxels (up to `tolerance` of the largest), grids, units, labels and references."""
    mine = {row["image_id"]: row for row in left.rows("images")}
    theirs = {row["image_id"]: row for row in right.rows("images")}
    assert mine.keys() == theirs.keys()
    for image_id, row in mine.items():
        other = theirs[image_id]
        for column in ("exam_id", "modality", "role", "unit", "run_id", "reference_image_id", "labels", "problem"):
            assert row[column] == other[column], (image_id, column)
        assert json.loads(row["options"] or "{}").get("evaluation_cut") == json.loads(other["options"] or "{}").get(
            "evaluation_cut"
        )
        a, b = left.image(image_id), right.image(image_id)
        if not tolerance or row["role"] == Role.MASK:
            np.testing.assert_array_equal(a.array, b.array, err_msg=image_id)
        else:
            np.testing.assert_allclose(a.array, b.array, atol=tolerance * np.abs(a.array).max(), err_msg=image_id)
        assert a.same_grid(b, tolerance_mm=1e-4), image_id


def clinical(cohort: Cohort) -> dict[str, dict[str, Any]]:
    """Patients without empty cells, by id."""
    return {
        row["patient_id"]: {name: value for name, value in row.items() if value is not None}
        for row in cohort.rows("patients")
    }


# ---- graphs -----------------------------------------------------------------------------------------
def statement(
    exam_id: str, number: int, predicate: str, label: str, locations: list[str], **more: Any
) -> dict[str, Any]:
    """A row of `relations` for one statement of the run ``rules``; `label` with its category."""
    start, end = more.pop("sentence", (0, 0))
    attributes = {
        "locations": locations,
        "tense": "current",
        "comparison": None,
        "severity": None,
        "cues": [],
        "section": "findings",
        "sentence": [start, end],
        "rules": ["r1"],
        "measures": {},
        "lexicon": "test",
    }
    return {
        "relation_id": f"{exam_id}.rules.{number}",
        "subject": exam_id,
        "predicate": predicate,
        "object": label,
        "run_id": "rules",
        "text_id": f"{exam_id}.findings",
        "start": start,
        "end": end,
        "confidence": 1.0,
        "attributes": json.dumps(attributes | more),
    }


def graph_cohort(*, statements: bool = True, boxes: bool = True) -> Cohort:
    """Two patients, three exams with a report and an X-ray without a file each, boxes, statements and one change."""
    body = "The heart is large.\nNo effusion.\nPossible pneumonia at the right base, worse."
    spans = [(0, 19), (20, 32), (33, len(body))]
    exams = [("P-1.0", "P-1", 0), ("P-1.1", "P-1", 1), ("P-2.0", "P-2", 0)]
    tables: dict[str, Any] = {
        "patients": [{"patient_id": "P-1"}, {"patient_id": "P-2"}],
        "exams": [{"exam_id": e, "patient_id": p, "order": o, "day": 30.0 * o, "kind": "X-ray"} for e, p, o in exams],
        "texts": [{"text_id": f"{e}.findings", "exam_id": e, "section": "findings", "body": body} for e, _, _ in exams],
    }
    if boxes or statements:
        tables["patients"][0]["sex"] = "female" if statements else None
        tables["images"] = [
            {
                "image_id": f"{e}.DX",
                "exam_id": e,
                "modality": "DX",
                "role": "image",
                "unit": "unknown",
                "options": json.dumps({"size": [2000, 2500], "viewpoint": "PA"}),
            }
            for e, _, _ in exams
        ]
    tables["runs"] = [{"run_id": "rules", "kind": "model"}, {"run_id": "atlas", "kind": "model"}] if boxes else []
    if boxes:
        corners = {
            "right lung": [300, 400, 900, 1900],
            "right lower lung zone": [310, 1300, 890, 1880],
            "cardiac silhouette": [800, 1200, 1400, 1900],
        }
        tables["findings"] = [
            {
                "finding_id": f"atlas.{e}.{label}",
                "image_id": f"{e}.DX",
                "run_id": "atlas",
                "kind": "anatomical location",
                "label": label,
                "box": [float(v) for v in box],
            }
            for e, _, _ in exams
            for label, box in corners.items()
        ]
    if statements:
        angles = ["right costophrenic angle", "left costophrenic angle"]
        tables["relations"] = [
            row
            for e, _, order in exams
            for row in (
                statement(
                    e,
                    0,
                    "yes",
                    "anatomicalfinding|enlarged cardiac silhouette",
                    ["cardiac silhouette"],
                    sentence=spans[0],
                    severity="severe",
                ),
                statement(e, 1, "no", "anatomicalfinding|pleural effusion", angles, sentence=spans[1]),
                statement(
                    e,
                    2,
                    "uncertain",
                    "disease|pneumonia",
                    ["right lower lung zone"],
                    sentence=spans[2],
                    comparison="worsened" if order else None,
                ),
            )
        ]
        change = {
            "location": "right lower lung zone",
            "category": "disease",
            "attribute": "pneumonia",
            "source": "text",
        }
        tables["relations"].append(
            {
                "relation_id": "P-1.1.rules.change.0",
                "subject": "P-1.1",
                "predicate": "worsened",
                "object": "P-1.0",
                "run_id": "rules",
                "attributes": json.dumps(change),
            }
        )
    return Cohort.build("twin", loader=load_image, **tables)


def triples(cohort: Cohort) -> set[tuple[Any, ...]]:
    """What a cohort's statements say, without who said it: nlp's normal and abnormal left out."""
    found = set()
    for row in cohort.rows("relations"):
        a = json.loads(row["attributes"] or "{}")
        if row["predicate"] in ("yes", "no", "uncertain") and not row["object"].startswith("nlp|"):
            said = (row["subject"], row["predicate"], row["object"], tuple(sorted(a["locations"])))
            found.add((*said, a["comparison"], a["severity"]))
    return found


def boxes_of(cohort: Cohort) -> set[tuple[Any, ...]]:
    return {(row["image_id"], row["label"], *row["box"]) for row in cohort.rows("findings")}


def assert_same_graphs(left: Cohort, right: Cohort, *, texts: bool = False) -> None:
    """The same images by name, boxes, statements; `texts`: the same reports."""
    assert {r["image_id"]: r["exam_id"] for r in left.rows("images")} == {
        r["image_id"]: r["exam_id"] for r in right.rows("images")
    }
    assert boxes_of(left) == boxes_of(right)
    assert triples(left) == triples(right)
    if texts:
        mine, theirs = ({(r["exam_id"], r["section"], r["body"]) for r in c.rows("texts")} for c in (left, right))
        assert mine == theirs
        assert left.rows("exams") == right.rows("exams")


# ---- marked lesions ---------------------------------------------------------------------------------
def lesion_cohort(folder: Path, *, number: int = 2) -> Cohort:
    """Two patients, three studies of CT in the frame of DeepLesion, a marked lesion on each scan, the same one in both
    studies of the first patient; `number` lesions on the first."""
    rng = np.random.default_rng(7)
    affine = np.diag([-0.75, -0.75, -5.0, 1.0])
    affine[2, 3] = -5.0  # the first slice has the number 1
    geometry = Geometry((40, 48, 9), affine)
    exams = [("000007_01", "000007", 0), ("000007_02", "000007", 1), ("000012_03", "000012", 0)]
    images, findings = [], []
    for exam_id, patient, _ in exams:
        array = rng.integers(-1024, 1500, geometry.shape).astype("int16")
        row = put(folder, f"{exam_id}", "CT", array, geometry)
        row["image_id"] = f"{exam_id}_01_001-009"
        images.append(row)
        label, many = ("liver" if patient == "000007" else "lung"), (number if exam_id == "000007_01" else 1)
        findings += [marked_lesion(geometry, row["image_id"], key_slice=5 + at, label=label) for at in range(many)]
    patients = [
        {"patient_id": "000007", "sex": "female", "age_years": 50.0, "split": "validation"},
        {"patient_id": "000012", "sex": "male", "age_years": 61.0, "split": "test"},
    ]
    same = {"subject": findings[0]["finding_id"], "object": findings[number]["finding_id"], "predicate": "same lesion"}
    return Cohort.build(
        "twin",
        loader=load_image,
        patients=patients,
        exams=[{"exam_id": e, "patient_id": p, "order": o, "kind": "CT"} for e, p, o in exams],
        images=images,
        findings=findings,
        relations=[{"relation_id": "same.1", "run_id": EXPERT, **same}],
    )


def marked_lesion(geometry: Geometry, image_id: str, *, key_slice: int, label: str) -> dict[str, Any]:
    """A RECIST pair of 12 by 8 pixels round (20.25, 24.5) on a slice of a scan whose first slice is 1."""
    ends = np.array([[14.25, 24.5], [26.25, 24.5], [20.25, 20.5], [20.25, 28.5]])
    places = geometry.to_world(np.column_stack([ends, np.full(4, key_slice - 1.0)]))
    low = geometry.to_world([[9.25, 15.5, key_slice - 1.5], [31.25, 33.5, key_slice - 0.5]])
    return {
        "finding_id": f"{image_id[:12]}_{key_slice:03d}.1",
        "image_id": image_id,
        "run_id": EXPERT,
        "kind": "RECIST pair",
        "label": label,
        "points_mm": places.ravel().tolist(),
        "box": [*low.min(axis=0), *low.max(axis=0)],
        "measurements": {"long_axis_mm": 9.0, "short_axis_mm": 6.0},
        "attributes": json.dumps({"relative_location": [0.4, 0.5, 0.6], "noisy": False}),
    }
