"""Codes of Open-i's reports."""

from tumorboard.core.errors import define

XML_INVALID = define(
    "OPI101",
    "A report that is not well-formed XML",
    why="A half-read report would lose its impression without a word.",
    fix="fetch the file again, or leave it out on purpose with --set damaged=skip",
)
XML_REFUSED = define(
    "OPI102",
    "XML that defines entities or names other files",
    why="A kilobyte of entities can expand to gigabytes or read files of this machine; no report needs any.",
    fix="do not open the file with another reader; ask where it came from",
)
NO_REPORT = define(
    "OPI103",
    "XML that is no Open-i report",
    why="Without an identifier (uId) nothing can be joined to it.",
    fix="give the folder or archive `ecgen-radiology`",
)
REPORT_TWICE = define(
    "OPI104",
    "Two reports of one identifier",
    why="Only one of them can be the report of that study.",
    fix="remove one",
)
