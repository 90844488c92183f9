"""What all commands have in common: how much they print, and how they end.

Exit codes: 0 done; 1 it cannot go on, and a sentence says why; 2 wrong use of the command line;
130 interrupted (Ctrl-C) and 143 terminated (SIGTERM), after which the same command resumes.
"""

import functools
import inspect
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from typer.main import get_command, get_current_context

from aura.errors import AuraError, explain

VERBOSITY = "AURA_VERBOSITY"  # what a stage and its processes read: quiet, verbose or neither
Quiet = Annotated[bool, typer.Option("--quiet", help="Print warnings and errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print all that is left out, and why.")]

Dataset = Annotated[
    str, typer.Option("--dataset", "-d", help="A data set of params.yaml.", show_default=True)
]
Root = Annotated[
    str | None,
    typer.Option(help="Folder or URL of the data set, instead of its root in params.yaml."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of params.yaml; repeatable."),
]


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends the command as Ctrl-C does, with its children."""


def set_verbosity(quiet: bool, verbose: bool) -> None:
    """Set how much is printed, by processes that are started too; neither changes nothing."""
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other.")
    if quiet or verbose:
        os.environ[VERBOSITY] = "quiet" if quiet else "verbose"


def global_options(quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Options before the name of a command."""
    set_verbosity(quiet, verbose)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command its last options, and its end a sentence and an exit code."""

    @functools.wraps(function)
    def wrapper(*args: Any, quiet: bool, verbose: bool, **kwargs: Any) -> None:
        set_verbosity(quiet, verbose)
        try:
            with _termination():
                function(*args, **kwargs)
        except AuraError as error:
            typer.echo(f"aura: {error}", err=True)
            raise typer.Exit(1) from None
        except Exception as error:
            sentence = explain(error)
            if sentence is None:  # a fault of the program: where it is helps
                raise
            typer.echo(f"aura: {sentence}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt as error:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to interrupt
            ended = isinstance(error, Terminated)
            with suppress(OSError):
                word = "terminated" if ended else "interrupted"
                typer.echo(f"aura: {word}; the same command resumes.", err=True)
            raise typer.Exit(143 if ended else 130) from None

    signature = inspect.signature(function)
    kinds = {"quiet": Quiet, "verbose": Verbose}
    last = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in kinds.items()
    ]
    own = list(signature.parameters.values())
    wrapper.__signature__ = signature.replace(parameters=[*own, *last])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {**function.__annotations__, **kinds}
    return wrapper


@contextmanager
def _termination() -> Iterator[None]:
    """Raise `Terminated` at SIGTERM inside the block."""

    def end(number: int, frame: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def add_to_typer_group(app: typer.Typer) -> None:
    """Let `typer aura preprocess …` work beside Typer's own form `typer aura run preprocess …`.

    Typer's command imports `aura.cli` in the middle of parsing, and then knows one command, `run`;
    ours are added to that same group. Nothing happens under any other program.
    """
    context = get_current_context(silent=True)
    group = context.command if context is not None else None
    if type(group).__name__ == "TyperCLIGroup":
        for name, subcommand in get_command(app).commands.items():  # type: ignore[attr-defined]
            group.commands.setdefault(name, subcommand)  # type: ignore[union-attr]
