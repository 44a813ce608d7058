"""Levels and loads as bars and numbers: green, yellow from -3 dBFS, red from 0 dBFS."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.text import Text

FLOOR_DBFS = -60.0
YELLOW_DBFS, RED_DBFS = -3.0, 0.0
YELLOW_LOAD, RED_LOAD = 0.5, 0.8
CELL = 9  # columns of a channel without a bar
NUMBERS = 24  # columns of a line that are no bar


def level_style(dbfs: float) -> str:
    """Return the colour of a level."""
    return "green" if dbfs < YELLOW_DBFS else "yellow" if dbfs < RED_DBFS else "red"


def load_style(load: float) -> str:
    """Return the colour of a load."""
    return "green" if load < YELLOW_LOAD else "yellow" if load < RED_LOAD else "bold red"


def bar(share: float, width: int, style: str) -> Text:
    """Return a bar filled to a share of 0 to 1."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return Text.assemble(("━" * full, style), ("─" * (width - full), "dim"))


def number(dbfs: float) -> str:
    """Return a level in six columns."""
    return f"{dbfs:6.1f}" if dbfs > FLOOR_DBFS else "   -oo"


def lamp(held_dbfs: float) -> Text:
    """Return what is latched: CLIP in red once 0 dBFS was reached, the peak on yellow from -3 dBFS, else dim."""
    if held_dbfs >= RED_DBFS:
        return Text(" CLIP ", "bold white on red")
    text = number(held_dbfs)
    return Text(text, "black on yellow" if held_dbfs >= YELLOW_DBFS else "dim")


def channel_line(name: str, dbfs: float, held_dbfs: float, width: int) -> Text:
    """Return the meter of a channel: bar, level, latch."""
    line = Text.assemble((f"{name:<7}", "bold" if name.startswith(">") else ""))
    line.append_text(bar(1.0 - dbfs / FLOOR_DBFS, width - NUMBERS - 1, level_style(dbfs)))
    line.append(f" {number(dbfs)}  ", level_style(dbfs))
    line.append_text(lamp(held_dbfs))
    return line


def others_lines(levels: Sequence[float], held: Sequence[float], shown: Collection[int], width: int) -> list[Text]:
    """Return the channels that have no bar of their own as numbers, several a line."""
    result: list[Text] = []
    others = [channel for channel in range(len(levels)) if channel not in shown]
    a_line = max((width - 1) // CELL, 1)
    for first in range(0, len(others), a_line):
        line = Text()
        for channel in others[first : first + a_line]:
            clipped = held[channel] >= RED_DBFS
            style = "bold white on red" if clipped else level_style(max(levels[channel], held[channel]))
            line.append(f"{channel + 1:2d}")
            line.append(f"{number(levels[channel])}", style)
            line.append(" ")
        result.append(line)
    return result
