"""Structured reports: codes, regions, both ways; accepted by dciodvfy where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tumorboard.core.chest import ATTRIBUTES, REPORT_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom.image_write import StudyIdentity
from tumorboard.io.dicom.sr_read import read_report
from tumorboard.io.dicom.sr_terms import location_name, location_term, polarity_of, presence_term, private_term
from tumorboard.io.dicom.sr_write import SrGroup, made_evidence, write_report

STUDY = StudyIdentity("P-1", "P-1.0", "20000301", 0, "female")
IMAGE = made_evidence("P-1.0.DX", STUDY)
GROUPS = [
    SrGroup("box-1", ("right lung",), IMAGE, (300.0, 400.0, 900.0, 1900.5)),
    SrGroup(
        "s-1",
        ("right lung",),
        IMAGE,
        (300.0, 400.0, 900.0, 1900.5),
        "lung opacity",
        "anatomicalfinding",
        "uncertain",
        "worsened",
        "moderate",
        (("texture", "interstitial"), ("temporal", "acute")),
    ),
    SrGroup(
        "s-2",
        ("left costophrenic angle", "right costophrenic angle"),
        None,
        None,
        "pleural effusion",
        "anatomicalfinding",
        "no",
    ),
    SrGroup("s-3", ("svc",), None, None, "mass/nodule (not otherwise specified)", "anatomicalfinding", "yes"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sr") / "r.dcm"
    write_report(GROUPS, path, evidence=[IMAGE], by_people=False, algorithm="rules", description="P-1.0")
    return path


def test_a_report_comes_back(report: Path) -> None:
    found = read_report(report)
    assert (found.patient_id, found.sex, found.by_people, found.description) == ("P-1", "female", False, "P-1.0")
    assert found.image_uids == (IMAGE.uid,)
    for group, finding in zip(GROUPS, found.findings, strict=True):
        assert (finding.identifier, finding.locations, finding.label) == (
            group.identifier,
            group.locations,
            group.label,
        )
        assert finding.box == (tuple(group.box) if group.box else None)
        assert finding.image_uid == (IMAGE.uid if group.box else "")
        if group.label:
            assert finding.category == group.category
            assert (finding.polarity, finding.comparison, finding.severity) == (
                group.polarity,
                group.comparison,
                group.severity,
            )
            assert finding.cues == group.cues


def test_region_and_site_as_another_reader_sees_them(report: Path) -> None:
    """highdicom's own reader of template 1500: the region's corners, the side of the lung."""
    from highdicom.sr import srread

    document = srread(report)
    groups = document.content.get_planar_roi_measurement_groups()
    corners = groups[0].roi.value
    np.testing.assert_array_equal(corners, [[300, 400], [900, 400], [900, 1900.5], [300, 1900.5], [300, 400]])
    site = groups[0].finding_sites[0]
    assert (site.value.value, site.laterality.value) == ("39607008", "24028007")
    others = document.content.get_image_measurement_groups()
    assert [g.finding_type.meaning for g in others] == ["pleural effusion", "mass/nodule (not otherwise specified)"]
    assert "Absent" in {e.value.meaning for e in others[0].get_qualitative_evaluations()}


def test_every_location_and_label_has_a_term_of_its_own() -> None:
    terms = {
        location: location_term(location) for location in (*REPORT_LOCATIONS, "left upper abdomen", "descending aorta")
    }
    assert {location: location_name(*term) for location, term in terms.items()} == {name: name for name in terms}
    labels = [label for names in ATTRIBUTES.values() for label in names]
    codes = {private_term(label)[0] for label in labels}
    assert len(codes) == len(set(labels)) and all(0 < len(code) <= 16 for code in codes)
    assert [polarity_of(presence_term(p)) for p in ("yes", "no", "uncertain")] == ["yes", "no", "uncertain"]


def test_the_same_report_has_the_same_bytes(report: Path, tmp_path: Path) -> None:
    write_report(
        GROUPS, tmp_path / "again.dcm", evidence=[IMAGE], by_people=False, algorithm="rules", description="P-1.0"
    )
    assert (tmp_path / "again.dcm").read_bytes() == report.read_bytes()


def test_dciodvfy_finds_no_error(report: Path) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    said = subprocess.run([program, str(report)], capture_output=True, text=True).stderr
    assert "ComprehensiveSR" in said
    assert not [line for line in said.splitlines() if line.startswith("Error")], said[:2000]


def test_dsrdump_reads_it(report: Path) -> None:
    program = shutil.which("dsrdump")
    if program is None:
        pytest.skip("dsrdump (dcmtk) is not installed")
    done = subprocess.run([program, str(report)], capture_output=True, text=True)
    assert done.returncode == 0 and "Measurement Group" in done.stdout and "Undetermined" in done.stdout, done.stderr


def test_another_object_is_no_report(report: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(report)
    del dataset.ContentSequence
    dataset.save_as(tmp_path / "bare.dcm")
    with pytest.raises(TumorboardError, match="SRD101"):
        read_report(tmp_path / "bare.dcm")
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.save_as(tmp_path / "ct.dcm")
    with pytest.raises(TumorboardError, match="SRD101"):
        read_report(tmp_path / "ct.dcm")


def test_damaged_reports_end_in_a_code(report: Path, tmp_path: Path) -> None:
    data, rng = report.read_bytes(), np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        changed = bytearray(data[: rng.integers(200, len(data) + 1)])
        for at in rng.integers(132, len(changed), 8):
            changed[at] = rng.integers(0, 256)
        (tmp_path / "x.dcm").write_bytes(changed)
        try:
            read_report(tmp_path / "x.dcm")
        except TumorboardError:
            refused += 1
    assert refused > 10
