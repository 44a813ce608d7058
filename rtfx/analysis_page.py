"""Draws analyses, one or several on the same axes: as an HTML page with drawings in SVG, or as a PNG.

A drawing is a table of curves. One painter writes SVG and needs no other library, the other one is matplotlib.
A colour is a rig, a dash is a level.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .analyze import HARMONIC_DB, RESPONSE_DB, TRANSFER_DB, Analysis
from .errors import UsageError
from .files import write_file

COLOURS = ("#2a78d6", "#eb6834", "#1baf7a", "#4a3aa7", "#e87ba4", "#eda100")
DASHES = ("2 3", "7 4", "")  # of the softest, the middle and the loudest level
LINES = (":", "--", "-")  # the same for matplotlib
WIDTH, HEIGHT = 560, 342
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 46, 44
FEWEST_TICKS = 4


@dataclass(frozen=True)
class Curve:
    """A line through points; `owner` is the index of its rig, `level` of its dash; `dots` marks each point."""

    owner: int
    level: int
    x: Sequence[float]
    y: Sequence[float]
    dots: bool = False

    def shown(self, low: float) -> list[tuple[float, float]]:
        """Return the points that are not below `low`."""
        return [(x, y) for x, y in zip(self.x, self.y, strict=True) if y >= low]


@dataclass(frozen=True)
class Drawing:
    """A title, axes and curves; `levels` names the dashes, `low` is the lowest value that is shown."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    levels: Sequence[str] = ()
    logarithmic: bool = False
    low: float = -math.inf


def drawings(found: Sequence[Analysis]) -> list[Drawing]:
    """Return the drawings of one or several analyses."""
    each = list(enumerate(found))

    def named(levels: Sequence[float]) -> list[str]:
        return [f"{db:g} dBFS" for db in levels]

    def curves(part: str, levels: Sequence[float], x: str, y: str) -> list[Curve]:
        found = []
        for owner, one in each:
            for place, db in enumerate(levels):
                data = getattr(one, part)[f"{db:g} dB"]
                found.append(Curve(owner, place, data[x], data[y]))
        return found

    return [
        Drawing(
            "Transfer: one cycle of a sine of 110 Hz",
            "input",
            "output",
            curves("transfer", TRANSFER_DB, "input", "output"),
            named(TRANSFER_DB),
        ),
        Drawing(
            "Level of a sine of 1 kHz",
            "input, dBFS",
            "output, dBFS",
            [Curve(owner, 2, one.levels["input_dbfs"], one.levels["output_dbfs"], True) for owner, one in each],
            low=-120.0,
        ),
        Drawing(
            "Harmonics of a sine of 1 kHz",
            "harmonic",
            "dB of the fundamental",
            [
                Curve(owner, place, range(1, len(data) + 1), data, True)
                for owner, one in each
                for place, db in enumerate(HARMONIC_DB)
                for data in [one.harmonics[f"{db:g} dB"]["level_db"]]
            ],
            named(HARMONIC_DB),
            low=-120.0,
        ),
        Drawing(
            "Frequency response",
            "Hz",
            "gain, dB",
            [
                Curve(owner, place, one.response["hz"], one.response[f"{db:g} dB"])
                for owner, one in each
                for place, db in enumerate(RESPONSE_DB)
            ],
            named(RESPONSE_DB),
            True,
            -60.0,
        ),
        Drawing(
            "Aliasing of a sine at 0 dBFS",
            "Hz",
            "aliasing to signal, dB",
            [Curve(owner, 2, one.aliasing["hz"], one.aliasing["asr_db"], True) for owner, one in each],
            logarithmic=True,
            low=-140.0,
        ),
        Drawing(
            "Response to a step of 0.1",
            "ms",
            "output",
            [Curve(owner, 2, one.step["ms"], one.step["output"]) for owner, one in each],
        ),
    ]


