"""Write five pages of the reference beside this file: ``python docs/reference/generate.py``.

cli.md, commands.md, osc.md, set-list.md and python.md come from the command line, the commands and keys of a playing
stream, the tables of OSC addresses, of the set list and of the effects, and the docstrings of what ``import rtfx``
exports. Edit those, then run this; a test compares the pages with what it makes.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

import rtfx
from rtfx.cli.main import VERBS, group
from rtfx.effects.split import ALL_OF_TWO_PATHS, ROUTING
from rtfx.effects.table import BLOCKS
from rtfx.live.commands import COMMANDS
from rtfx.live.stats import Stats
from rtfx.model.levels import WORDS
from rtfx.remote import osc
from rtfx.rig import midi_map, random_block, set_list
from rtfx.rig.parameters import Parameter
from rtfx.ui.keys import KEYS

FOLDER = Path(__file__).parent
WIDTH = 100  # columns of a signature
MADE = "<!-- written by docs/reference/generate.py: edit what it reads, not this page -->\n"

PATHS_TEXT = """`{{{0}: [[...], [...]]}}` holds a chain for each path; an empty one is the sound as it comes. A key
with a number takes a value for each path as a list: `level_db: [0, -2]` is `level1_db: 0, level2_db: -2`. Numbers go up
to the number of paths. Pan and delay are there if the set list states one. Addresses are those of any block, such as
`{0}.level1_db`.
"""

# What the set list's keys mean that are no parameters with a range.
SAID = {
    "version": "always 1",
    "before": "blocks before all presets, such as a gate: they go on when the preset changes",
    "after": "blocks after all presets, such as an equaliser for the room",
    "define": "containers: chains with a name, each `{chain: [...], expose: {NAME: BLOCK.PARAMETER}}`; "
    "`{use: NAME, id: ID, ...}` puts one into a chain, and `expose` gives parameters names of the container's own",
    "bpm": "the tempo of values that are notes, 20 to 400; `tap` and `tempo.bpm` change it",
    "macros": "controls of several parameters: `{NAME: [{to: BLOCK.PARAMETER, from: A, at: B, curve: linear}]}`; "
    "`macro.NAME` goes from 0 to 1, and `curve` may be linear, slow or fast",
    "file2": "a second response: the cabinet is then a `split` of two, `ID-1` and `ID-2`, with its keys: `blend` "
    "(0.5), `level_db: [0, -3]`, `pan`, `delay_ms`, `invert`",
    "key": "the side input that controls it: `input`, the rig's own input, or the id of a block before it",
    "device": "which sound device, and how it is opened; flags of the command line go before it",
    "global": "what holds for all presets",
    "midi": "what the controls of a pedal board do: below, and [how to](../how-to/midi.md)",
    "presets": "the list of presets; the first one is number 1",
    "take": "written by `r` while rtfx plays: what was played on this set list ([takes](../how-to/takes.md))",
    "name": "text; no two presets have the same one",
    "chain": "the list of blocks, in the order in which the sound passes",
    "scenes": "names, each with values by address: `solo: {amp.drive: 0.7}`; and `louder_db`, as of a preset",
    "louder_db": "-30 to 30 dB (0): how much louder than all others it is to be, for `rtfx match` and `rtfx check`",
    "input": "index of the input device, or a part of its name",
    "output": "index of the output device, or a part of its name",
    "in_channel": "the guitar's channel, from 1; `[1, 2]` for stereo",
    "out_channels": "the channels that play, such as `[3, 4]`",
    "latency": "`low`, `high`, or seconds from 0 to 5",
    "limiter": "`true` (default) keeps the output within 0 dBFS; `false` does not",
    "type": "which block: one of the headings below; a file name or a type alone is short for a block",
    "id": "the block's name in addresses (letters, digits, - and _); without it the type, then `gain_2`, `gain_3`",
    "file": "a path beside the set list, or a name in your folder or among those shipped",
    "level": "how loud the model is made",
    "inputs": "`channels` or `knobs`: what a model's inputs after the first are, whatever its file says",
}
SAID_OF_DEVICE = SAID | {"device": "both: an index or a part of the name; `null` is the device without hardware"}


def cell(text: str) -> str:
    """Return text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


# --- the command line ---


