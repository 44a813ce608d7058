"""Escape sequences in names never reach the terminal; a stream that cannot encode a name gets it escaped."""

import json
import os
import subprocess
import unicodedata

import numpy as np
import pytest
import soundfile
from rich.text import Text

from rtfx.errors import harmless
from rtfx.ui.terminal import Painter

from .command import COMMAND, ENVIRONMENT, MODEL, RATE, rtfx

EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\r\x08\x9b1m\u202egpj\u2066"
NAM = {"version": "0.5.4", "architecture": "Linear", "config": {"receptive_field": 2, "bias": False}}
NAM |= {"weights": [0.5, 0.25], "sample_rate": 48000}


def obeyed(text: str) -> list[str]:
    """Return what a terminal would obey."""
    turning = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    return [c for c in text if (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t") or c in turning]


def test_what_is_spelt_out():
    assert not obeyed(harmless(EVIL)) and "owned" in harmless(EVIL) and "\\x1b" in harmless(EVIL)
    kept = "crème brûlée 日本語 \u3000 \U0001f3b8 e\u0301 \u200d \u200f עברית\ta\nb"
    assert harmless(kept) == kept
    assert harmless("\udcff") == "\\udcff"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = NAM | {"metadata": {"name": EVIL, "gear_make": EVIL, "gear_type": EVIL}}
    (tmp_path / f"a{EVIL}.nam").write_text(json.dumps(evil))
    (tmp_path / f"bad{EVIL}.nam").write_text(json.dumps({"architecture": EVIL, "config": {EVIL: 1}, "weights": [EVIL]}))
    preset = {"name": "ok\u202eevil", "chain": [{"type": "gain"}]}
    (tmp_path / f"s{EVIL}.yaml").write_text(json.dumps({"version": 1, "presets": [preset, {"name": EVIL, "chain": 3}]}))
    (tmp_path / f"p{EVIL}.yaml").write_text(json.dumps({"version": 1, "presets": [preset]}))
    soundfile.write(tmp_path / "dry.wav", np.zeros(480), RATE)
    return tmp_path


COMMANDS = [
    ["info", "."],
    ["info", "--json", "."],
    ["info", f"a{EVIL}.nam"],
    ["info", "--json", f"a{EVIL}.nam"],
    ["info", f"bad{EVIL}.nam"],
    ["info", EVIL],
    [EVIL],
    ["info", f"--{EVIL}"],
    ["verify", f"a{EVIL}.nam"],
    ["verify", "."],
    ["check", f"s{EVIL}.yaml"],
    ["check", f"p{EVIL}.yaml"],
    ["render", f"s{EVIL}.yaml", "dry.wav", "wet.wav"],
    ["render", f"p{EVIL}.yaml:{EVIL}", "dry.wav", "wet.wav"],
    ["render", f"p{EVIL}.yaml", "dry.wav", f"w{EVIL}.wav"],
    ["render", "--model", f"a{EVIL}.nam", "dry.wav", f"w{EVIL}.wav"],
    ["render", "--model", f"a{EVIL}.nam", ".", "out"],
    ["convert", f"a{EVIL}.nam", f"c{EVIL}.json"],
    ["play", f"p{EVIL}.yaml", "--device", "null", "--seconds", "0.1", "--headless"],
    ["play", "--model", f"a{EVIL}.nam", "--device", "null", "--seconds", "0.1", "--headless", "--json"],
    ["devices", EVIL],
    ["random", "-p", f"{EVIL}=1"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=range(len(COMMANDS)))
def test_no_command_prints_what_a_terminal_would_obey(arguments, folder, capsys):
    _, out, err = rtfx(capsys, *arguments)
    assert out or err
    assert not obeyed(out + err), ascii(out + err)
    assert "Traceback" not in err and "internal error" not in err
    if "--json" in arguments:
        for line in out.splitlines():
            json.loads(line)


def test_json_holds_the_names_as_they_are(folder, capsys):
    _, out, _ = rtfx(capsys, "info", "--json", f"a{EVIL}.nam")
    assert json.loads(out)["name"] == EVIL or json.loads(out)["file"] == f"a{EVIL}.nam"


def test_the_page_shows_none_of_it():
    (line,) = Painter().paint([Text(f"name {EVIL} end")])
    assert not obeyed(line) and "owned" in line and "end" in line


STREAMS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.mark.parametrize("stream", STREAMS, ids=["ascii", "latin-1", "C"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_stream_that_cannot_show_a_name(stream, as_json, tmp_path):
    names = ["crème.nam", "日本語.nam", "plain.nam"]
    for name in names:
        (tmp_path / name).write_text(json.dumps(NAM | {"metadata": {"name": name}}))
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.nam", "w") as file:
        file.write(json.dumps(NAM))
    command = [*COMMAND, "info", *(["--json"] if as_json else []), "."]
    done = subprocess.run(command, env=ENVIRONMENT | stream, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode("latin-1").splitlines()
    if as_json:
        assert {json.loads(line)["name"] for line in lines} >= set(names)
    else:
        assert len(lines) == 1 + 4 and any("plain.nam" in line for line in lines)


@pytest.mark.parametrize("ending", [">&-", "| head -n 1", "| true", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed(ending, tmp_path):
    for i in range(60):
        (tmp_path / f"{i}.nam").write_text(json.dumps(NAM))
    command = " ".join([*COMMAND, "info", "."])
    done = subprocess.run(
        ["bash", "-c", f"{command} {ending}"],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


@pytest.mark.slow
def test_render_says_its_lines_to_any_stream(tmp_path):
    soundfile.write(tmp_path / "crème.wav", np.zeros(480), RATE)
    command = [*COMMAND, "render", "--model", MODEL, "crème.wav", "日本語.wav"]
    env = ENVIRONMENT | {"PYTHONIOENCODING": "ascii"}
    assert subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=100).returncode == 0
    again = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=100)
    assert again.returncode == 1 and b"exists already" in again.stderr and len(again.stderr.splitlines()) == 1
