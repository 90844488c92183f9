"""The estimate as a table, and the sentence that says what of it is measured."""

from collections.abc import Sequence

from pipeline.cost import units
from pipeline.cost.amounts import GPU_EFFICIENCY, Row
from pipeline.cost.sizes import FullSize

# Times as long as a synthetic video took one of people, of H.264 at 448p and 758 kbit/s.
_REAL_VIDEO_FACTOR = 3.0


def table(blocks: Sequence[tuple[str, Sequence[Row]]], cores: int, gpu_tflops: float) -> str:
    """The estimate as Markdown.

    Parameters
    ----------
    blocks : sequence of (str, sequence of Row)
        A block with a title ends with a row that is called so, the sum of its times.
    cores : int
        Cores of the machine.
    gpu_tflops : float
        Peak of the GPU of the last column.

    Returns
    -------
    str
        The table.
    """
    gpu = f"one GPU of {gpu_tflops:g} TFLOPS at {GPU_EFFICIENCY:.0%} (assumed, not measured)"
    head = [
        "stage",
        "amount",
        "arithmetic",
        "measured here",
        "one core",
        f"{cores} core{'s'[: cores - 1]}",
        gpu,
    ]
    lines = [head, ["---"] * len(head)]
    for title, rows in blocks:
        lines += [_cells(row, cores) for row in rows]
        if title:
            sums = [
                _sum(column) for column in zip(*(row.times(cores) for row in rows), strict=True)
            ]
            lines.append([f"**{title}**", "", "", "", *sums, ""])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def assumptions(
    full: FullSize, size: FullSize, rates: dict[str, float], cores: int, sample_s: float, busy: bool
) -> str:
    """Say what of the table is measured and what is assumed.

    Parameters
    ----------
    full, size : FullSize
        The whole data set, and what of it is read.
    rates : dict of str to float
        As measured.
    cores : int
        Cores of the machine.
    sample_s : float
        Length of the recording that was measured.
    busy : bool
        Whether other programs were at work.

    Returns
    -------
    str
        One sentence.
    """
    read, total = sum(size.takes.values()), sum(full.takes.values())
    bits = full.parts_gb["downscaled_takes/448"] * 8e6 / (full.all_hours * 3600)
    pose = full.parts_gb["ego_pose_pseudo_gt"] * 1e3 / full.ego_hours
    return (
        "This is an estimate: the rates are medians measured on this machine, by the project's own "
        f"functions on a synthetic recording of {sample_s:.0f} s in the page cache, on one "
        "thread where the rate does not say otherwise"
        + (" (and too low, as other programs were at work)" if busy else "")
        + f"; amounts are published sizes, of the {read:,} of {total:,} takes that params.yaml "
        "reads; it is assumed, and not measured, that where no rate on "
        f"all threads is given {cores} cores are {cores} times as fast as one, that every take "
        "is of mean length and has every modality, that real files cost what the synthetic ones "
        f"do (video of {rates['video_bits'] / 1e3:.0f} kbit/s here, at most {bits:.0f} there, "
        f"where a real one took {_REAL_VIDEO_FACTOR:.0f} times as long in a trial; pose "
        f"of {rates['pose_bytes'] / 1e6:.0f} MB an hour here, at most {pose:.0f} there), that "
        "neither disk nor network holds anything up, and that a GPU reaches "
        f"{GPU_EFFICIENCY:.0%} of its peak on CLIP (`embed.gpus` puts it on one)."
    )


def _cells(row: Row, cores: int) -> list[str]:
    amount = units.size(row.amount) if row.unit == "B" else f"{units.count(row.amount)} {row.unit}"
    rates = [(row.rate, ""), (row.all_rate, " on all threads")]
    measured = row.measured or ", ".join(
        units.pace(rate, row.unit) + on for rate, on in rates if rate
    )
    times = [*row.times(cores), row.gpu_s]
    return [row.stage, amount, row.arithmetic, measured, *("" if t is None else units.duration(t)
                                                           for t in times)]  # fmt: skip


def _sum(times: Sequence[float | None]) -> str:
    known = [time for time in times if time is not None]
    return f"**{units.duration(sum(known))}**" if len(known) == len(times) else ""
