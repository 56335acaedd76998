"""Masks of HECKTOR's containers: files as they come (own grids, mha, tif, no dose, a comma), the CT's grid out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import read_nifti, write_nifti
from tumorboard.tasks.challenge.hecktor import answer
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.model import SegmentationModel
from tumorboard.tasks.segmentation.train import train

CT_GRID = Geometry.from_lps((40, 38, 20), spacing_mm=(2, 2, 4), origin_mm=(-40.3, -38.1, -700))
PET_GRID = Geometry.from_lps((22, 21, 21), spacing_mm=(4.1, 4.1, 4.3), origin_mm=(-44.0, -41.0, -703))
PLACES = {1: (np.array([12.0, 4.0, -660.0]), 12.0), 2: (np.array([-16.0, -6.0, -668.0]), 8.0)}
"""Value -> centre in RAS and radius: a primary and a node."""
COMMA = '{"CenterID": 5, "Age": 64, "Gender": 1, "Treatment": 1,}'


def ball(grid: Geometry, value: int) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    centre_mm, radius_mm = PLACES[value]
    return np.linalg.norm(grid.to_world(index) - centre_mm, axis=-1) <= radius_mm


def truth() -> np.ndarray:
    return (ball(CT_GRID, 1) * 1 + ball(CT_GRID, 2) * 2).astype(np.uint8)


def images() -> dict[str, Volume]:
    random = np.random.default_rng(0)
    ct = np.where(truth() > 0, 60.0, -40.0) + random.normal(0, 10, CT_GRID.shape)
    suv = np.full(PET_GRID.shape, 0.5)
    suv[ball(PET_GRID, 1)], suv[ball(PET_GRID, 2)] = 20.0, 8.0
    return {
        "ct": Volume(ct.astype(np.float32), CT_GRID.affine, Unit.HU),
        "pet": Volume(suv.astype(np.float32), PET_GRID.affine, Unit.SUVBW),
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained for a second, on masks whose numbers are exchanged: GTVn is 1 there."""
    folder = tmp_path_factory.mktemp("models")
    rows = []
    for patient in ("A-1", "A-2"):
        exchanged = np.choose(truth(), [0, 2, 1]).astype(np.uint8)
        volumes = {**images(), "mask": Volume(exchanged, CT_GRID.affine, Unit.LABEL)}
        for kind, volume in volumes.items():
            path = folder / "images" / f"{patient}.{kind}.nii.gz"
            write_nifti(volume, path)
            mask = kind == "mask"
            rows.append(
                describe_image(
                    path,
                    image_id=f"{patient}.0.{kind}",
                    exam_id=f"{patient}.0",
                    modality={"ct": Modality.CT, "pet": Modality.PT, "mask": Modality.SEG}[kind],
                    role=Role.MASK if mask else Role.IMAGE,
                    unit=volume.unit,
                    run_id="expert" if mask else None,
                    reference_image_id=f"{patient}.0.ct" if mask else None,
                    labels={1: "GTVn", 2: "GTVp"} if mask else None,
                )
            )
    cohort = Cohort.build(
        "balls",
        loader=load_image,
        patients=[{"patient_id": p} for p in ("A-1", "A-2")],
        exams=[{"exam_id": f"{p}.0", "patient_id": p, "order": 0} for p in ("A-1", "A-2")],
        images=rows,
    )
    config = SegmentationConfig(
        steps=4, channels=(4, 8), residual_units=1, patch_voxels=16, window_voxels=32, workers=1, spacing_mm=2.0,
        inference="torch", warmup_steps=1, batch=1,
    )  # fmt: skip
    train(cohort, folder / "models" / "segmentation", config=config)
    return folder / "models"


