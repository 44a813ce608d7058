"""docs/how-to/convert.md quotes what the command answers, word for word."""

import re
import shlex
import shutil
from pathlib import Path

from .cli.command import process

EXPORTS = Path(__file__).parent / "model/exports"
PAGE = (Path(__file__).parents[1] / "docs/how-to/convert.md").read_text()


def test_the_example(tmp_path):
    (block,) = re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    parts = re.findall(r"^\$ rtfx (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert len(parts) == 2
    shutil.copy(EXPORTS / "lstm-knobs.pt2", tmp_path / "amp.pt2")
    for command, expected in parts:
        done = process(*shlex.split(command), cwd=tmp_path)
        assert sorted((done.stderr + done.stdout).decode().splitlines()) == sorted(expected.splitlines())


def test_the_type():
    (kind,) = re.findall(r"`(RTNeural::ModelT<.*>)`", PAGE)
    assert kind in process("info", EXPORTS / "mixed.pt2").stdout.decode()