def cli_page() -> str:
    """Return the page of all commands."""
    root = click.Context(group, info_name="rtfx", show_default=True, help_option_names=["-h", "--help"])
    parts = [
        MADE,
        "# The command line\n",
        "Status lines go to standard error, data to standard output. `--json` prints one object a line: numbers that\n"
        "are not finite are null, ratios run from 0 to 1, times are in seconds unless their name says otherwise.\n",
        "Exit codes: 0 done; 1 it failed; 2 wrong usage; 130 interrupted; 143 terminated. An error is one line;\n"
        "`--debug` prints the traceback too.\n",
        table(("command", "what it does"), [(f"[`rtfx {verb}`](#rtfx-{verb})", line) for verb, line in VERBS.items()]),
    ]
    for verb in VERBS:
        command = group.get_command(root, verb)
        assert command is not None
        context = click.Context(command, info_name=verb, parent=root, show_default=True)
        usage = " ".join(["rtfx", verb, *command.collect_usage_pieces(context)])
        parts += [f"## rtfx {verb}\n", f"```\n{usage}\n```\n", inspect.cleandoc(command.help or "") + "\n"]
        options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
        records = filter(None, (option.get_help_record(context) for option in options))
        parts.append(table(("option", "what it does"), [(f"`{option}`", in_words(text)) for option, text in records]))
    return "\n".join(parts)


def in_words(text: str) -> str:
    """Return an option's help with click's ranges in words: "0 to 1" for "0<=x<=1"."""
    text = re.sub(r"(-?[\d.]+)<=x<=(-?[\d.]+)", r"\1 to \2", text)
    return re.sub(r"x>=(-?[\d.]+)", r"\1 or more", re.sub(r"x>(-?[\d.]+)", r"more than \1", text))


# --- set lists ---


def set_list_page() -> str:
    """Return the page of all keys of a set list."""
    known = {*set_list.TOP_KEYS, *set_list.PRESET_KEYS, *set_list.DEVICE_NAMES, *set_list.DEVICE_CHANNELS}
    unknown = known ^ (
        set(SAID) - {"latency", "limiter", "type", "id", "file", "level", "inputs", "key", "file2", *set_list.SHARED}
    )
    assert not unknown, f"keys without a description, or described and not read: {unknown}"
    device = (*set_list.DEVICE_NAMES, *set_list.DEVICE_CHANNELS, "latency")
    parts = [
        MADE,
        "# Set lists\n",
        "A set list is a YAML file; [the guide](../guide/set-lists.md) shows one. An unknown key, a wrong type or a\n"
        "value out of range is an error that names the line and what is allowed.\n",
        "## The file\n",
        keys(set_list.TOP_KEYS),
        "## `device`\n",
        keys(device, SAID_OF_DEVICE, set_list.DEVICE_NUMBERS),
        "## `global`\n",
        keys(("limiter", *set_list.SHARED), SAID, set_list.GLOBALS),
        "## `midi`\n",
        table(("key", "what it is"), [(f"`{key}`", said) for key, said in midi_map.SAID_OF_SECTION.items()]),
        "Each mapping has one of `cc`, `note` and `pc`, and one of `to` and `do`:\n",
        table(("key", "what it is"), [(f"`{key}`", said) for key, said in midi_map.SAID_OF_MAPPING.items()]),
        "## A preset\n",
        keys(set_list.PRESET_KEYS),
        "## A block\n",
        "Every block has these keys, and those of its type. The address of a parameter is `id.parameter`, such as\n"
        "`amp.drive`: scenes, `-p` and Python use it. *Glides*: a change is heard as a ramp of 20 ms. *Stepped*: one\n"
        "of its values. *New plan*: a change is compiled beside the sound, then crossfaded in.\n",
        keys(("type", "id")),
    ]
    for name, plain in BLOCKS.items():
        block = plain.of(ALL_OF_TWO_PATHS)
        parts.append(f"### `{name}`\n")
        parts.append(f"{block.summary[:1].upper()}{block.summary[1:]}.\n" if block.summary else "")
        parts.append(PATHS_TEXT.format(name) if name in ROUTING else "")
        extra = {"": (), "model": ("file", "level", "inputs")}.get(block.file, ("file", "file2"))
        extra += ("key",) if block.key else ()
        parts.append(keys(extra, SAID, block.parameters))
        if block.file == "model":
            words = "\n".join(f"- `{word}`: {meaning}" for word, meaning in WORDS.items())
            parts.append(f"Values of `level`:\n\n{words}\n- a player's name, one that `rtfx info MODEL` lists\n")
            parts.append("The model's own knobs are keys too, 0 to 1: `rtfx info MODEL` lists them.\n")
    rows = []
    for key in random_block.described():
        span = ", ".join(key["choices"]) or (f"{key['min']:.10g} to {key['max']:.10g}" if key["max"] else "text")
        rows.append((f"`{key['name']}`", span, str(key["default"]), key["summary"]))
    parts += [
        f"### `{random_block.TYPE}`\n",
        f"{random_block.SUMMARY[:1].upper()}{random_block.SUMMARY[1:]} ([random nets](../how-to/random-nets.md)).\n",
        table(("key", "values", "default", "what it does"), rows),
    ]
    return "\n".join(filter(None, parts))


