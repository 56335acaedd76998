"""Files of other people lie here as published, with their licences."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

HERE = Path(__file__).parent / "vendor"


def test_niivue_is_the_published_file() -> None:
    """sha256 of dist/niivue.umd.js in the npm package @niivue/niivue 0.69.0."""
    folder = files("tumorboard.board") / "static" / "vendor" / "niivue"
    digest = hashlib.sha256((folder / "niivue.umd.js").read_bytes()).hexdigest()
    assert digest == "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
    assert "BSD 2-Clause" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_axe_is_the_published_file_and_no_part_of_the_package() -> None:
    """sha256 of axe.min.js in the npm package axe-core 4.14.1."""
    digest = hashlib.sha256((HERE / "axe.min.js").read_bytes()).hexdigest()
    assert digest == "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
    assert "Mozilla Public License" in (HERE / "LICENSE-axe-core").read_text(encoding="utf-8")
    assert not list(Path(str(files("tumorboard"))).rglob("axe*"))


def test_only_the_wrapper_speaks_to_niivue() -> None:
    static = Path(str(files("tumorboard.board"))) / "static"
    speaking = [path.name for path in static.rglob("*.js") if "niivue." in path.read_text(encoding="utf-8")]
    assert [name for name in speaking if name != "niivue.umd.js"] == ["viewer.js"]
