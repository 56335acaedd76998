"""Masks of nnU-Net and TotalSegmentator become runs, on the right exams and grids or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.predicted_masks import nnunet, totalsegmentator
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import read_nifti, write_nifti
from tumorboard.io.store import open_cohort, save_cohort

GRID = Geometry.from_lps((12, 10, 8), spacing_mm=(1.5, 1.5, 3.0), origin_mm=(-9.3, 4.1, 100.7))
SHAPE = GRID.shape


def block(value: int = 1, start: int = 2) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[start : start + 4, 3:7, 2:6] = value
    return array


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two patients, each with a CT and an expert's mask (GTVp = 1, GTVn = 2)."""
    rows = []
    for patient in ("P-1", "P-2"):
        for kind in ("CT", "mask"):
            path = tmp_path / "images" / f"{patient}.{kind}.nii.gz"
            array = block() + block(2, 7) if kind == "mask" else np.arange(960, dtype=np.float32).reshape(SHAPE)
            write_nifti(Volume(array, GRID.affine, Unit.LABEL if kind == "mask" else Unit.HU), path)
            row = describe_image(
                path,
                image_id=f"{patient}.0.{kind}",
                exam_id=f"{patient}.0",
                modality=Modality.SEG if kind == "mask" else Modality.CT,
                role=Role.MASK if kind == "mask" else Role.IMAGE,
                unit=Unit.LABEL if kind == "mask" else Unit.HU,
                run_id="expert" if kind == "mask" else None,
                labels={1: "GTVp", 2: "GTVn"} if kind == "mask" else None,
                reference_image_id=f"{patient}.0.CT" if kind == "mask" else None,
            )
            rows.append(row)
    made = Cohort.build(
        "two",
        loader=load_image,
        patients=[{"patient_id": p} for p in ("P-1", "P-2")],
        exams=[{"exam_id": f"{p}.0", "patient_id": p, "order": 0} for p in ("P-1", "P-2")],
        images=rows,
    )
    save_cohort(made, tmp_path / "cohort")
    return tmp_path / "cohort"


def put(path: Path, array: np.ndarray, grid: Geometry = GRID) -> None:
    write_nifti(Volume(array, grid.affine, Unit.LABEL), path)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """What nnUNetv2_predict leaves: masks, dataset.json, plans.json, the call."""
    folder = tmp_path / "nnunet"
    # Their numbers are not ours: nodes are 1, the tumour is 2.
    put(folder / "P-1.nii.gz", block(2) + block(1, 7))
    put(folder / "P_2.nii.gz", block(2))
    labels = {"background": 0, "nodes": 1, "tumour": 2}
    spec = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 2, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(spec))
    (folder / "plans.json").write_text("{}")
    (folder / "predict_from_raw_data_args.json").write_text("{}")
    return folder


NAMES = "tumour=GTVp,nodes=GTVn"


def test_structures_are_matched_by_name_and_score_beside_ours(cohort: Path, output: Path, tmp_path: Path) -> None:
    from tumorboard.tasks.segmentation.evaluate import evaluate

    both = nnunet.read(output, onto=cohort, structures=NAMES)
    rows = both.rows("images", run_id="nnunet")
    assert [(r["exam_id"], r["labels"], r["reference_image_id"]) for r in rows] == [
        ("P-1.0", {1: "GTVn", 2: "GTVp"}, "P-1.0.CT"),
        ("P-2.0", {1: "GTVn", 2: "GTVp"}, "P-2.0.CT"),
    ]
    scores = {
        (c["patient_id"], c["label"]): c["value"] for c in evaluate(both, "nnunet").cases if c["metric"] == "dice"
    }
    assert scores == {("P-1", "GTVp"): 1.0, ("P-1", "GTVn"): 1.0, ("P-2", "GTVp"): 1.0, ("P-2", "GTVn"): 0.0}
    save_cohort(both, tmp_path / "saved")
    again = nnunet.read(output, onto=tmp_path / "saved", structures=NAMES)
    assert len(again.rows("runs", run_id="nnunet")) == 1 and len(again.rows("images", run_id="nnunet")) == 2


def test_a_shifted_or_flipped_grid_is_refused_not_only_another_size(cohort: Path, output: Path) -> None:
    shifted = Geometry.from_lps(SHAPE, spacing_mm=(1.5, 1.5, 3.0), origin_mm=(-9.3, 4.1, 103.7))
    for grid in (shifted, GRID.flip(0)):
        put(output / "P-1.nii.gz", block(), grid)
        with pytest.raises(TumorboardError, match=r"LAY107.*P-1\.nii\.gz"):
            nnunet.read(output, onto=cohort)


def test_values_without_a_name_doubles_and_strangers(cohort: Path, output: Path) -> None:
    put(output / "P-1.nii.gz", block(3))
    with pytest.raises(TumorboardError, match=r"LAY110.*value \[3"):
        nnunet.read(output, onto=cohort)
    put(output / "P-1.nii.gz", block(1))
    put(output / "somebody.nii.gz", block(1))
    notes = nnunet.read(output, onto=cohort).provenance[-1]["notes"]
    assert notes == ["somebody: no exam of this name"]
    put(output / "P-1.0.nii.gz", block(1))
    with pytest.raises(TumorboardError, match=r"LAY102 exam P-1\.0"):
        nnunet.read(output, onto=cohort)


@pytest.mark.parametrize(
    ("options", "code"),
    [({"onto": None}, "LAY113"), ({"run": "expert"}, "LAY113"), ({"structures": "liver=GTVp"}, "LAY113")],
)
def test_options_that_mean_nothing(cohort: Path, output: Path, options: dict, code: str) -> None:
    with pytest.raises(TumorboardError, match=code):
        nnunet.read(output, **{"onto": cohort, **options})


