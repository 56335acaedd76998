"""Codes of tracking."""

from tumorboard.core.errors import define

NO_LESIONS = define(
    "TRK101",
    "No marked lesions to follow",
    why="Tracking joins lesions that somebody (or a detector) has marked at two or more exams of a patient.",
    fix="import marks (RECIST pairs, lesion masks, boxes), or name the run that holds them: `--set marks=RUN`",
)
NO_PLACE = define(
    "TRK103",
    "Exams whose places cannot be compared",
    why="Coordinates of two scans mean nothing to each other before one is aligned to the other.",
    fix="give pixels (registration), relative locations, a body-part run (`--set bodypart_run=RUN`) or landmarks",
)
NOT_AN_EMBEDDING = define(
    "TRK104",
    "An embedding that does not hold the lesions to be followed",
    why="A lesion without its vector would be joined by accident or lost without a word.",
    fix="embed the same findings (tumorboard train retrieval; predict), or track by place: leave `embedding` empty",
)
NO_TRACKS = define(
    "TRK105",
    "A run without lesions joined over exams",
    why="An empty prediction would look like one that failed on every lesion.",
    fix="name a run with relations 'same lesion' (`tumorboard track COHORT --save RUN` makes one)",
)
