"""The worst cases as pictures."""

from __future__ import annotations

import dataclasses

import numpy as np

from tumorboard.core.units import Modality, Role, Unit
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks.segmentation.evaluate import evaluate
from tumorboard.tasks.segmentation.gallery import _failure, gallery, worst_exams


def predicted(spheres, folder):
    """Experts' masks moved by 0, 1 ... 4 voxels; P5 has none."""
    rows = []
    for number in range(5):
        row = spheres.row("images", image_id=f"P{number}.0.mask")
        mask = spheres.image(row["image_id"])
        path = folder / f"P{number}.nii.gz"
        write_nifti(mask.with_array(np.roll(mask.array, number, axis=0)), path)
        rows.append(
            describe_image(
                path,
                image_id=f"{row['image_id']}.moved",
                exam_id=row["exam_id"],
                modality=Modality.SEG,
                role=Role.MASK,
                unit=Unit.LABEL,
                run_id="moved",
                reference_image_id=row["reference_image_id"],
                labels={1: "GTV"},
            )
        )
    return spheres.with_rows(runs=[{"run_id": "moved"}], images=rows)


def test_the_worst_come_first_with_their_figures(spheres, tmp_path) -> None:
    both = predicted(spheres, tmp_path / "masks")
    cases = evaluate(both, "moved").cases
    assert [row["patient_id"] for row in worst_exams(cases, 3)] == ["P5", "P4", "P3"]
    (picture,) = gallery(both, "moved", cases, tmp_path / "pictures", count=3)
    assert picture.path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "P5, GTV: Dice 0.00" in picture.alt and "predicted 0.0 ml" in picture.alt
    again = gallery(both, "moved", cases, tmp_path / "again", count=3)
    assert again[0].path.read_bytes() == picture.path.read_bytes()
    assert gallery(both, "moved", [], tmp_path / "none") == ()


def test_the_slice_shows_the_disagreement_in_the_patients_axes(spheres, tmp_path) -> None:
    both = predicted(spheres, tmp_path / "masks")
    case = next(row for row in evaluate(both, "moved").cases if row["patient_id"] == "P4" and row["metric"] == "dice")
    failure = _failure(both, both.row("images", image_id="P4.0.mask.moved"), case, reference="expert")
    assert failure.ct.shape == failure.pet.shape == failure.truth.shape == failure.found.shape
    # The CT is stored LPS already: index 0 runs to the left, as the picture does, and the mask was moved along it.
    shift = np.argwhere(failure.found).mean(0) - np.argwhere(failure.truth).mean(0)
    np.testing.assert_allclose(shift, [4, 0], atol=0.5)
    assert failure.pet[failure.truth].mean() > 3 * failure.pet[~failure.truth].mean()
    volume_ml = both.image("P4.0.mask").array.sum() * both.image("P4.0.mask").voxel_volume_ml
    assert np.isclose(failure.truth_ml, volume_ml) and np.isclose(failure.found_ml, volume_ml)


def test_an_exam_without_pet_is_shown_without_it(spheres, tmp_path) -> None:
    both = predicted(spheres, tmp_path / "masks")
    kept = [row for row in both.rows("images") if row["image_id"] != "P4.0.PT"]
    lacking = dataclasses.replace(both.replace_tables(images=kept))
    cases = [row for row in evaluate(lacking, "moved").cases if row["patient_id"] == "P4"]
    assert len(gallery(lacking, "moved", cases, tmp_path / "pictures")) == 1


def test_evaluate_draws_runs_and_folders_alike(spheres, tmp_path) -> None:
    both = predicted(spheres, tmp_path / "masks")
    of_run = evaluate(both, "moved", pictures=tmp_path / "a").pictures
    of_folder = evaluate(spheres, tmp_path / "masks", pictures=tmp_path / "b").pictures
    assert of_run[0].path.read_bytes() == of_folder[0].path.read_bytes()
    assert of_run[0].alt.replace("of moved", "of masks") == of_folder[0].alt
    assert evaluate(both, "moved").pictures == ()
