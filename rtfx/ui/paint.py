"""Styled text as the bytes of this terminal: its colours, its character set; what does not change is not made anew."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from ..errors import COMMANDS

ASCII = {ord(fancy): plain for fancy, plain in {"━": "=", "─": "-", "…": "~"}.items()}


class Painter:
    """Turns lines into what the terminal takes.

    Parameters
    ----------
    console : rich.console.Console, optional
        Knows the terminal's colours; by default that of standard error, asked once, now.
    """

    def __init__(self, console: Console | None = None):
        self._console = console or Console(stderr=True, highlight=False)
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        self._ascii = not encoding.lower().replace("-", "").startswith("utf8")
        self._painted: list[tuple[Text, str]] = []

    @property
    def capable(self) -> bool:
        """The terminal can move its cursor."""
        return self._console.is_terminal and not self._console.is_dumb_terminal and not self._console.legacy_windows

    def paint(self, lines: list[Text]) -> list[str]:
        """Return the lines with escape sequences; a line that equals its predecessor costs next to nothing."""
        old = self._painted
        self._painted = [
            old[row] if row < len(old) and old[row][0] == line else (line, self._line(line))
            for row, line in enumerate(lines)
        ]
        return [painted for _, painted in self._painted]

    def _line(self, line: Text) -> str:
        system: Any = self._console._color_system  # rich has no public name for what its own renderer passes on
        parts = []
        for segment in line.render(self._console):
            text = COMMANDS.sub("", segment.text)  # they have no width, so that what is left fits
            text = text.translate(ASCII) if self._ascii else text
            style = segment.style
            if style is not None and self._console.no_color:
                style = style.without_color
            parts.append(style.render(text, color_system=system) if style else text)
        return "".join(parts)
