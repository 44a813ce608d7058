"""``rtfx random``: prints a random net as a set list. Imports no Numba."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import fields

import click

from ..errors import UsageError
from .options import debug_option
from .output import say, status

SEEDS = 1024  # as many as RONN's plugin has
RARE = ("inputs", "outputs", "semantics", "film", "film_dim")
EXAMPLES = """\b
Examples:
  rtfx random > pedal.yaml
  rtfx random seed=7 layers=8 kernel=13 activation=Sine init=xavier_normal > pedal.yaml
  rtfx random gru channels=16 > pedal.yaml && rtfx play pedal.yaml

Keys may be written as options too: rtfx random --seed 7 --layers 8 --bias
"""


@click.command("random", epilog=EXAMPLES, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[tcn|gru|lstm] [KEY=VALUE]...")
@debug_option
def command(words: tuple[str, ...]) -> int:
    """Print a set list that plays a random net; without seed=N a different one each time."""
    from ..model.random.nets import KINDS, random_spec

    kind, pairs = _read(words, KINDS)
    if not any(pair.lower().startswith("seed=") for pair in pairs):
        pairs.append(f"seed={random.randrange(SEEDS)}")
    spec = random_spec(f"{kind}?" + "&".join(pairs))
    defaults = {field.name: field.default for field in fields(KINDS[kind])}
    # keys that only some nets have are left out at their default
    shown = {key: value for key, value in spec.metadata.items() if key not in RARE or value != defaults[key]}
    settings = [f"kind: {kind}", *(f"{key}: {_yaml(value)}" for key, value in shown.items())]
    field = spec.receptive_field
    memory = "recurrent" if field is None else f"{1000 * field / 48000:.3g} ms of memory at 48 kHz"
    for warning in spec.warnings:
        status(f"{spec.name}: {warning}")
    say(f"# {spec.parameter_count} weights drawn from seed {spec.metadata['seed']}, {memory}")
    say("version: 1\npresets:\n  - name: random\n    chain:")
    say(f"      - {{type: random, {', '.join(settings)}, input_db: 0, level_db: 0}}")
    return 0


def _read(words: tuple[str, ...], kinds: Collection[str]) -> tuple[str, list[str]]:
    """Return the kind and the ``key=value`` pairs, given as options or as one model name."""
    kind, pairs, rest = "", list[str](), list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            if not equals:
                alone = not rest or rest[0].startswith("--") or "=" in rest[0] or rest[0].lower() in kinds
                value = "true" if alone else rest.pop(0)
            pairs.append(f"{key}={value}")
        elif "=" in word.partition("?")[0]:
            pairs.append(word)
        elif kind:
            raise UsageError(f"found {word!r}, expected KEY=VALUE, such as seed=7")
        else:
            kind, _, query = word.removeprefix("random:").partition("?")
            pairs += filter(None, query.split("&"))
    return kind.lower() or "tcn", pairs


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and "," in value else str(value)
