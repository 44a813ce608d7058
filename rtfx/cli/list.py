"""``rtfx list``: the models, responses and set lists that can be named without a path."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..errors import UsageError, quoted
from ..find import AUDIO_FOLDERS, AUDIO_SUFFIXES, MODEL_SUFFIXES, PRESET_SUFFIXES, files_in, shipped, user_folder
from .options import debug_option
from .output import json_line, say, status

KINDS = {
    "models": (("models",), MODEL_SUFFIXES),
    "irs": (AUDIO_FOLDERS, AUDIO_SUFFIXES),
    "presets": (("presets",), PRESET_SUFFIXES),
}
NO_RESPONSES = ("riff", "guitars")  # audio that rtfx plays and measures with


@click.command("list")
@click.argument("words", nargs=-1, metavar="[models|irs|presets] [WORDS]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object on each line.")
@debug_option
def command(words: tuple[str, ...], as_json: bool) -> None:
    """List models, cabinet responses and set lists: those in the current folder, your own and the shipped ones.

    WORDS are parts of the name; a file must have all of them.
    """
    kinds = [words[0]] if words and words[0] in KINDS else list(KINDS)
    wanted = [word.lower() for word in words[len(words) > 0 and words[0] in KINDS :]]
    count = 0
    for kind in kinds:
        for place, path in listed(kind):
            if all(word in path.name.lower() for word in wanted):
                count += 1
                facts = {"kind": kind, "name": path.stem, "place": place, "file": str(path)}
                json_line(facts) if as_json else say(f"{kind:8}{path.stem:32}{place:9}{path}")
    if not count and wanted:
        raise UsageError(f"nothing is called {quoted(' '.join(wanted))}: rtfx list shows all")
    if not as_json:
        status(f"{count} files; rtfx play NAME plays a model or a set list, --cab NAME chooses a response")


def listed(kind: str) -> list[tuple[str, Path]]:
    """Return the files of a kind: for each, "here", "own" or "shipped", and its path; the first of a name wins."""
    folders, suffixes = KINDS[kind]
    every = [("here", Path.cwd() / name) for name in sorted(os.listdir()) if name.lower().endswith(suffixes)]
    for place, root in (("own", user_folder()), ("shipped", shipped())):
        paths = [path for folder in folders for path in files_in(root / folder)]
        every += [(place, path) for path in paths if path.name.lower().endswith(suffixes)]
    found: dict[str, tuple[str, Path]] = {}
    for place, path in every:
        if not (place == "shipped" and path.stem in NO_RESPONSES):
            found.setdefault(path.name.lower(), (place, path))
    return list(found.values())