ROWS: tuple[tuple[str, Callable[[Analysis], str]], ...] = (
    ("latency", lambda one: f"{one.latency_frames} frames"),
    ("peak of the impulse response", lambda one: f"{one.response_peak_frames} frames"),
    ("noise without input", lambda one: f"{one.noise_dbfs:.1f} dBFS"),
    ("DC without input", lambda one: f"{one.dc_dbfs:.1f} dBFS"),
    *(
        (f"distortion (THD) at {db:g} dBFS", lambda one, db=db: f"{one.harmonics[f'{db:g} dB']['thd_db']:.1f} dB")
        for db in HARMONIC_DB
    ),
    ("worst aliasing, 1 to 5 kHz", lambda one: f"{max(one.aliasing['asr_db']):.1f} dB"),
    ("sample rate", lambda one: f"{one.sample_rate:g} Hz"),
)


def write_page(path: Path, found: Sequence[Analysis]) -> None:
    """Write the picture of one or several analyses as HTML, SVG inside, or as PNG: the suffix says which.

    Raises
    ------
    UsageError
        Another suffix, or PNG without matplotlib.
    """
    suffix = path.suffix.lower()
    if suffix in (".html", ".htm"):
        write_file(path, page(found))
    elif suffix == ".png":
        _paint(path, found)
    else:
        raise UsageError(f"--out {path} has suffix {path.suffix!r}, expected .html or .png")


def page(found: Sequence[Analysis]) -> str:
    """Return the HTML page."""
    keys = "".join(
        f'<span class="key"><i style="background:{COLOURS[owner % len(COLOURS)]}"></i>{html.escape(one.name)}</span>'
        for owner, one in enumerate(found)
    )
    head = "".join(f"<th>{html.escape(one.name)}</th>" for one in found)
    rows = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{value(one)}</td>' for one in found)}</tr>" for name, value in ROWS
    )
    figures = "\n".join(svg(one) for one in drawings(found))
    title = html.escape(", ".join(one.name for one in found))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #222; --faint: #777; --grid: #e4e4e0; --back: #fcfcfb; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #ddd; --faint: #999; --grid: #3a3a38; --back: #1a1a19; }} }}
body {{ font: 15px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--back);
  margin: 1.5em auto; max-width: 1180px; padding: 0 1em; }}
h1 {{ font-size: 1.2em; }}
.key {{ margin-right: 1.4em; white-space: nowrap; }}
.key i {{ display: inline-block; width: 1.4em; height: .25em; margin: 0 .5em .2em 0; }}
.all {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 1em;
  margin: 1em 0; }}