def keys(names: Iterable[str], said: dict[str, str] = SAID, parameters: Iterable[Parameter] = ()) -> str:
    """Return a table of keys: words first, then parameters with their ranges."""
    parameters, names = list(parameters), list(names)
    if not parameters:
        return table(("key", "what it is"), [(f"`{name}`", said[name]) for name in names])
    rows = [(f"`{name}`", "", "", "", said[name]) for name in names]
    kinds = {"continuous": "glides", "switch": "fades", "stepped": "stepped", "structural": "new plan"}
    for one in parameters:
        unit = f" {one.unit}" if one.unit else ""
        span = ", ".join(one.choices) or f"{one.minimum:.10g} to {one.maximum:.10g}{unit}"
        span += ", or a note" if one.note else ""
        default = one.default if isinstance(one.default, str) else f"{one.default:g}"
        if one.kind == "switch":
            span, default = "true, false", "true" if one.default else "false"
        rows.append((f"`{one.name}`", span, default, kinds.get(one.kind, one.kind), one.summary))
    return table(("key", "values", "default", "a change", "what it is"), rows)


# --- while it plays ---


def commands_page() -> str:
    """Return the page of what can be done to a playing stream in words, and of the keys that do it."""
    rows = [(f"`{one.usage}`", one.help, f"`{one.default}`" if one.default else "") for one in COMMANDS.values()]
    pressed = []
    for line in KEYS:
        lines = ", ".join(f"`{each}`" for each in list(dict.fromkeys(line.lines.values()))[:2])  # of 1 to 9 two say it
        pressed.append((" ".join(f"`{key}`" for key in line.label.split()), line.summary, lines))
    return "\n".join(
        [
            MADE,
            "# Commands while it plays\n",
            'A command is a line of text. Keys run commands, and so does Python: `stream.do("preset next")`.\n'
            "What stands in brackets may be left out; the last column says what is taken then.\n",
            table(("command", "what it does", "without arguments"), rows),
            "## Keys\n",
            "[Playing](../guide/playing.md) shows the page that they belong to.\n",
            table(("key", "what it does", "command"), pressed),
        ]
    )


def osc_page() -> str:
    """Return the page of the OSC addresses."""

    def listed(rows: Iterable[tuple[str, str, str]]) -> str:
        return table(("address", "arguments", "what it does"), [(_code(one), two, three) for one, two, three in rows])

    return "\n".join(
        [
            MADE,
            "# OSC addresses\n",
            "`rtfx play --osc` takes and sends these over UDP ([how to](../how-to/osc.md)). A command is one of\n"
            "[these](commands.md).\n",
            "## What rtfx takes\n",
            listed(osc.TAKEN),
            "A button sends 1 when it is pressed and 0 when it is let go: 0 alone does nothing where a command is\n"
            "complete without it, as in `/rtfx/next 0`.\n",
            "## What rtfx sends to those who subscribe\n",
            listed(osc.SENT),
        ]
    )


def _code(addresses: str) -> str:
    return ", ".join(f"`{address}`" for address in addresses.split(", "))


# --- Python ---


