"""``rtfx info``: shows the content of a model file, and the blocks that a chain may have. Imports no Numba."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..errors import NotAModelFile, UsageError
from ..rig.presets import split_selection
from .options import debug_option, inputs_option
from .output import json_line, say


@click.command("info")
@click.argument("model", required=False, metavar="MODEL|FOLDER|RIG")
@click.option("--blocks", is_flag=True, help="List the blocks of a chain and their parameters.")
@click.option(
    "--plan", is_flag=True, help="Show the nodes and the compiled steps of a model, or of a set list's preset."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object on each line.")
@inputs_option
@debug_option
def command(model: str | None, blocks: bool, plan: bool, as_json: bool, inputs: str | None) -> int:
    """Show what a model file contains, every model of a folder, or how the sound passes through a set list."""
    if blocks == (model is not None):
        raise UsageError("expected a model, a folder or --blocks: rtfx info klon.json")
    if blocks:
        _print_blocks(as_json)
        return 0
    assert model is not None
    if is_set_list(model) and not plan:
        _print_rig(model, as_json)
        return 0
    if plan:
        _print_plan(model, inputs, as_json)
        return 0
    if Path(model).is_dir():
        from .collection import folder_files, show_folder

        files, others = folder_files(model)
        return show_folder(model, files, partial(read_facts, inputs=inputs), as_json, others)
    facts = read_facts(model, inputs)
    if as_json:
        json_line(facts)
    else:
        say(_text(facts))
    return 0


def read_facts(name: str, inputs: str | None = None) -> dict[str, Any]:
    """Return the facts about one model, or raise RtfxError."""
    from ..find import find_model
    from ..model.describe import describe
    from ..model.load import load

    if name.startswith("random:"):
        return describe(load(name), name)
    if os.path.islink(name) and not os.path.exists(name):
        raise NotAModelFile(f"{name}: a link to {os.readlink(name)}, which does not exist")
    if os.path.isdir(name) and not os.access(name, os.R_OK | os.X_OK):
        raise NotAModelFile(f"{name}: this folder cannot be read: permission denied")
    path = find_model(name)
    return describe(load(path, inputs=inputs), path)


def _text(facts: dict[str, Any]) -> str:
    rate = f"{facts['sample_rate']:g} Hz ({facts['rate_source']})" if facts["sample_rate"] else "unknown"
    field = facts["receptive_field"]
    rows = [
        ("family", f"{facts['family']} ({facts.get('kind', 'unknown')})"),
        ("rate", rate),
        ("channels", f"{facts['inputs']} in, {facts['outputs']} out"),
        ("size", f"{facts['parameters']} weights, {facts['macs_per_sample']} multiply-adds per sample"),
        ("memory", "recurrent" if field is None else f"{field} frames"),
        ("latency", f"{facts['latency_frames']} frames"),
        *(("knob", _knob(knob)) for knob in facts["knobs"]),
        *(("level", _level(level)) for level in facts["levels"]),
        *([("C++", facts["rtneural_type"])] if facts.get("rtneural_type") else []),
        *(("warning", warning) for warning in facts["warnings"]),
    ]
    return "\n".join([str(facts["file"]), *(f"  {key:9}{value}" for key, value in rows)])


def _knob(knob: dict[str, Any]) -> str:
    unit = f" {knob['unit']}" if knob["unit"] else ""
    return f"{knob['name']}: {knob['min']:g} to {knob['max']:g}{unit}, default {knob['default']:g}"


def _level(level: dict[str, Any]) -> str:
    return f"{level['name']}: {level['input_db']:+.1f} dB before the model, {level['output_db']:+.1f} dB after it"


def _print_plan(name: str, inputs: str | None, as_json: bool) -> None:
    """Print each model's nodes, then the steps of the whole chain; compile them if necessary."""
    from ..api import Model, Rig
    from ..model.load import load
    from ..plan.resolve import DEFAULT_RATE
    from ..plan.show import shown, steps_of

    path, preset = split_selection(name)
    rig = Rig.from_yaml(path, preset, inputs) if is_set_list(name) else Rig([Model(load(name, inputs=inputs))])
    plan = rig.plan(rig.sample_rate or DEFAULT_RATE)
    if as_json:
        for step in steps_of(plan):
            json_line(step)
        return
    for block in plan.blocks:
        if block.source.playing is not None:
            say(str(block.source.playing))
    say(shown(plan))


