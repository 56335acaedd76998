"""Two codes under one name in one file: the second hides the first, and every error of the first tells a lie."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import tumorboard

FILES = sorted(Path(tumorboard.__file__).parent.rglob("codes.py"))


def test_every_name_of_a_code_is_given_once() -> None:
    assert len(FILES) > 20
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = Counter(
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        )
        assert not [name for name, times in names.items() if times > 1], path