def test_nothing_that_fits_is_an_error(cohort: Path, output: Path) -> None:
    for name in ("P-1", "P_2"):
        (output / f"{name}.nii.gz").unlink()
    with pytest.raises(TumorboardError, match="LAY101"):
        nnunet.read(output, onto=cohort)
    (output / "dataset.json").unlink()
    with pytest.raises(TumorboardError, match="LAY101"):
        nnunet.read(output, onto=cohort)


# ---- TotalSegmentator ---------------------------------------------------------------------------------------
def multilabel(path: Path, array: np.ndarray, names: dict[int, str]) -> None:
    """As TotalSegmentator's --ml writes it: nibabel with a label table as an extension of code 0."""
    lines = "".join(
        f'<Label Key="{key}" Red="0.5" Green="0.1" Blue="1.0" Alpha="1"><![CDATA[{name}]]></Label>\n'
        for key, name in names.items()
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <VolumeInformation Index="0">   <LabelTable>\n'
        f"{lines}  </LabelTable>  </VolumeInformation></CaretExtension>"
    )
    image = nibabel.Nifti1Image(array, GRID.affine)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, xml.encode()))
    nibabel.save(image, path)


def test_one_file_of_all_labels(cohort: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ts"
    folder.mkdir()
    multilabel(folder / "P-1.nii.gz", block(1) + block(90, 7), {1: "spleen", 90: "brain"})
    assert totalsegmentator.label_names(folder / "P-1.nii.gz") == {1: "spleen", 90: "brain"}
    (row,) = totalsegmentator.read(folder, onto=cohort, structures="brain=Brain").rows(
        "images", run_id="totalsegmentator"
    )
    assert row["labels"] == {1: "spleen", 90: "Brain"}


def test_without_names_the_labels_must_be_stated(cohort: Path, tmp_path: Path) -> None:
    put(tmp_path / "ts" / "P-1.nii.gz", block(1))
    with pytest.raises(TumorboardError, match=r"LAY110.*no label table.*--set labels"):
        totalsegmentator.read(tmp_path / "ts", onto=cohort)
    read = totalsegmentator.read(tmp_path / "ts", onto=cohort, labels="1=spleen")
    assert read.rows("images", run_id="totalsegmentator")[0]["labels"] == {1: "spleen"}


def test_folders_of_masks_become_one_mask_below_the_cohort(cohort: Path, tmp_path: Path) -> None:
    for case in ("P-1", "P-2"):
        put(tmp_path / "ts" / case / "spleen.nii.gz", block(1))
        put(tmp_path / "ts" / case / "brain.nii.gz", block(1, 4))
        put(tmp_path / "ts" / case / "rib_left_1.nii.gz", np.zeros(SHAPE, np.uint8))
    made = totalsegmentator.read(tmp_path / "ts", onto=cohort, run="organs")
    rows = made.rows("images", run_id="organs")
    assert [row["labels"] for row in rows] == [{1: "brain", 2: "rib_left_1", 3: "spleen"}] * 2
    assert all(Path(row["path"]).is_relative_to(cohort / "runs" / "organs") for row in rows)
    values = read_nifti(Path(rows[0]["path"]), unit=Unit.LABEL).array
    # brain 4:8 and spleen 2:6 share 4:6; the later name has them: 4 slabs of spleen, 2 of brain, 16 voxels each.
    assert [(values == value).sum() for value in (1, 2, 3)] == [32, 0, 64]
    notes = made.provenance[-1]["notes"]
    assert notes[0] == "P-1.0: spleen takes 32 voxels that other structures claim too"
    only = totalsegmentator.read(tmp_path / "ts", onto=cohort, run="organs", only="brain")
    assert only.rows("images", run_id="organs")[0]["labels"] == {1: "brain"}
    single = totalsegmentator.read(tmp_path / "ts" / "P-2", onto=cohort, case="P-2")
    assert [row["exam_id"] for row in single.rows("images", run_id="totalsegmentator")] == ["P-2.0"]


def test_a_mask_on_another_grid_is_refused(cohort: Path, tmp_path: Path) -> None:
    put(tmp_path / "ts" / "P-1" / "spleen.nii.gz", block(1), GRID.flip(2))
    with pytest.raises(TumorboardError, match="LAY107"):
        totalsegmentator.read(tmp_path / "ts", onto=cohort)
    put(tmp_path / "ts" / "P-1" / "spleen.nii.gz", block(2))
    with pytest.raises(TumorboardError, match="LAY110"):
        totalsegmentator.read(tmp_path / "ts", onto=cohort)
    with pytest.raises(TumorboardError, match=r"LAY113.*liver"):
        totalsegmentator.read(tmp_path / "ts", onto=cohort, only="liver")


@pytest.mark.parametrize("broken", [b"", b"\x1f\x8b\x00", b"\x1f\x8b" + bytes(40), b"<LabelTable></LabelTable>"])
def test_damaged_headers_are_coded_errors(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "x.nii.gz"
    path.write_bytes(broken)
    with pytest.raises(TumorboardError, match="LAY110"):
        totalsegmentator.label_names(path)


def test_by_the_command_line(cohort: Path, output: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from tumorboard.cli.main import build_app

    arguments = ["import", "nnunet-predictions", str(output), str(cohort), "--replace", "--json"]
    for setting in (f"onto={cohort}", f"structures={NAMES}", "run=theirs"):
        arguments += ["--set", setting]
    found = CliRunner().invoke(build_app(), arguments)
    assert found.exit_code == 0, found.output
    assert len(open_cohort(cohort).rows("images", run_id="theirs")) == 2
    score = CliRunner().invoke(
        build_app(), ["evaluate", "segmentation", str(cohort), "--prediction", "theirs", "--json"]
    )
    assert score.exit_code == 0