def is_set_list(name: str) -> bool:
    """Return whether a name is that of a set list, or of one of its presets."""
    return split_selection(name)[0].lower().endswith((".yaml", ".yml"))


def _print_rig(name: str, as_json: bool) -> None:
    """Print each preset of a set list, or the one that is named: its blocks, their channels and their latency."""
    from ..api import Rig
    from ..plan.resolve import DEFAULT_RATE
    from ..plan.show import routes_of, routes_text

    path, preset = split_selection(name)
    names = [one.name for one in Rig.from_yaml(path).presets] if preset is None else [preset]
    for each in names:
        rig = Rig.from_yaml(path, each)
        plan = rig.plan(rig.sample_rate or DEFAULT_RATE, every=True)
        if as_json:
            facts = {"outputs": plan.outputs, "latency_frames": plan.latency_frames, "tail_frames": plan.tail_frames}
            json_line({"preset": rig.preset.name, "inputs": plan.inputs, **facts, "blocks": routes_of(plan)})
            continue
        say(f"{rig.preset.name}: {routes_text(plan)}")
        for note in plan.notes:
            say(f"  {note}")


def _print_blocks(as_json: bool) -> None:
    from ..effects.split import ALL_OF_TWO_PATHS
    from ..effects.table import BLOCKS
    from ..model.levels import WORDS

    for name, plain in BLOCKS.items():
        block = plain.of(ALL_OF_TWO_PATHS)
        if as_json:
            parameters = [_parameter(parameter) for parameter in block.parameters]
            json_line({"type": name, "summary": block.summary, "file": block.file, "parameters": parameters})
            continue
        say(f"{name}: {block.summary}" if block.summary else name)
        if block.file:
            say(f"  file: a path or a name ({block.file})")
        if block.key:
            say("  key: input (the rig's own input) or the id of a block before it: what controls it")
        if block.file == "model":
            words = ", ".join(f"{word} ({meaning})" for word, meaning in WORDS.items())
            say(f"  level: {words}, or a player that rtfx info MODEL names")
            say("  inputs: channels or knobs: what a model's inputs after the first are, whatever its file says")
        for parameter in block.parameters:
            say(f"  {_line(parameter)}")
    _print_random(as_json)


def _print_random(as_json: bool) -> None:
    from ..rig.random_block import SUMMARY, TYPE, described

    if as_json:
        json_line({"type": TYPE, "summary": SUMMARY, "file": None, "parameters": described()})
        return
    say(f"{TYPE}: {SUMMARY}")
    for key in described():
        allowed = ", ".join(key["choices"]) or (f"{key['min']} to {key['max']}" if key["max"] else "text")
        say(f"  {key['name']} ({allowed}; default {key['default']}){': ' * bool(key['summary'])}{key['summary']}")


def _parameter(parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "min": parameter.minimum,
        "max": parameter.maximum,
        "default": parameter.default,
        "unit": parameter.unit,
        "kind": parameter.kind,
        "choices": list(parameter.choices),
        "summary": parameter.summary,
    }


def _line(parameter) -> str:
    summary = f": {parameter.summary}" if parameter.summary else ""
    if parameter.choices:
        return f"{parameter.name} ({', '.join(parameter.choices)}; default {parameter.default}){summary}"
    if parameter.kind == "switch":
        return f"{parameter.name} (true or false, default {'true' if parameter.default else 'false'}){summary}"
    unit = f" {parameter.unit}" if parameter.unit else ""
    span = f"{parameter.minimum:g} to {parameter.maximum:g}{unit}{', or a note' if parameter.note else ''}"
    return f"{parameter.name} ({span}, default {parameter.default:g}){summary}"
