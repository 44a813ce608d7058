"""Draws nanoseconds per sample over block size: a panel for each model or layer, a curve for each candidate."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rtfx.errors import UsageError

OURS = "rtfx"
COLUMNS = 5  # panels side by side, one for each size of a layer
PANEL_INCHES = (3.2, 2.6)
DPI = 100


def check_target(path: str) -> None:
    """Raise if the picture could not be written; called before anything is measured.

    Raises
    ------
    UsageError
        Another suffix, a folder that does not exist, or Matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UsageError(f"--plot {path}: expected a name that ends in .png, .svg or .pdf")
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--plot {path}: no such folder")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(f"--plot {path}: matplotlib is not installed: pip install matplotlib")


def curves(rows: Iterable[Any]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return (block, ns per sample), blocks ascending, by panel and candidate."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in sorted(rows, key=lambda row: row.block):
        mine = found.setdefault(row.panel, {})
        mine.setdefault(OURS, []).append((row.block, row.ns_per_sample))
        for name, other in row.against.items():
            if other.ns_per_sample is not None:
                mine.setdefault(name, []).append((row.block, other.ns_per_sample))
    return found


def draw(rows: Iterable[Any], path: Path) -> None:
    """Write the picture.

    Parameters
    ----------
    rows : iterable
        Rows of `models.bench_models` or `layers.bench_layers`.
    path : Path
    """
    from matplotlib.figure import Figure

    panels = curves(rows)
    across = min(len(panels), COLUMNS)
    down = math.ceil(len(panels) / across)
    figure = Figure(figsize=(PANEL_INCHES[0] * across, PANEL_INCHES[1] * down), layout="constrained")
    names = list(dict.fromkeys(name for mine in panels.values() for name in mine))
    for place, (panel, mine) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(down, across, place)
        for name, points in mine.items():
            blocks, times = zip(*points, strict=True)
            axes.plot(blocks, times, marker=".", color=f"C{names.index(name)}", label=name)
        every = sorted({block for points in mine.values() for block, _ in points})
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(every, [str(block) for block in every])
        axes.set_title(panel, fontsize=9)
        axes.grid(which="major", alpha=0.3)
        if place > (down - 1) * across:
            axes.set_xlabel("frames per block")
        if (place - 1) % across == 0:
            axes.set_ylabel("ns per sample")
        if place == 1:
            axes.legend(fontsize=8)
    figure.savefig(path, dpi=DPI)
