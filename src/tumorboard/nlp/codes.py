"""Codes of the reading of reports: what can be wrong with a lexicon."""

from tumorboard.core.errors import define

LEXICON_MISSING = define(
    "NLP101",
    "A lexicon that is not there",
    why="Without words the reader would find nothing and call it a clean report.",
    fix="name one of the lexicons of the package, or a folder with findings.tsv, anatomy.tsv and ontology.yaml",
)
LEXICON_UNREADABLE = define(
    "NLP102",
    "A lexicon file that does not read as its columns or keys",
    why="A row that is skipped is a word that is never found again.",
    fix="keep the header and one tab between columns; check the YAML with any editor that knows YAML",
)
DUPLICATE_TERM = define(
    "NLP201",
    "One wording with two meanings",
    why="Only one of the two can win, and which one depends on the order of the rows.",
    fix="delete one of the rows or make one of the wordings longer",
)
SWALLOWED_TERM = define(
    "NLP202",
    "A term that a trigger swallows",
    why="A wording that is part of a longer trigger without effect is never found inside it.",
    fix="make the term longer than the trigger, or take it out of the trigger",
)
NO_DEFAULT_LOCATION = define(
    "NLP203",
    "A label without default location",
    why="When the sentence names no place, the finding would stand nowhere and be lost.",
    fix="give the label `default` in ontology.yaml",
)
PARENT_CYCLE = define(
    "NLP204",
    "Labels that are each other's parent",
    why="Closure would never end.",
    fix="take one of the parents out of ontology.yaml",
)
UNKNOWN_LABEL = define(
    "NLP205",
    "A name that the ontology does not know",
    why="A finding under an unknown name reaches no table and no comparison.",
    fix="correct the spelling or add the name to ontology.yaml",
)
USELESS_VARIANT = define(
    "NLP206",
    "A spelling variant of a word that no term uses",
    why="The variant can never match.",
    fix="delete the row or add the term it was meant for",
)
