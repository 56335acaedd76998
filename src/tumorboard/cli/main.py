"""`tumorboard`: one program, one file per verb."""

from __future__ import annotations

import errno
import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING

import typer

import tumorboard.cli as verbs
from tumorboard import __version__
from tumorboard.cli.output import EXIT_FAILURE, EXIT_USAGE, report_error

if TYPE_CHECKING:
    from tumorboard.core.errors import TumorboardError

_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_NOT_VERBS = {"main", "output", "options", "progress", "codes", "stages", "pipeline", "settings", "workers"}


def build_app() -> typer.Typer:
    """The program with every verb of this folder: module `<verb>` holds a function `command`."""
    app = typer.Typer(
        name="tumorboard",
        help="Everything known about a cancer patient on one table.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
        if version:
            typer.echo(__version__)
            raise typer.Exit

    for name in sorted(m.name for m in pkgutil.iter_modules(verbs.__path__) if m.name not in _NOT_VERBS):
        module = importlib.import_module(f"tumorboard.cli.{name}")
        app.command(name=name.rstrip("_").replace("_", "-"))(module.command)
    return app


def main() -> None:
    """Entry point: runs a verb and turns coded errors into exit codes (0 fine, 1 failure, 2 usage, 3 bad data)."""
    from tumorboard.core.errors import TumorboardError

    try:
        build_app()()
    except TumorboardError as error:
        report_error(error, as_json="--json" in sys.argv)
        sys.exit(EXIT_FAILURE)
    except OSError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        report_error(refusal, as_json="--json" in sys.argv)
        sys.exit(EXIT_FAILURE)
    except KeyboardInterrupt:
        sys.exit(EXIT_USAGE + 128)


def _refusal(error: OSError) -> TumorboardError | None:
    """The coded form of what the system says about disks and rights; None for anything else, which is a defect."""
    from tumorboard.core.errors import TumorboardError
    from tumorboard.io import codes

    if error.errno not in _REFUSALS:
        return None
    where = error.filename or "the system"
    return TumorboardError(codes.SYSTEM_REFUSES, where, found=str(error.strerror), expected="a file that can be used")
