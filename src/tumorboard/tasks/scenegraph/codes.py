"""Codes of scene graphs from reports."""

from tumorboard.core.errors import define

ONTOLOGY = define(
    "SCG101",
    "An ontology that cannot be used",
    why="A label that is its own parent, or a name that the vocabulary does not have, gives statements nobody made.",
    fix="repair the lexicon's YAML file",
)
NO_TEXTS = define(
    "SCG102",
    "No report to read",
    why="An empty result would look like a normal chest.",
    fix="give a text file, a folder of .txt files, a CSV with the columns id and text, or a cohort with texts",
)
REPORT_UNREADABLE = define(
    "SCG103",
    "A report that cannot be read as text",
    why="Bytes read in the wrong encoding turn words of negation and units into others.",
    fix="state the encoding with --encoding, or save the file as UTF-8",
)
REPORT_SIZE = define(
    "SCG104",
    "A report larger than any report",
    why="It is many reports in one file or no text at all; findings of all would become those of one exam.",
    fix="split the file into one report each, or use a CSV with the columns id and text",
)
REPORT_EMPTY = define(
    "SCG105",
    "A report without text",
    why="Nothing said is not the same as nothing found.",
    fix="leave the exam out, or find its text",
)
ID_REPEATED = define(
    "SCG106",
    "Two reports of one name",
    why="Statements are found again by the name of their report; which of the two is meant would be a guess.",
    fix="give every report its own id",
)
TABLE_COLUMNS = define(
    "SCG107",
    "A table of reports without the columns asked for",
    why="Which column is the report is not to be guessed: the indication often names what the report denies.",
    fix="name the columns with --id-column and --text-column",
)
TABLE_DAMAGED = define(
    "SCG108",
    "A table of reports that is not well-formed CSV",
    why="After an open quotation mark the rest of the file becomes one report.",
    fix="write the table again with every text in quotation marks",
)
LABELER_FAILED = define(
    "SCG109",
    "The external labeler gave no usable answer",
    why="A program that fails must not look like a report without findings.",
    fix="run it by hand on one report; it reads JSON on standard input and writes JSON on standard output",
)
LABELER_ANSWER = define(
    "SCG110",
    "A statement of the external labeler outside the vocabulary",
    why="Names that are made up cannot be compared with anything.",
    fix="restrict its answers to the vocabulary that it is given",
)
RUN_WITHOUT_STATEMENTS = define(
    "SCG111",
    "A run without statements about reports",
    why="A comparison with nothing would look like a comparison.",
    fix="see the runs of the cohort with `tumorboard info COHORT`",
)
STATEMENT_UNREADABLE = define(
    "SCG112",
    "A relation that should be a statement and is not",
    why="A row whose locations cannot be read would be counted as silence.",
    fix="write statements with tasks.scenegraph.rows, or see its docstring for the form",
)
ID_MISSING = define(
    "SCG113",
    "A report without a name",
    why="Its statements could not be found again.",
    fix="fill the id column in every row",
)