svg {{ width: 100%; height: auto; }} svg text {{ fill: var(--ink); font: 12px system-ui, sans-serif; }}
svg .faint {{ fill: var(--faint); }} svg .title {{ font-weight: 600; font-size: 14px; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: .2em 1em; border-bottom: 1px solid var(--grid); }}
th:first-child {{ text-align: left; font-weight: normal; }}
</style></head><body>
<h1>{title}</h1>
<p>{keys}</p>
<div class="all">
{figures}
</div>
<table><tr><th></th>{head}</tr>{rows}</table>
</body></html>
"""


def svg(drawing: Drawing) -> str:
    """Return one drawing as SVG."""
    (x0, x1), (y0, y1) = limits(drawing)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(x: float) -> float:
        share = math.log(x / x0) / math.log(x1 / x0) if drawing.logarithmic else (x - x0) / (x1 - x0)
        return LEFT + wide * share

    def down(y: float) -> float:
        return TOP + high * (y1 - y) / (y1 - y0)

    parts = [f'<text class="title" x="{LEFT}" y="18">{html.escape(drawing.title)}</text>']
    for tick in ticks(y0, y1):
        y = down(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="var(--grid)" fill="none"/>')
        parts.append(f'<text class="faint" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{worded(tick)}</text>')
    for tick in decades(x0, x1) if drawing.logarithmic else ticks(x0, x1):
        x = across(tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="var(--grid)" fill="none"/>')
        label = f"{tick / 1000:g}k" if drawing.logarithmic and tick >= 1000 else worded(tick)
        parts.append(f'<text class="faint" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label}</text>')
    middle = TOP + high / 2
    parts.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{drawing.x_label}</text>')
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{drawing.y_label}</text>'
    )
    for curve in drawing.curves:
        colour = COLOURS[curve.owner % len(COLOURS)]
        points = [(across(x), down(y)) for x, y in curve.shown(drawing.low)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = f' stroke-dasharray="{DASHES[curve.level]}"' if DASHES[curve.level] else ""
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
        if curve.dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in points]
    for place, name in enumerate(drawing.levels):
        x, dash = WIDTH - RIGHT - 92 * (len(drawing.levels) - place), DASHES[place]
        parts.append(f'<path d="M{x} 34h22" stroke="var(--faint)" stroke-width="1.8" stroke-dasharray="{dash}"/>')
        parts.append(f'<text class="faint" x="{x + 27}" y="38">{name}</text>')
    label = html.escape(drawing.title)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def limits(drawing: Drawing) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of both axes."""
    xs = [x for curve in drawing.curves for x in curve.x]
    ys = [y for curve in drawing.curves for y in curve.y if math.isfinite(y)]
    bottom, top = max(min(ys), drawing.low), max(*ys, drawing.low + 1e-9)
    room = 0.05 * (top - bottom) or 1.0
    return (min(xs), max(xs)), (bottom - room, top + room)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two, at least `FEWEST_TICKS`."""
    step = 10.0 ** math.floor(math.log10(high - low))
    while (high - low) / step < FEWEST_TICKS:
        step /= 2.0 if f"{step:e}"[0] != "5" else 2.5
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 in each decade between two numbers."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [n * 10.0**e for e in exponents for n in (1, 2, 5) if low * 0.999 <= n * 10.0**e <= high * 1.001]


def worded(tick: float) -> str:
    """Return a tick's label."""
    return f"{tick:.6g}".replace("-", "\u2212") if abs(tick) > 1e-12 else "0"


def _paint(path: Path, found: Sequence[Analysis]) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(f"{path}: a PNG needs matplotlib: pip install matplotlib, or name a page, .html") from None
    figure = Figure(figsize=(13.0, 13.5), dpi=110, layout="constrained")
    every = figure.subplots(3, 2).flat
    for axes, drawing in zip(every, drawings(found), strict=True):
        for curve in drawing.curves:
            points = curve.shown(drawing.low)
            style = {"color": COLOURS[curve.owner % len(COLOURS)], "linestyle": LINES[curve.level]}
            axes.plot(
                [x for x, _ in points], [y for _, y in points], marker="." if curve.dots else "", linewidth=1.5, **style
            )
        for place, name in enumerate(drawing.levels):
            axes.plot([], [], color="0.4", linestyle=LINES[place], label=name)
        if drawing.levels:
            axes.legend(fontsize=8, frameon=False)
        ends = limits(drawing)[0]
        if not drawing.logarithmic:
            axes.set_xticks(ticks(*ends))
        else:
            axes.set_xscale("log")
            axes.set_xticks(decades(*ends), [f"{t / 1000:g}k" if t >= 1000 else f"{t:g}" for t in decades(*ends)])
            axes.minorticks_off()
        axes.set(title=drawing.title, xlabel=drawing.x_label, ylabel=drawing.y_label)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    handles = [
        figure.axes[0].plot([], [], color=COLOURS[owner % len(COLOURS)], label=one.name)[0]
        for owner, one in enumerate(found)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    said = [", ".join(f"{name} {value(one)}" for name, value in ROWS[:4]) for one in found]
    figure.supxlabel("\n".join(f"{one.name}: {line}" for one, line in zip(found, said, strict=True)), fontsize=9)
    figure.savefig(path)
