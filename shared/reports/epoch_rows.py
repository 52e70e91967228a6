"""A table with a row per epoch that survives an interruption, and its figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..atomic_write import atomic_write
from ..errors import InputError

__all__ = ["Row", "draw_epoch_rows", "read_epoch_rows", "write_epoch_rows"]

Row = dict[str, float]  # "epoch" among them; what an epoch lacks is left out


def read_epoch_rows(path: Path, below: int) -> list[Row]:
    """Read the rows of epochs below `below`, without their empty cells; none if there is no file."""
    import pandas

    if below == 1 or not path.is_file():
        return []
    try:
        table = pandas.read_csv(path)
        rows = [row.dropna().to_dict() for _, row in table[table["epoch"] < below].iterrows()]
        return [row | {"epoch": int(row["epoch"])} for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not a table of this program's curves; move it away.") from error


def write_epoch_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write the rows, "epoch" first, numbers to six digits."""
    import pandas

    with atomic_write(path) as temporary:
        table = pandas.DataFrame(list(rows), columns=["epoch", *columns])
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def draw_epoch_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Draw a panel per column."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    across = min(3, len(columns))
    down = -(-len(columns) // across)
    figure = Figure(figsize=(4 * across, 2.6 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).flatten()
    for ax, name in zip(axes, columns, strict=False):
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        ax.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else None)
        ax.set_title(name.replace("_", " "), fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        ax.grid(alpha=0.3)
    for ax in axes[len(columns) :]:
        ax.set_axis_off()
    for ax in axes[max(0, len(columns) - across) : len(columns)]:
        ax.set_xlabel("epoch")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