@pytest.fixture
def sees_uptake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is played by pieces above SUV 4: GTVp where they reach 12, else GTVn; in the order it learnt."""

    def played(self: SegmentationModel, prepared: object) -> np.ndarray:
        suv = np.expm1(prepared.inputs[1])  # type: ignore[attr-defined]
        pieces, count = ndimage.label(suv > 4)
        hottest = ndimage.maximum(suv, pieces, np.arange(count + 1))
        found = {"GTVp": (pieces > 0) & (hottest[pieces] > 12), "GTVn": (pieces > 0) & (hottest[pieces] <= 12)}
        return np.stack([found[name] for name in self.preprocessing.structures]).astype(np.float32)

    monkeypatch.setattr(SegmentationModel, "probabilities", played)


def case(folder: Path, *, suffix: str, dose: bool = False, inputs: bool = False) -> Path:
    """`/input` of a container: each image on its own grid, written by SimpleITK as the platform does."""
    for kind, volume in images().items():
        target = folder / "images" / kind / f"0a1b-{kind}{suffix}"
        target.parent.mkdir(parents=True)
        image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.array.T))
        grid = volume.geometry
        image.SetSpacing(grid.spacing_mm.tolist())
        image.SetOrigin(grid.affine_lps[:3, 3].tolist())
        image.SetDirection((grid.affine_lps[:3, :3] / grid.spacing_mm).ravel().tolist())
        SimpleITK.WriteImage(image, str(target))
    if dose:
        (folder / "images" / "rt-dose").mkdir()
    if inputs:
        slugs = {"ct-image": "images/ct", "pet-image": "images/pet", "electronic-health-record": "ehr.json"}
        entries = [{"socket": {"slug": slug, "relative_path": path}} for slug, path in slugs.items()]
        (folder / "inputs.json").write_text(json.dumps(entries))
    (folder / "ehr.json").write_text(COMMA)
    return folder


def read_mask(path: Path) -> SimpleITK.Image:
    return SimpleITK.ReadImage(str(path))


@pytest.mark.parametrize(
    ("edition", "socket", "more"),
    [
        ("hecktor2025", "tumor-lymph-node-segmentation", {"dose": True}),
        ("hecktor2026", "head-neck-tumor-segmentation", {"inputs": True}),
    ],
)
def test_a_container_answers_on_the_grid_of_its_ct(tmp_path, models, sees_uptake, edition, socket, more) -> None:
    source = case(tmp_path / "input", suffix=".mha", **more)
    found = answer(edition, "segmentation", source, tmp_path / "output", model=models)
    (path,) = found.files
    assert path == tmp_path / "output" / "images" / socket / "output.mha"
    mask, ct = read_mask(path), SimpleITK.ReadImage(str(next((source / "images" / "ct").iterdir())))
    assert mask.GetSize() == ct.GetSize()
    for get in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(mask, get)(), getattr(ct, get)(), atol=1e-6)
    answered = SimpleITK.GetArrayFromImage(mask).T
    assert set(np.unique(answered)) == {0, 1, 2}
    # The primary is 1 in the challenge, though the network learnt it as its second structure.
    for value, least in ((1, 0.85), (2, 0.6)):
        a, b = answered == value, truth() == value
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > least


def test_a_release_gives_one_nifti_per_patient(tmp_path, models, sees_uptake) -> None:
    for patient in ("MDA-001", "CHUM-002"):
        folder = tmp_path / "release" / patient
        volumes = images()
        for kind, name in (("ct", "CT"), ("pet", "PT")):
            write_nifti(volumes[kind], folder / f"{patient}__{name}.nii.gz")
    (tmp_path / "release" / "HECKTOR_2025_Training.csv").write_text(
        "PatientID,CenterID,Age,Gender\nMDA-001,1,60,1\nCHUM-002,2,50,0\n"
    )
    found = answer("hecktor2025", "segmentation", tmp_path / "release", tmp_path / "output", model=models)
    assert sorted(p.name for p in found.files) == ["CHUM-002.nii.gz", "MDA-001.nii.gz"]
    mask = read_nifti(found.files[0], unit=Unit.LABEL)
    assert mask.geometry.same_grid(CT_GRID) and mask.array.dtype == np.uint8


def test_a_scan_without_slices_of_its_own_place_is_refused(tmp_path, models) -> None:
    """A tif knows no orientation: the reader says what it took, or refuses; it never answers on another grid."""
    source = case(tmp_path / "input", suffix=".tif")
    try:
        (path,) = answer("hecktor2025", "segmentation", source, tmp_path / "output", model=models).files
    except TumorboardError as error:
        assert error.code.id[:3] in ("IMG", "CHG", "ITK", "TIF", "FIL", "GEO", "SGM")
        assert not list((tmp_path / "output").rglob("*.mha"))
    else:
        assert read_mask(path).GetSize() == CT_GRID.shape


def test_structures_that_the_challenge_does_not_have(tmp_path, models) -> None:
    import dataclasses

    model = SegmentationModel.load(models / "segmentation")
    other = dataclasses.replace(
        model, preprocessing=dataclasses.replace(model.preprocessing, structures=("GTVp", "liver"))
    )
    other.save(tmp_path / "models" / "segmentation")
    source = case(tmp_path / "input", suffix=".mha")
    with pytest.raises(TumorboardError, match=r"CHG104.*'liver'"):
        answer("hecktor2025", "segmentation", source, tmp_path / "output", model=tmp_path / "models")


def test_a_missing_pet_ends_without_a_file(tmp_path, models) -> None:
    source = case(tmp_path / "input", suffix=".mha")
    next((source / "images" / "pet").iterdir()).unlink()
    with pytest.raises(TumorboardError, match="CHG103"):
        answer("hecktor2025", "segmentation", source, tmp_path / "output", model=models)
    assert not (tmp_path / "output").exists()
