"""What the product is made of: a current bill of materials, licences that go together, no version known as unsafe."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]

SAFE = {
    "monai": ("1.6.0", "GHSA-89gg-p5r5-q6r4, GHSA-wg9g-w2j2-8pgr, GHSA-qxq5-qhx6-94qw, GHSA-9rg3-9pvr-6p27"),
    "pydicom": ("3.0.2", "CVE-2026-32711, DICOMDIR"),
    "torch": ("2.6.0", "CVE-2025-32434, torch.load"),
    "simpleitk": ("2.1.0", "refuses axes that are not orthonormal"),
    "jinja2": ("3.1.6", "CVE-2025-27516"),
    "h11": ("0.16.0", "CVE-2025-43859"),
    "starlette": ("0.49.1", "CVE-2025-62727"),
    "tornado": ("6.5.0", "CVE-2025-47287"),
    "pyarrow": ("14.0.1", "CVE-2023-47248"),
    "pillow": ("11.3.0", "CVE-2025-48379"),
    "defusedxml": ("0.7.1", "parses all XML from elsewhere"),
}  # fmt: skip
"""Package -> the first version without the advisory. From the advisories themselves; no network is asked."""


@pytest.fixture(scope="module")
def sbom() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("docs_sbom", ROOT / "docs" / "sbom.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_bill_of_materials_is_current(sbom: Any) -> None:
    for path, text in sbom.build().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: run `make sbom`"


def test_every_package_of_the_lock_is_in_it_and_every_reference_resolves() -> None:
    content = json.loads((ROOT / "sbom.cdx.json").read_text(encoding="utf-8"))
    locked = set(re.findall(r"^([^#=\s]+==\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert locked == {f"{c['name']}=={c['version']}" for c in content["components"] if c["name"] != "niivue"}
    refs = [c["bom-ref"] for c in content["components"]] + [content["metadata"]["component"]["bom-ref"]]
    assert len(refs) == len(set(refs))
    assert {ref for entry in content["dependencies"] for ref in (entry["ref"], *entry["dependsOn"])} <= set(refs)
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")


def test_no_licence_is_unknown_and_none_of_the_product_clashes_with_apache(sbom: Any) -> None:
    for package in sbom.packages():
        named = sbom.parts(package.licence)
        assert package.licence != "unknown", package.name
        if package.needed_by == ("oracles",):
            continue
        assert named <= sbom.PERMISSIVE | sbom.WEAK, f"{package.name}: {package.licence}"


def test_weak_copyleft_is_named_in_the_notice(sbom: Any) -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for package in sbom.packages():
        if package.needed_by == ("",) and not sbom.parts(package.licence) <= sbom.PERMISSIVE:
            assert package.name in notice, package.name


@pytest.mark.parametrize("expression, expected", [("MIT", {"MIT"}), ("Apache-2.0 OR BSD-2-Clause", {"Apache-2.0"}),
                                                  ("GPL-3.0-only OR MIT", {"MIT"}),
                                                  ("Apache-2.0 WITH LLVM-exception AND MIT",
                                                   {"Apache-2.0", "LLVM-exception", "MIT"})])  # fmt: skip
def test_expressions(sbom: Any, expression: str, expected: set[str]) -> None:
    assert sbom.parts(expression) == expected


@pytest.mark.parametrize("name", SAFE)
def test_locked_versions_are_past_known_advisories(name: str) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = re.search(rf"^{name}==(\S+)$", lock, re.MULTILINE | re.IGNORECASE)
    assert found is not None and Version(found[1]) >= Version(SAFE[name][0]), SAFE[name]


@pytest.mark.parametrize("name", ["monai", "pydicom", "torch", "jinja2", "defusedxml"])
def test_no_unsafe_version_may_be_installed_beside_the_lock(name: str) -> None:
    """What `pip install tumorboard` may choose, without the lock."""
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (requirement,) = [Requirement(text) for text in wanted if Requirement(text).name.lower() == name]
    floor = next(s.version for s in requirement.specifier if s.operator in (">=", "=="))
    assert Version(floor) >= Version(SAFE[name][0]), SAFE[name]
