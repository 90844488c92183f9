"""Commands that ask: what a data set holds, what in it is like a text, what a recording is of."""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer

from aura.console import Dataset, Overrides

Model = Annotated[
    str | None, typer.Option(help="A model folder; models/<dataset>/joint if not given.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def add(command: Callable[..., Any], run: Callable[..., Any]) -> None:
    """Register the commands.

    Parameters
    ----------
    command : callable
        As `aura.cli.command`.
    run : callable
        Runs a stage by name, data set, root, overrides and what else it takes.
    """

    @command('aura search "a person dribbles a ball" --dataset synthetic --by imu')
    def search(
        text: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
        dataset: Dataset = "synthetic",
        like: Annotated[
            str | None,
            typer.Option(metavar="WINDOW", help="The id of a window instead."),
        ] = None,
        by: Annotated[str, typer.Option(help="What to compare: imu, mocap or video.")] = "imu",
        split: Annotated[str, typer.Option(help="test, train, val or all.")] = "test",
        top: Annotated[int, typer.Option(help="How many windows to show.")] = 10,
        model: Model = None,
        out: Annotated[
            str | None, typer.Option(help="The page; in reports/<dataset>/search if not given.")
        ] = None,
        as_json: Json = False,
        overrides: Overrides = None,
    ) -> None:
        """Windows nearest to a text or to another window: a table, and a page with pictures."""
        question = import_module("pipeline.search").Question(text, like, by, split, top, model)
        typer.echo(run("search", dataset, None, overrides, question, out, as_json))

    @command('aura classify walk.csv --prompts "cooking" "dancing" --units g,deg/s')
    def classify(
        recording: Annotated[str, typer.Argument(help="A VRS, CSV or Parquet file.")],
        more: Annotated[
            list[str] | None, typer.Argument(metavar="[PROMPT]...", help="More prompts.")
        ] = None,
        prompts: Annotated[
            list[str] | None, typer.Option("--prompts", help="What it could be, in words.")
        ] = None,
        dataset: Dataset = "synthetic",
        rate: Annotated[
            float | None, typer.Option(help="Samples a second, of a table without time.")
        ] = None,
        units: Annotated[
            str | None, typer.Option(help="Units that are converted, such as g,deg/s.")
        ] = None,
        columns: Annotated[
            str | None, typer.Option(help="Columns of the channels: ax,ay,az,gx,gy,gz.")
        ] = None,
        imu: Annotated[str, typer.Option(help="Which IMU of a VRS file.")] = "imu-right",
        smooth: Annotated[int, typer.Option(help="Windows that are averaged, odd.")] = 3,
        stride: Annotated[float, typer.Option(help="Seconds from one window to the next.")] = 2.5,
        verbatim: Annotated[
            bool, typer.Option("--verbatim", help="Prompts are whole sentences: use no templates.")
        ] = False,
        model: Model = None,
        out: Annotated[
            str | None, typer.Option(help="The page; in reports/<dataset>/classify if not given.")
        ] = None,
        as_json: Json = False,
        overrides: Overrides = None,
    ) -> None:
        """What a recording holds over time, in words of your own, or none of these."""
        asked = import_module("pipeline.classify").Asked(
            [*(prompts or []), *(more or [])], rate, units,
            [name.strip() for name in columns.split(",")] if columns else None,
            imu, smooth, stride, verbatim, model,
        )  # fmt: skip
        typer.echo(run("classify", dataset, None, overrides, recording, asked, out, as_json))

    @command("aura stats --dataset synthetic")
    def stats(
        dataset: Dataset = "synthetic", as_json: Json = False, overrides: Overrides = None
    ) -> None:
        """What a data set holds: hours, people, classes, texts, and what was left out."""
        typer.echo(run("stats", dataset, None, overrides, as_json))

    @command("aura view --dataset synthetic --window WINDOW")
    def view(
        dataset: Dataset = "synthetic",
        take: Annotated[str | None, typer.Option(help="Id or name of a take.")] = None,
        window: Annotated[str | None, typer.Option(help="Id of a window of it.")] = None,
        out: Annotated[
            str | None, typer.Option(help="The file; in reports/<dataset>/view if not given.")
        ] = None,
        no_open: Annotated[
            bool, typer.Option("--no-open", help="Write the file and open nothing.")
        ] = False,
        overrides: Overrides = None,
    ) -> None:
        """A take in the rerun viewer: signals, skeleton, video, texts and cosines."""
        typer.echo(run("view", dataset, None, overrides, take, window, out, not no_open))
