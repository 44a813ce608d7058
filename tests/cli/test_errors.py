"""Every error is one helpful line on standard error, with the right exit code and no traceback."""

import io
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from rich.console import Console
from rich.progress import Progress

from rtfx.cli import main, signals
from rtfx.cli.output import status

from .command import COMMAND, ENVIRONMENT, MODEL, RATE, process, rtfx, start

RIG = f"version: 1\npresets:\n  - name: edge\n    chain: [{{type: model, id: net, file: '{MODEL}'}}, {{type: gain}}]\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with audio, a model, a rig and bad files; the current one."""
    x = 0.1 * np.random.default_rng(1).standard_normal(2000)
    soundfile.write(tmp_path / "dry.wav", x, RATE)
    soundfile.write(tmp_path / "other.wav", x, RATE)
    soundfile.write(tmp_path / "wide.wav", np.zeros((10, 33)), RATE)
    (tmp_path / "bad.wav").write_text("no audio")
    (tmp_path / "bad.json").write_text("<html>404</html>")
    (tmp_path / "empty").mkdir()
    (tmp_path / "rig.yaml").write_text(RIG)
    (tmp_path / "bad.yaml").write_text(RIG.replace("gain", "gat"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


USAGE, FAILED = 2, 1
NULL = ("--device", "null", "--input", "dry.wav")
TABLE = [
    ("plya", USAGE, r"no command 'plya' \(did you mean 'play'\?\)"),
    ("play --modle x", USAGE, r"no option --modle \(did you mean '--model'\?\)"),
    ("play a b", USAGE, r"unexpected extra argument"),
    ("play --block many", USAGE, r"'many' is not a valid whole number:"),
    ("play --rate fast", USAGE, r"'fast' is not a valid number:"),
    ("verify M --bound 3", USAGE, r"no option --bound: see"),
    ("play --seconds 0", USAGE, r"--seconds"),
    ("play --seconds nan", USAGE, r"not a finite number"),
    ("play --out-gain inf", USAGE, r"--out-gain"),
    ("play --latency soon M", USAGE, r"--latency is 'soon', expected low, high or seconds"),
    (
        "play --rate-method delay --model-rate 48000 -r 96000 --device null --seconds 0.1 M",
        USAGE,
        r"--rate-method delay needs a recurrent net.*48000 Hz",
    ),
    ("play --resample-phase zero M", USAGE, r"'zero' is not one of"),
    ("play --rate-method fast M", USAGE, r"'fast' is not one of"),
    ("play M --model M", USAGE, r"expected one of them"),
    ("play none.json", FAILED, r"'none\.json': no such model.*looked in"),
    ("play bad.json", FAILED, r"bad\.json"),
    ("play none.yaml", FAILED, r"'none\.yaml': no such set list"),
    ("play bad.yaml", FAILED, r"bad\.yaml:4: .*'gat'.*did you mean 'gat"),
    ("play rig.yaml:egde", USAGE, r"no preset 'egde' \(did you mean 'edge'\?\)"),
    ("play rig.yaml:2", USAGE, r"no preset '2', expected one of: 1 edge"),
    ("play rig.yaml --model-rate 44100", USAGE, r"--model-rate is for a single model"),
    ("play M -p level NULL", USAGE, r"-p 'level': expected NAME=VALUE"),
    ("play M -p levle_db=3 NULL", USAGE, r"no parameter 'levle_db'.*did you mean '(model\.)?level_db'"),
    ("play M -p level_db=999 NULL", USAGE, r"level_db is 999.*from -60 to 40 dB"),
    ("play rig.yaml -p net.gain=1 NULL", USAGE, r"no parameter 'net\.gain'"),
    ("play M --cab none.wav NULL", FAILED, r"'none\.wav': no such audio file"),
    ("play M --device null --input none.wav", FAILED, r"none\.wav.*no such audio file"),
    ("play M --device null --input bad.wav", FAILED, r"bad\.wav: cannot be read as audio"),
    ("play M --device Scarlatti --no-reconnect", FAILED, r"Scarlatti|PortAudio"),
    ("play random:tnc?seed=1", USAGE, r"did you mean 'tcn'"),
    ("render --model M dry.wav", USAGE, r"found one path, 'dry\.wav', expected IN\.\.\. OUT"),
    ("render dry.wav wet.wav", USAGE, r"nothing to play through: name a model"),
    ("render --model M dry.wav other.wav", FAILED, r"other\.wav exists already.*-y"),
    ("render --model M bad.wav wet.wav", FAILED, r"bad\.wav: cannot be read as audio"),
    ("render --model M none.wav wet.wav", FAILED, r"none\.wav: no such file"),
    ("render --model M empty out", FAILED, r"empty: no audio in this folder"),
    ("render --model M dry.wav none/wet.wav", FAILED, r"no such folder: mkdir -p none"),
    ("render --model M dry.wav wet.mp3", FAILED, r"'\.mp3', expected one of \.wav"),
    ("render --model M dry.wav wet.flac --float", FAILED, r"FLAC holds no floats"),
    ("render --model M dry.wav other.wav -", USAGE, r"several files cannot go to standard output"),
    ("render --model M dry.wav empty/../dry.wav empty", USAGE, r"would both become empty/dry\.wav"),
    ("render --model M dry.wav bad.wav bad.json", USAGE, r"bad\.json is a file, expected a folder"),
    ("render --model M dry.wav other.wav both.wav", USAGE, r"both\.wav is named like a file, expected a folder for 2"),
    ("render --model M dry.wav x.wav --float --bits 16", USAGE, r"--float and --bits"),
    ("render --model M dry.wav x.wav --bits 17", USAGE, r"'17' is not one of"),
    ("render --model M dry.wav x.wav -p foo=1", USAGE, r"no parameter 'foo'"),
    ("render", USAGE, r"missing argument"),
    ("info", USAGE, r"expected a model, a folder or --blocks"),
    ("info M --blocks", USAGE, r"expected a model, a folder or --blocks"),
    ("info none.json", FAILED, r"'none\.json': no such model"),
    ("info bad.json", FAILED, r"bad\.json"),
    ("info empty", FAILED, r"no model file in this folder"),
    ("verify", USAGE, r"missing argument"),
    ("verify none.json", FAILED, r"no such model"),
    ("info rig.yaml:none", USAGE, r"no preset 'none'"),
    ("play M --cab empty NULL", FAILED, r"empty is a folder, expected an impulse response"),
    ("play M --device null --input empty", FAILED, r"empty is a folder, expected audio"),
    ("play M NULL --record dry.wav", USAGE, r"--record dry\.wav is what --input reads"),
    ("play M NULL --record empty", USAGE, r"--record empty is a folder"),
    ("play M --device null --input wide.wav", FAILED, r"wide\.wav: 33 channels, expected at most 32"),
    ("train --input dry.wav --target dry.wav --out x.json --minutes nan", USAGE, r"--minutes.*not a finite number"),
]


@pytest.mark.parametrize(("line", "code", "message"), TABLE, ids=[row[0] for row in TABLE])
def test_one_line(capsys, place, line, code, message):
    words = [piece for word in line.split() for piece in {"NULL": NULL, "M": (MODEL,)}.get(word, (word,))]
    found, out, err = rtfx(capsys, *words)
    assert found == code, err
    last = err.rstrip("\n").splitlines()[-1]
    assert last.startswith("rtfx: ")
    assert re.search(message, last), last
    assert "Traceback" not in err
    assert "internal error" not in err
    assert out == ""
    assert not [path.name for path in place.iterdir() if path.suffix == ".part" or path.name.startswith("wet")]


def test_without_debug_one_line_with_debug_the_traceback(capsys, monkeypatch):
    def broken(arguments, **options):
        raise ValueError("two\nlines")

    monkeypatch.setattr(main.group, "main", broken)
    code, _, err = rtfx(capsys, "info")
    assert (code, err.count("\n")) == (1, 1)
    assert "internal error" in err
    assert "run again with --debug" in err
    code, _, err = rtfx(capsys, "info", "--debug")
    assert code == 1
    assert "Traceback (most recent call last)" in err


def test_interrupt_is_130(capsys, monkeypatch):
    def interrupted(arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.group, "main", interrupted)
    assert rtfx(capsys, "info")[::2] == (130, "rtfx: interrupted\n")


def test_sigterm_is_143_and_one_line(capsys, monkeypatch):
    def terminated(name, **how):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("rtfx.model.load.load", terminated)
    before = signal.signal(signal.SIGTERM, signals.terminate)
    try:
        assert rtfx(capsys, "verify", "klon.json") == (143, "", "rtfx: terminated\n")
    finally:
        signal.signal(signal.SIGTERM, before)


def test_help_of_every_verb(capsys):
    for verb in main.VERBS:
        code, out, err = rtfx(capsys, verb, "--help")
        assert (code, err) == (0, "")
        assert out.startswith(f"Usage: rtfx {verb}")
    code, out, _ = rtfx(capsys, "--version")
    assert code == 0
    assert re.search(r"\d+\.\d+", out)


def test_every_flag_of_the_interface_exists():
    from rtfx.cli import play, render

    def flags(command):
        return {option for parameter in command.params for option in parameter.opts}

    shared = "--model --cab -p --in-gain --out-gain --bare --cold --model-rate --rate-method --no-normalise --debug"
    alone = (
        "-i --input-device -o --output-device --device --in-channel -r --rate -b --block --latency --input --record "
        "--seconds --mute --watch --allow-feedback --headless --json"
    )
    assert set(f"{shared} {alone}".split()) <= flags(play.command)
    assert set(f"{shared} --float --bits --mono --no-align --jobs -y".split()) <= flags(render.command)


LIGHT = """
import sys
from rtfx.cli import main
assert main.run({arguments}) == 0
print(sorted(name for name in {heavy} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], ["numpy", "numba", "rich", "sounddevice", "soundfile", "scipy", "yaml", "asyncio"]),
        (["play", "--help"], ["numpy", "numba", "rich", "sounddevice"]),
        (["info", MODEL], ["numba", "rich", "sounddevice", "soundfile", "scipy", "soxr"]),
        (["info", "--blocks"], ["numba", "rich", "sounddevice", "scipy", "soxr"]),
    ],
    ids=["help", "play help", "info", "blocks"],
)
def test_light_commands_import_nothing_heavy(arguments, heavy):
    script = LIGHT.format(arguments=arguments, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().splitlines()[-1] == "[]"


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="POSIX pipes")
def test_reader_that_goes_away_is_no_error():
    writer = start("info", "--blocks", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer.stdout.close()
    assert writer.stderr.read() == b""
    writer.stderr.close()
    assert writer.wait(60) == 1


def test_process_exit_code_and_streams():
    done = process("info", MODEL, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["parameters"] > 0
    assert done.stderr == b""
    assert process("info").returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_standard_output_closed_or_on_a_full_disk():
    closed = subprocess.Popen(
        [*COMMAND, "info", MODEL], env=ENVIRONMENT, stderr=subprocess.PIPE, preexec_fn=close_output
    )
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, "info", MODEL], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE)
    words = "rtfx: nothing more can be written (No space left on device): make room on the disk\n"
    assert (done.returncode, done.stderr.decode()) == (1, words)
    assert (closed.communicate(timeout=60)[1], closed.returncode) == (b"", 0)


def close_output():
    os.close(1)


def test_what_may_not_be_read_or_written_to(capsys, place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read and write everything
    assert "dry.wav: permission denied" in rtfx(capsys, "render", "--model", MODEL, "dry.wav", "wet.wav")[2]
    assert "new.json: permission denied in" in rtfx(capsys, "convert", MODEL, "new.json")[2]


def test_a_line_above_a_bar_that_is_being_drawn(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with Progress(console=Console(stderr=True, force_terminal=True, width=60)) as bar:
        bar.add_task("learning")
        bar.refresh()
        status("a line")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "\nrtfx: a line\n" in shown.replace("\r", "\n")
