"""``rtfx match``: what it prints, and what it writes."""

import json

import pytest

from rtfx.cli.main import run

LIST = """\
version: 1
presets:
  - name: soft
    chain: [{type: gain, gain_db: -10}]
    scenes: {solo: {gain.gain_db: -2}}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gig.yaml"
    path.write_text(LIST)
    return path


def test_the_command(path, capsys):
    text = path.read_text()
    assert run(["match", str(path)]) == 0
    shown = capsys.readouterr()
    assert path.read_text() == text and "--write" in shown.err and "solo" in shown.out
    assert run(["match", str(path), "--json", "--write"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["preset"], one["scene"]) for one in found] == [("soft", ""), ("soft", "solo")]
    assert path.read_text() != text
    assert run(["match", str(path), "--write"]) == 0
    assert "nothing to change" in capsys.readouterr().err
    assert run(["match", "crunch", "--write"]) == 1
    assert "copy it" in capsys.readouterr().err
