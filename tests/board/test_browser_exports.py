"""What a page offers to take along, taken in a real browser and opened by the readers of its format."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from board_server import serving
from browser import CHROMIUM, WHY_NOT, Browser
from cubes import LESION, build_cubes

from tumorboard.core.cohort import Cohort
from tumorboard.io.store import save_cohort
from tumorboard.phantom.cohort import make_cohort

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
ORACLE = os.environ.get("TUMORBOARD_GRAPH_ORACLE", "")
"""Python of an environment with fhir.resources."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
        assert opened.messages == []
        assert opened.outside("http://127.0.0.1:") == []


def taken(browser: Browser, cohort: Cohort, scratch: Path) -> dict[str, zipfile.ZipFile]:
    """Every archive that the first patient's page offers, as its link fetches it."""
    with serving(cohort, scratch) as address:
        browser.open(f"{address}/patients/p1.html")
        links = browser.run("[...document.querySelectorAll('.take-along a[download]')].map((link) => link.href)")
        fetch = (
            "fetch(%s).then(async (r) => { if (!r.ok) throw new Error(r.status); const b = await r.arrayBuffer();"
            " return btoa(new Uint8Array(b).reduce((text, one) => text + String.fromCharCode(one), '')); })"
        )
        files = {link: base64.b64decode(browser.run(fetch % json.dumps(link))) for link in links}
    return {link.rpartition("/")[2]: zipfile.ZipFile(io.BytesIO(data)) for link, data in files.items()}


def test_masks_as_dicom_segmentations(browser: Browser, tmp_path: Path) -> None:
    """The cubes of 8 and 1.728 ml, by highdicom, on the slices of the CT that lies beside them."""
    from highdicom.seg import segread

    archives = taken(browser, save_cohort(build_cubes(tmp_path), tmp_path / "cohort"), tmp_path / "pages")
    assert list(archives) == ["dicom-seg.zip"], "nothing is offered of which there is nothing"
    archive = archives["dicom-seg.zip"]
    names = archive.namelist()
    (name,) = [name for name in names if name.endswith(".SEG.dcm")]
    segmentation = segread(io.BytesIO(archive.read(name)))
    slices = {
        found.SOPInstanceUID: found
        for found in (pydicom.dcmread(io.BytesIO(archive.read(one))) for one in names if ".derived/" in one)
    }
    assert len(slices) == 60 and all(found.Modality == "CT" for found in slices.values())
    voxel_ml = 2.0**3 / 1000
    found = {}
    for number in segmentation.segment_numbers:
        label = segmentation.get_segment_description(number).segment_label
        volume = segmentation.get_volume(segment_numbers=[number], combine_segments=True)
        found[label] = (volume.array != 0).sum() * voxel_ml
        if label == "GTVp":
            places = volume.map_indices_to_reference(np.argwhere(volume.array != 0))
            left, back, up = places.mean(axis=0)  # DICOM counts to the left and to the back
            assert [-left, -back, up] == pytest.approx(np.mean(LESION, axis=0), abs=0.01)
    assert found == pytest.approx({"GTVp": 8.0, "GTVn": 1.728})
    assert set(segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].keys()) >= {
        pydicom.tag.Tag("ReferencedSOPInstanceUID")
    }
    referred = {
        one.ReferencedSOPInstanceUID for one in segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referred <= set(slices)


def test_reports_as_structured_report_and_fhir(browser: Browser, tmp_path: Path) -> None:
    from highdicom.sr import srread

    made = make_cohort(tmp_path / "cohort", patients=1, region="chest-xray", size_px=96)
    archives = taken(browser, made, tmp_path / "pages")
    assert sorted(archives) == ["dicom-sr.zip", "fhir.zip"]
    said = [row for row in made.rows("relations", run_id="expert") if row["text_id"]]
    assert said

    reports = [name for name in archives["dicom-sr.zip"].namelist() if name.endswith(".SR.dcm")]
    assert len(reports) == made.exams.num_rows
    for name in reports:
        report = srread(io.BytesIO(archives["dicom-sr.zip"].read(name)))
        assert report.content.get_planar_roi_measurement_groups() or report.content.get_image_measurement_groups()

    bundles = [name for name in archives["fhir.zip"].namelist() if name.endswith(".json")]
    kept = {name: json.loads(archives["fhir.zip"].read(name)) for name in bundles}
    observations = [
        entry["resource"]["code"]["text"]
        for bundle in kept.values()
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    ]
    words = {row["object"].partition("|")[2] for row in said}
    assert observations and set(observations) <= words
    if ORACLE:
        archives["fhir.zip"].extractall(tmp_path / "fhir")
        program = (
            "import sys; from fhir.resources.R4B.bundle import Bundle;"
            " [Bundle.model_validate_json(open(path).read()) for path in sys.argv[1:]]"
        )
        paths = [str(tmp_path / "fhir" / name) for name in bundles]
        subprocess.run([ORACLE, "-c", program, *paths], check=True, capture_output=True, timeout=120)