def python_page() -> str:
    """Return the page of everything that ``import rtfx`` exports."""
    parts = [
        MADE,
        "# Python\n",
        "Arrays are `(n,)` or `(channels, n)` of any number type, full scale at 1; results are float32 of the same\n"
        "layout. Rates are in Hz, levels in dB, times in seconds, knobs from 0 to 1. Every error that rtfx raises is\n"
        "an `rtfx.errors.RtfxError`. [The notebook page](../how-to/notebook.md) has worked examples.\n",
    ]
    for name in rtfx.__all__:
        each = getattr(rtfx, name)
        if callable(each):
            made = "" if each is rtfx.Stream else f"```python\nrtfx.{name}{signature(each)}\n```\n"  # Rig.play makes it
            parts += [f"## rtfx.{name}\n", made, prose(each)]
        for member, of in members(each) if inspect.isclass(each) else ():
            parts += member_text(name, member, of)
    parts += ["## The fields of Stream.stats\n", "The same keys as `rtfx play --json`.\n", prose(Stats)]
    parts.append(table(("field", "type"), [(f"`{one.name}`", str(one.type)) for one in dataclasses.fields(Stats)]))
    parts.append("## rtfx.errors\n")
    errors = [each for each in vars(rtfx.errors).values() if inspect.isclass(each) and issubclass(each, Exception)]
    parts.append(table(("error", "when"), [(f"`{each.__name__}`", inspect.getdoc(each) or "") for each in errors]))
    return "\n".join(filter(None, parts))


def members(owner: type) -> list[tuple[str, Any]]:
    """Return the public members of a class with docstrings, those of its bases in rtfx first."""
    found: dict[str, Any] = {}
    for base in reversed(owner.__mro__):
        if base.__module__.startswith("rtfx"):
            found |= {name: each for name, each in vars(base).items() if name == "__call__" or name[0] != "_"}
    described = (property, classmethod, staticmethod)
    return [(n, e) for n, e in found.items() if inspect.isfunction(e) or isinstance(e, described)]


def member_text(owner: str, name: str, member: Any) -> list[str]:
    """Return the heading and text of a method or a property."""
    if isinstance(member, property):
        settable = "" if member.fset else " Read only."
        return [f"### {owner}.{name}\n", prose(member.fget).rstrip() + settable + "\n"]
    function: Callable[..., Any] = getattr(member, "__func__", member)
    called = owner.lower() if name == "__call__" else name
    heading = f"{owner}.{name}" if name != "__call__" else f"Calling a {owner}"
    return [f"### {heading}\n", f"```python\n{called}{signature(function)}\n```\n", prose(function)]


def signature(callable_: Any) -> str:
    """Return a signature without its owner; a long one with a line for each parameter."""
    found = inspect.signature(callable_)
    kept = [each for each in found.parameters.values() if each.name not in ("self", "cls")]
    words = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(found.replace(parameters=kept)))  # annotations are text
    words = words.replace("<built-in function print>", "print").removesuffix(" -> None")
    if len(words) <= WIDTH:
        return words
    shown = [re.sub(r": '([^']*)'", r": \1", str(each)).replace("<built-in function print>", "print") for each in kept]
    star = next((i for i, each in enumerate(kept) if each.kind is each.KEYWORD_ONLY), None)
    if star is not None and not any(each.kind is each.VAR_POSITIONAL for each in kept):
        shown.insert(star, "*")
    inside = "".join(f"    {each},\n" for each in shown)
    return f"(\n{inside}){words[words.rindex(')') + 1 :]}"


def prose(documented: Any) -> str:
    """Return a docstring in NumPy style as Markdown."""
    lines, result, listed = (inspect.getdoc(documented) or "").splitlines(), [], False
    number = 0
    while number < len(lines):
        line = lines[number]
        if number + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[number + 1].strip()):
            result += [f"**{line.strip()}**", ""]
            listed = True
            number += 2
            continue
        listed = listed and bool(line)
        if listed and not line.startswith(" "):
            result.append(f"- `{line}`" if not line.endswith((".", ";")) else line)
        elif listed:
            result.append(f"  {line.strip()}")
        else:
            result.append(line)
        number += 1
    return "\n".join(result).replace("``", "`") + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "commands.md": commands_page,
    "osc.md": osc_page,
    "set-list.md": set_list_page,
    "python.md": python_page,
}


def main() -> None:
    """Write the pages."""
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
