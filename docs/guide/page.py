"""Draw page.svg, the page of ``rtfx play``, beside this file: ``python docs/guide/page.py``.

A set list plays on the null device, some keys are pressed, and the last page is drawn as a terminal would show it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

import rtfx
from rtfx.ui.keys import press
from rtfx.ui.terminal import Painter
from rtfx.ui.view import LiveView

# rich's own format loads a font from the web; any monospaced one does
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<style>.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; }} {styles}</style>
<defs>{lines}</defs>
<rect width="{width}" height="{height}" rx="8" fill="#16181c"/>
<g transform="translate({terminal_x}, {terminal_y})">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


class Paper:
    """Stands in for the terminal: keeps the last page."""

    size = (80, 24)

    def draw(self, lines: list[str]) -> None:
        self.lines = lines


def main(target: Path) -> None:
    """Write the picture."""
    paper = Paper()
    colours = Console(force_terminal=True, color_system="truecolor", width=80, legacy_windows=False)
    with rtfx.Rig.from_yaml("crunch.yaml").play(device="null", say=None) as stream:
        view = LiveView(stream, paper, Painter(colours))
        for _ in range(20):
            view.update(stream.meters())
            stream.wait(0.1)
        for key in ("2", "tab", "tab", "j", "+", "+", "+"):
            view.say(press(stream, key)) if key == "2" else press(stream, key)
        for _ in range(20):
            view.update(stream.meters())
            stream.wait(0.1)
    console = Console(record=True, width=80, file=open(os.devnull, "w"), force_terminal=True, color_system="truecolor")
    for line in paper.lines:
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    console.save_svg(str(target), title="rtfx", code_format=FORMAT, unique_id="page")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".svg"))
