"""Codes of the table layout."""

from tumorboard.core.errors import define

TABLE_FILE = define(
    "TAB101",
    "A table that cannot be read",
    why="Rows of unequal length, an unknown encoding or a missing sheet put values under wrong headings.",
    fix="save the table again as UTF-8 CSV with one heading per column, or say in a TOML beside it what it is: "
    "`encoding` (latin-1 from many spreadsheets), `delimiter`, `sheet`, `header_rows`",
)
TABLE_SCHEMA = define(
    "TAB102",
    "A schema that says something impossible",
    why="A mistyped key or unit would import a column as something else than it is.",
    fix="compare with the schema reference in docs; `tumorboard import table X.csv OUT --set draft=X.toml` drafts one",
)
TABLE_COLUMN = define(
    "TAB103",
    "A schema names a column that the table lacks",
    why="An endpoint built on a column that is not there would be empty without a word.",
    fix="write the name as the heading has it (blanks at the ends do not matter)",
)
TABLE_ID = define(
    "TAB104",
    "Rows without an id, or two rows of one patient",
    why="A cohort has one row per patient; doubled ids join one patient's data to another's.",
    fix='choose another `id` (several columns, or "row number"), or keep one row per patient with `filters`',
)
TABLE_CLASH = define(
    "TAB105",
    "Two columns of one name",
    why="Joined files that share a heading would overwrite each other.",
    fix="give the joined file a `prefix`, or rename with `columns.<name>.as`",
)
TABLE_NO_TWIN = define(
    "TAB106",
    "A cohort that a table cannot hold",
    why="A table has one row per patient; images, texts and findings would be lost without a word.",
    fix="export with a layout that holds images, or pass tables_only=true to write the patients and outcomes alone",
)
