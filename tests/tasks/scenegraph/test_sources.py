"""Reports from files, good and bad: what can be read is read, what cannot is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.scenegraph.reading import Report
from tumorboard.tasks.scenegraph.sources import MAX_REPORT_BYTES, empty_report, plain_report, reports_from


def outcome(path: Path, **options: object) -> list[tuple[str, str] | str]:
    """(id, text) of reports, codes of errors."""
    items = reports_from(path, **options)  # type: ignore[arg-type]
    return [(i.exam_id, i.text) if isinstance(i, Report) else i.code.id for i in items]


def raised(path: Path, **options: object) -> str:
    with pytest.raises(TumorboardError) as error:
        outcome(path, **options)
    return error.value.code.id


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("Lungs clear.", ("r", "Lungs clear.")),
        ("\ufeffLungs clear.", ("r", "Lungs clear.")),
        ("Œdème né".encode("utf-16"), ("r", "Œdème né")),
        ("no change in œdème".encode(), ("r", "no change in œdème")),
        ("œdème".encode("cp1252"), "SCG103"),
        (b"", ("r", "")),
        (b" \n\t\n", ("r", " \n\t\n")),
        (b"Lungs\0clear", "SCG103"),
        (b"x" * (MAX_REPORT_BYTES + 1), "SCG104"),
        (b"\xff\xfe\x00", "SCG103"),
    ],
    ids=range(10),
)
def test_one_file(tmp_path: Path, data: bytes | str, expected: tuple[str, str] | str) -> None:
    assert outcome(put(tmp_path / "r.txt", data)) == [expected]


def test_a_stated_encoding(tmp_path: Path) -> None:
    path = put(tmp_path / "r.txt", "œdème".encode("cp1252"))
    assert outcome(path, encoding="cp1252") == [("r", "œdème")]
    assert outcome(path, encoding="no-such") == ["SCG103"]


def test_a_folder_names_reports_by_their_path(tmp_path: Path) -> None:
    put(tmp_path / "p10" / "s2.txt", "B")
    put(tmp_path / "p2" / "s1.txt", "A")
    put(tmp_path / "p2" / "s1.csv", "not a report")
    put(tmp_path / "p2" / "empty.TXT", "")
    put(tmp_path / ".hidden" / "s.txt", "C")
    assert outcome(tmp_path) == [("p2/empty", ""), ("p2/s1", "A"), ("p10/s2", "B")]


def test_nothing_to_read(tmp_path: Path) -> None:
    assert raised(tmp_path) == "SCG102"
    assert raised(tmp_path / "gone.txt") == "SCG102"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_a_table(tmp_path: Path, separator: str, pack: Callable[[bytes], bytes]) -> None:
    text = (
        separator.join(["Text", "ID", "age"]) + "\r\n" + separator.join(['"Clear,\nno; effusion"', "a", "3"]) + "\r\n"
    )
    path = put(tmp_path / ("t.csv.gz" if pack is gzip.compress else "t.csv"), pack(text.encode()))
    assert outcome(path) == [("a", "Clear,\nno; effusion")]


def test_rows_of_a_table_fail_alone(tmp_path: Path) -> None:
    rows = ["a,Clear.", "b,", ",Effusion.", "a,Again.", "c,x,y", "d,N\0UL", "", "e,Fine."]
    path = put(tmp_path / "t.csv", "\n".join(["id,text", *rows]))
    found = outcome(path)
    assert found == [("a", "Clear."), ("b", ""), "SCG113", "SCG106", "SCG108", "SCG103", ("e", "Fine.")]


def test_several_columns_become_sections(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "uid,indication,findings,impression\n1,Cough,Clear.,Normal.\n2,,,Effusion.\n3,,,\n")
    items = list(reports_from(path, id_column="uid", text_columns=["findings", "impression"]))
    one, two, three = items
    assert isinstance(one, Report) and one.text == "FINDINGS:\nClear.\n\nIMPRESSION:\nNormal.\n\n"
    assert one.locate(one.text.index("Normal")) == ("impression", 0)
    assert isinstance(two, Report) and two.text_ids == ("impression",)
    assert isinstance(three, Report) and three.text == "" and not three.text_ids


def test_half_a_character_is_no_text() -> None:
    assert isinstance(plain_report("a", "no \udce9dema"), TumorboardError)
    assert plain_report("a", "no \U0001f600") == Report("a", "no \U0001f600")


def test_an_empty_report_is_told() -> None:
    error = empty_report(Report("a", " \n"))
    assert error is not None and error.code.id == "SCG105" and empty_report(Report("a", "x")) is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "SCG107"),
        (b"id,body\n1,x\n", "SCG107"),
        (b'id,text\n1,"open', "SCG108"),
        (b'id,text\n1,"a"b\n', "SCG108"),
        (b"id,text\n1," + b"x" * (MAX_REPORT_BYTES + 10) + b"\n", "SCG108"),
        (b"id,text\n1,\xe9t\xe9\n", "SCG103"),
        (b"\x00" * 100, "SCG107"),
    ],
    ids=range(7),
)
def test_tables_that_are_none(tmp_path: Path, data: bytes, code: str) -> None:
    assert raised(put(tmp_path / "t.csv", data)) == code


def test_a_damaged_archive(tmp_path: Path) -> None:
    whole = gzip.compress(b"id,text\n" + b"".join(b"%d,Clear %d.\n" % (i, i) for i in range(5000)))
    assert raised(put(tmp_path / "t.csv.gz", whole[: len(whole) // 2])) == "SCG103"
    assert raised(put(tmp_path / "u.csv.gz", b"no archive")) == "SCG103"


def test_a_large_table_is_read_in_little_memory(tmp_path: Path) -> None:
    """30 MB of reports, never more than a few of them at once."""
    import tracemalloc

    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        for number in range(3000):
            file.write(f"{number}," + "Lungs clear. " * 800 + "\n")
    tracemalloc.start()
    count = sum(isinstance(item, Report) for item in reports_from(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3000 and path.stat().st_size > 30e6 and peak < 6e6
