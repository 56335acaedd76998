"""Writes the bill of materials: `sbom.cdx.json` (CycloneDX 1.6) and `docs/licences.md`, from the locked packages.

Offline: names and versions from `requirements.lock`, licences and who needs whom from the metadata of the installed
packages. The same environment gives the same bytes; a test compares.
"""

from __future__ import annotations

import json
import re
import tomllib
import uuid
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SBOM, LICENCES = ROOT / "sbom.cdx.json", ROOT / "docs" / "licences.md"
_NAMESPACE = uuid.UUID("5a1d7a52-0a8f-5f0e-9d0c-7b1f0c6e4d21")
_EXTRAS = ("fast", "scale", "dev", "oracles")

SPDX = {
    "apache": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0", "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause", "bsd 3-clause license": "BSD-3-Clause",
    "mit license": "MIT", "isc license (iscl)": "ISC", "gplv3": "GPL-3.0-only", "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "bsd-3-clause and public-domain": "BSD-3-Clause AND LicenseRef-Public-Domain",
}  # fmt: skip
"""Words of older metadata -> SPDX. A "BSD" without a number is the three-clause one in every package listed here."""
PERMISSIVE = frozenset(
    (
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "LLVM-exception"),
        *("LicenseRef-Public-Domain", "MIT", "MIT-CMU", "PSF-2.0", "Zlib"),
    )
)
WEAK = frozenset(("LGPL-3.0-or-later", "MPL-2.0"))
"""Copyleft of the library's own files: fine beside Apache-2.0 as a separate package that users can replace."""


class Package(NamedTuple):
    """One locked package; `needed_by` the product (empty text) or the extras that lead to it."""

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]


def packages() -> list[Package]:
    """The locked packages in the order of the lock."""
    locked = dict(re.findall(r"^([^#=\s]+)==(\S+)$", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    names = {canonicalize_name(name): name for name in locked}
    needs = {name: _needs(names[name], (), names) for name in names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    roots = {"": project["dependencies"], **{extra: project["optional-dependencies"][extra] for extra in _EXTRAS}}
    reached = {word: _closure([Requirement(text) for text in texts], names) for word, texts in roots.items()}
    found = []
    for key, name in names.items():
        users = ("",) if key in reached[""] else tuple(word for word in _EXTRAS if key in reached[word])
        found.append(Package(name, locked[name], licence_of(metadata.metadata(name)), needs[key], users))
    return found


def licence_of(told: Any) -> str:
    """SPDX expression of a package's metadata: what it says itself, else the words of its classifier or licence."""
    if told.get("License-Expression"):
        return str(told["License-Expression"])
    classified = [text.rpartition("::")[2].strip() for text in told.get_all("Classifier") or () if "License ::" in text]
    words = [*classified, *((told.get("License") or "").strip().splitlines() or [""])[:1]]
    for word in words:
        plain = word.rpartition("::")[2].strip()
        if plain.casefold() in SPDX:
            return SPDX[plain.casefold()]
        if plain in PERMISSIVE | WEAK:
            return plain
    return "unknown"


def parts(expression: str) -> set[str]:
    """Licences and exceptions named in an SPDX expression; of alternatives, the permissive one counts alone."""
    if " OR " in expression:
        choices = [parts(choice) for choice in expression.split(" OR ")]
        return next((choice for choice in choices if choice <= PERMISSIVE), set().union(*choices))
    return {word for word in re.findall(r"[\w.+-]+", expression) if word not in ("AND", "WITH")}


def _needs(name: str, extras: Iterable[str], names: dict[str, str]) -> tuple[str, ...]:
    """What a package needs here, as far as it is locked."""
    found = set()
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.add(canonicalize_name(requirement.name))
    return tuple(sorted(found & names.keys()))


def _closure(roots: Iterable[Requirement], names: dict[str, str]) -> set[str]:
    reached: set[str] = set()
    waiting = [(canonicalize_name(root.name), tuple(root.extras)) for root in roots]
    while waiting:
        name, extras = waiting.pop()
        if name in names and name not in reached:
            reached.add(name)
            waiting += [(needed, ()) for needed in _needs(names[name], extras, names)]
    return reached


def build() -> dict[Path, str]:
    """File -> text."""
    found = packages()
    return {SBOM: json.dumps(_cyclonedx(found), indent=1, ensure_ascii=False) + "\n", LICENCES: _page(found)}


def _cyclonedx(found: list[Package]) -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    components = [
        {
            "type": "library",
            "bom-ref": _purl(p),
            "name": p.name,
            "version": p.version,
            "scope": "required" if p.needed_by == ("",) else "optional",
            "licenses": [{"expression": p.licence}],
            "purl": _purl(p),
        }
        for p in found
    ]
    niivue = "pkg:npm/%40niivue/niivue@0.69.0"
    components.append(
        {
            "type": "library", "bom-ref": niivue, "group": "@niivue", "name": "niivue", "version": "0.69.0",
            "scope": "required", "licenses": [{"expression": "BSD-2-Clause"}], "purl": niivue,
        }
    )  # fmt: skip
    refs = {canonicalize_name(p.name): _purl(p) for p in found}
    own = f"pkg:pypi/tumorboard@{project['version']}"
    direct = [canonicalize_name(Requirement(text).name) for text in project["dependencies"]]
    dependencies = [{"ref": own, "dependsOn": [*sorted(refs[n] for n in direct if n in refs), niivue]}]
    dependencies += [{"ref": _purl(p), "dependsOn": [refs[name] for name in p.needs]} for p in found]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, json.dumps(components))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": own, "name": "tumorboard", "version": project["version"],
                "licenses": [{"expression": project["license"]}], "purl": own,
            }
        },
        "components": components,
        "dependencies": dependencies,
    }  # fmt: skip


def _purl(package: Package) -> str:
    return f"pkg:pypi/{canonicalize_name(package.name)}@{package.version}"


def _page(found: list[Package]) -> str:
    lines = [
        "<!-- Written by docs/sbom.py (make sbom). Do not edit. -->",
        "# What Tumorboard is made of",
        "",
        "Packages of `requirements.lock` with their licences, as their own metadata state them; the same as CycloneDX",
        "in `sbom.cdx.json`. *product*: needed to run; the others belong to an extra. NiiVue 0.69.0 (BSD-2-Clause)",
        "lies in the package. LGPL and MPL packages stay separate and can be replaced. GPL packages come with the",
        "extra `oracles` alone, which tests use to compare results.",
        "",
        "| package | version | licence | needed by |",
        "|---|---|---|---|",
    ]
    for p in found:
        users = "product" if p.needed_by == ("",) else ", ".join(p.needed_by) or "building"
        lines.append(f"| {p.name} | {p.version} | {p.licence} | {users} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for path, text in build().items():
        path.write_text(text, encoding="utf-8")
