"""The lines of the page: the state of a stream as styled text that fits a terminal of 80 by 24."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from ..live.tuner import Reading, Target
from ..loading.preset import Knob
from .keys import KEYS

NAME_WIDTH, VALUE_WIDTH, CHOICES_WIDTH = 16, 12, 54
METERS = 4  # up to so many input channels have a bar each; of more, only the player's
LOG_LINES = 3
FRESH_SECONDS = 4.0
FEWEST_KNOBS = 3
FLOOR_DBFS = -60.0
NEEDLE_CENTS = 50.0  # at the end of the scale
STRIPE = 12  # columns of a dark and a light stripe of the strobe
YELLOW_DBFS, RED_DBFS = -3.0, 0.0
YELLOW_LOAD, RED_LOAD = 0.5, 0.8
CELL = 9  # columns of a channel without a bar
NUMBERS = 24  # columns of a line that are not part of the bar
LABEL, SUMMARY = 10, 26
FOOT = "? back to the meters   q quit"


@dataclass(frozen=True)
class ViewState:
    """Everything that one frame of the page shows; levels in dBFS, loads of 0 to 1.

    Parameters
    ----------
    unplayable : mapping
        The reason why a preset cannot play, by its index from 0.
    preset : int
        Index from 0; `scene` and `slot` are the ones chosen last, "" if there is none.
    flags : sequence of str
        MUTED, BYPASS, REC: shown in red.
    last_xrun : str
        The time of day.
    realtime : str
        The audio thread's priority, "none" if none was granted.
    turned : set of str
        Addresses of the knobs that differ from what is written.
    tuner : Target or None
        What the tuner tunes to; None while it is off. `reading` is its last reading.
    log : sequence of (str, float)
        Messages and their age in seconds, oldest first.
    """

    route: str
    presets: Sequence[str]
    preset: int
    heard: range
    inputs: Sequence[float]
    held_in: Sequence[float]
    outputs: Sequence[float]
    held_out: Sequence[float]
    load: float
    load_max: float
    xruns: int
    last_xrun: str
    latency_ms: float | None
    realtime: str
    knobs: Sequence[Knob]
    chosen: Knob
    turned: frozenset[str] = frozenset()
    scene: str = ""
    slot: str = ""
    flags: Sequence[str] = ()
    faults: int = 0
    tuner: Target | None = None
    reading: Reading | None = None
    hint: str = ""
    log: Sequence[tuple[str, float]] = ()
    unplayable: Mapping[int, str] = field(default_factory=dict)


def lines(s: ViewState, width: int = 80, height: int = 24) -> list[Text]:
    """Return at most `height` lines, each shorter than `width`."""
    head = [
        _title(s),
        Text(),
        _presets(s, width),
        _unplayable(s),
        *_meters(s, width),
        Text(),
        *_health(s),
        Text(),
    ]
    foot = [Text(s.hint, "bold yellow") if s.hint else Text("? all keys   q quit", "dim")]
    if s.tuner:
        blocks, knob_lines = Text(), tuner_lines(s.tuner, s.reading, width)
    else:
        blocks, knob_lines = _blocks(s, width), _knob_lines(s)
    room = height - len(head) - 1 - len(foot)  # for knobs and log
    if room < FEWEST_KNOBS + 1:
        head = [line for line in head if line.plain]
        room = height - len(head) - 1 - len(foot)
    log_room = min(LOG_LINES, max(room - FEWEST_KNOBS, 1))
    shown = _around(knob_lines, 0 if s.tuner else _place(s), max(room - log_room, 1))
    log = _log(s, width, max(room - len(shown), 1))
    filler = [Text()] * max(room - len(shown) - len(log), 0)
    return [_cut(line, width) for line in [*head, blocks, *shown, *filler, *log, *foot][:height]]


def _cut(line: Text, width: int) -> Text:
    """Return the line shortened to fit: the last column stays free, where some terminals wrap."""
    line.truncate(width - 1, overflow="ellipsis")
    return line


def _title(s: ViewState) -> Text:
    return Text.assemble(("rtfx ", "bold cyan"), (s.route, "dim"))


def _presets(s: ViewState, width: int) -> Text:
    """Return the preset between its neighbours; flags and the slot on the right."""
    count = len(s.presets)
    right = Text()
    for flag in s.flags:
        right.append(f" {flag} ", "bold white on red")
        right.append(" ")
    if s.slot:
        right.append(f"slot {s.slot}", "bold magenta")
    left = Text.assemble((f"{s.preset + 1}/{count} ", "dim"))
    left.append(f" {s.presets[s.preset]} ", "bold reverse")
    if s.turned:
        left.append(" *", "bold yellow")
    if s.scene:
        left.append(f" {s.scene}", "magenta")
    room = width - 2 - right.cell_len
    left.truncate(room, overflow="ellipsis")
    for side in (-1, 1) if count > 2 else (1,) if count == 2 else ():
        place = (s.preset + side) % count
        name = Text(f"{place + 1} {s.presets[place]}", "red strike" if place in s.unplayable else "dim")
        name.truncate(18, overflow="ellipsis")
        if left.cell_len + name.cell_len + 3 > room:
            continue
        left = Text.assemble(name, "  ", left) if side < 0 else Text.assemble(left, "  ", name)
    left.pad_right(width - 1 - right.cell_len - left.cell_len)
    return Text.assemble(left, right)


def _unplayable(s: ViewState) -> Text:
    """Return a line that names the nearest preset that cannot play, and why; empty if all can."""
    count = len(s.presets)
    places = sorted(s.unplayable, key=lambda place: min((place - s.preset) % count, (s.preset - place) % count))
    if not places:
        return Text()
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    nearest = places[0]
    return Text(f" {nearest + 1} {s.presets[nearest]} cannot play{more}: {s.unplayable[nearest]}", "red")


def _meters(s: ViewState, width: int) -> list[Text]:
    result = []
    own = range(len(s.inputs)) if len(s.inputs) <= METERS else s.heard[:METERS]
    for channel in own:
        if channel < len(s.inputs):
            mark = ">" if channel in s.heard and len(s.inputs) > 1 else " "
            name = f"{mark}in {channel + 1}"
            result.append(channel_line(name, s.inputs[channel], s.held_in[channel], width))
    if len(s.inputs) > METERS:
        result += _others(s.inputs, s.held_in, own, width)
    for row, level in enumerate(s.outputs):
        name = f" out {row + 1}" if len(s.outputs) > 1 else " out"
        result.append(channel_line(name, level, s.held_out[row], width))
    return result


def _health(s: ViewState) -> list[Text]:
    load = Text(" load  ")
    load.append_text(bar(s.load, 20, load_style(s.load)))
    load.append(f" {100 * s.load:5.1f} %", load_style(s.load))
    load.append("   worst block ")
    load.append(f"{100 * s.load_max:.1f} %", load_style(s.load_max))
    if s.faults:
        load.append(f"   faults {s.faults}", "bold red")
    state = Text(" xruns ")
    state.append(str(s.xruns), "bold red" if s.xruns else "green")
    if s.xruns and s.last_xrun:
        state.append(f", last {s.last_xrun}", "red")
    granted = s.realtime != "none"
    latency = "unknown" if s.latency_ms is None else f"{s.latency_ms:.1f} ms"
    state.append(f"   latency {latency}   real-time: ")
    state.append(s.realtime if granted else "not granted", "green" if granted else "bold yellow")
    return [load, state]


def _blocks(s: ViewState, width: int) -> Text:
    """Return the blocks of the chain, the chosen one marked; those that do not fit are left out around it."""
    names = list(dict.fromkeys(knob.block for knob in s.knobs))
    first = names.index(s.chosen.block)
    while first > 0 and sum(len(name) + 3 for name in names[first - 1 : names.index(s.chosen.block) + 1]) < width // 2:
        first -= 1
    result = Text(" " if first == 0 else "<")
    for name in names[first:]:
        result.append(f" {name} ", "bold reverse" if name == s.chosen.block else "")
        result.append(" ")
    return result


def _knob_lines(s: ViewState) -> list[Text]:
    """Return a line for each knob of the chosen block."""
    result = []
    for knob in s.knobs:
        if knob.block != s.chosen.block:
            continue
        own = knob.address == s.chosen.address
        name = knob.parameter.name
        line = Text.assemble((" > " if own else "   ", "bold yellow"))
        line.append(f"{name:<{NAME_WIDTH}} "[: max(NAME_WIDTH + 1, len(name) + 1)], "bold" if own else "")
        if isinstance(knob.value, str):
            line.append(_choices(knob.parameter.choices, knob.value), "cyan")
        else:
            line.append_text(bar(knob.parameter.norm(knob.value), 24, "yellow" if own else "cyan"))
            line.append(f" {knob.parameter.worded(knob.value):<{VALUE_WIDTH}}", "bold" if own else "")
        line.append("* " if knob.address in s.turned else "  ", "bold yellow")
        line.append(knob.parameter.summary, "dim")
        result.append(line)
    return result


def tuner_lines(target: Target, reading: Reading | None, width: int) -> list[Text]:
    """Return the tuner: the note, a needle of half a semitone to each side, a strobe, and the strings of the tuning."""
    style = "dim" if reading is None else "bold green" if reading.in_tune else "bold yellow"
    note = Text.assemble("   ", (f" {reading.note:<3} " if reading else "  -  ", f"{style} reverse"))
    if reading:
        note.append(f"  {reading.cents:+6.1f} cents", style)
        note.append(f"   {reading.hertz:8.2f} Hz   {reading.note} is {reading.target_hertz:.2f} Hz", "dim")
    side = max((width - 9) // 2, 5)
    needle = ["─"] * (2 * side + 1)
    needle[0], needle[side], needle[-1] = "├", "┼", "┤"
    scale = Text("   " + "".join(needle), "dim")
    strobe = Text()
    if reading:
        place = round(side * min(max(reading.cents / NEEDLE_CENTS, -1.0), 1.0))
        scale.plain = f"{scale.plain[: 3 + side + place]}█{scale.plain[4 + side + place :]}"
        scale.stylize(style, 3 + side + place, 4 + side + place)
        dark = [(column / STRIPE - reading.strobe) % 1.0 < 0.5 for column in range(2 * side + 1)]
        strobe = Text("   " + "".join("▒" if one else " " for one in dark), style)
    strings = Text(f"   {target.tuning}  ")
    for number, name in enumerate(target.strings, 1):
        strings.append(f" {name} ", f"{style} reverse" if reading and number == reading.string else "")
        strings.append(" ")
    strings.append(f"A4 {target.a4:g} Hz", "dim")
    return [note, scale, strobe, strings]


def _choices(choices: Sequence[str], chosen: str) -> str:
    """Return the choices, the chosen one in brackets; of many only those around it."""
    words = [f"[{choice}]" if choice == chosen else choice for choice in choices]
    first, last = 0, len(words)
    while sum(map(len, words[first:last])) + last - first > CHOICES_WIDTH and last - first > 1:
        if choices.index(chosen) - first > (last - first) // 2:
            first += 1
        else:
            last -= 1
    return " ".join(words[first:last])


def _place(s: ViewState) -> int:
    """Return the place of the chosen knob in its block."""
    own = [knob.address for knob in s.knobs if knob.block == s.chosen.block]
    return own.index(s.chosen.address)


def _around(items: list[Text], place: int, room: int) -> list[Text]:
    """Return `room` items with the one at `place` among them."""
    first = min(max(place - room // 2, 0), max(len(items) - room, 0))
    return items[first : first + room]


def _log(s: ViewState, width: int, room: int) -> list[Text]:
    """Return the newest messages, wrapped, fresh ones bright."""
    result: list[Text] = []
    for text, age in reversed(s.log):
        wrapped = _wrapped(text, width - 2)[:2]
        if len(result) + len(wrapped) > room:
            break
        result = [Text(" " + part, "bold" if age < FRESH_SECONDS else "dim") for part in wrapped] + result
    return result


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 1), subsequent_indent="  " if width > 2 else "") or [""]


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
    """Return the held peak: CLIP in red once 0 dBFS was reached, on yellow from -3 dBFS, else dim."""
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


def _others(levels: Sequence[float], held: Sequence[float], shown: Collection[int], width: int) -> list[Text]:
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


def help_lines(width: int = 80, height: int = 24) -> list[Text]:
    """Return at most `height` lines, each shorter than `width`."""
    column = LABEL + SUMMARY + 2
    columns = max(min(width // column, 3), 1)
    rows = -(-len(KEYS) // columns)
    result = [Text("Keys", "bold cyan"), Text()]
    for row in range(rows):
        line = Text()
        for keys in KEYS[row::rows]:
            line.append(f" {keys.label:<{LABEL}}", "bold")
            line.append(f"{keys.summary:<{SUMMARY + 1}}")
        result.append(line)
    result = [*result[: height - 1], Text(FOOT, "dim")]
    for line in result:
        line.truncate(width - 1)
    return result
