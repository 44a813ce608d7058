"""``rtfx train`` from recordings to models, as a user runs it."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import rtfx as package
from rtfx.model import rtfx_json
from rtfx.model.load import load
from rtfx.model.nodes import Conv1d, Input
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.train import run
from rtfx.train.loss import esr
from tests.cli.command import process, rtfx, start
from tests.train.pedal import RATE, pedal, playing

QUICK = ("--arch", "lstm6", "--rounds", 10, "--seed", 3)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with dry.wav, wet.wav, and soft.wav and hard.wav of one performance with the gain at 0.1 and 0.9."""
    folder = tmp_path_factory.mktemp("recorded")
    dry = playing(12.0, 21)
    for name, wave in (("dry", dry), ("wet", pedal(dry)), ("soft", pedal(dry, 0.1)), ("hard", pedal(dry, 0.9))):
        soundfile.write(folder / f"{name}.wav", wave, RATE, subtype="FLOAT")
    return folder


def audio_flags(folder):
    return "--input", folder / "dry.wav", "--target", folder / "wet.wav"


def unheard(path, **knobs):
    """The error of a model on held-out playing, and the level of the model."""
    dry = playing(3.0, 99)
    found = package.load(path, **knobs)(dry, RATE, bare=True)
    return esr(found[4800:], pedal(dry, knobs.get("gain", 0.5))[4800:]), np.std(found)


@pytest.mark.slow
def test_a_model_is_trained_written_drawn_and_gone_on_with(recorded, tmp_path, capsys):
    out = tmp_path / "my.json"
    flags = (*audio_flags(recorded), *QUICK, "--out", out)
    code, text, notes = rtfx(capsys, "train", *flags, "--to", "nam", "--to", "rtneural", "--json")
    assert code == 0, notes
    *rounds, last = map(json.loads, text.splitlines())
    assert [each["round"] for each in rounds] == list(range(1, 11)) and rounds[-1]["esr"] < rounds[0]["esr"]
    assert last["esr"] == rounds[-1]["best"] and last["stopped"] == "finished"
    assert "only 12 s of audio" in notes
    spec = load(out)
    assert spec.sample_rate == RATE and spec.metadata["architecture"] == "lstm6"
    assert spec.metadata["check_esr"] == pytest.approx(last["esr"], abs=1e-6) and spec.metadata["training_seed"] == 3
    assert unheard(out)[0] < 0.1
    x = playing(0.1, 7)
    exact = evaluate(spec, x, cold=True)[0]
    for ending in (".nam", ".rtneural.json"):
        other = evaluate(load(tmp_path / f"my{ending}"), x, cold=True)[0]
        assert np.abs(other - exact).max() < 1e-6, ending
    image = (tmp_path / "my.png").read_bytes()
    assert image[:4] == b"\x89PNG" and len(image) > 20_000
    assert set(last["files"]) == {str(tmp_path / f"my{end}") for end in (".json", ".nam", ".rtneural.json", ".png")}

    longer = [flag if flag != 10 else 11 for flag in flags]
    code, text, notes = rtfx(capsys, "train", *longer, "--json", "--resume")
    assert code == 0 and [json.loads(line)["round"] for line in text.splitlines()[:-1]] == [11]
    code, _, notes = rtfx(capsys, "train", *longer, "--resume", "--seed", 8)
    assert code == 2 and "training with seed 3, not 8" in notes
    code, _, notes = rtfx(capsys, "train", *longer)
    assert code == 2 and "overwrite it with -y" in notes


@pytest.mark.slow
def test_a_knob_is_learnt_from_several_recordings(recorded, tmp_path, capsys):
    out = tmp_path / "knob.json"
    pairs = ("--knob", "gain=0.1", "--target", recorded / "soft.wav", "--knob", "gain=0.9", "--target")
    flags = ("--input", recorded / "dry.wav", *pairs, recorded / "hard.wav", *QUICK, "--out", out)
    code, _, notes = rtfx(capsys, "train", *flags)
    assert code == 0, notes
    assert [knob.name for knob in load(out).knobs] == ["gain"]
    (soft, quiet), (hard, loud) = (unheard(out, gain=gain) for gain in (0.1, 0.9))
    assert soft < 0.15 and hard < 0.15 and loud > 1.2 * quiet


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--arch", "lsmt16"), "did you mean 'lstm16'"),
        (("--out", "model.nam"), "expected a name that ends in .json"),
        (("--out", "nowhere/model.json"), "make it first"),
        (("--to", "vst"), "expected one of rtneural, nam, aidax, proteus"),
        (("--to", "nam", "--arch", "gru8"), "gru8 cannot be written as nam, it can be written as: rtneural"),
        (("--knob", "gain"), "expected NAME=VALUE"),
        (("--knob", "gain=0.1", "--knob", "gain=0.2"), "2 times for 1 --target"),
        (("--knob", "gain=11"), "expected 0 to 1"),
        (("--input", "dry.wav", "--input", "dry.wav"), "expected pairs"),
        (("--resume",), "there is no training to resume"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_learnt(recorded, tmp_path, capsys, monkeypatch, flags, words):
    monkeypatch.chdir(tmp_path)
    code, _, notes = rtfx(capsys, "train", *audio_flags(recorded), "--out", "my.json", *flags)
    assert code in (1, 2) and words in notes.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_bad_capture_is_refused(recorded, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(5 * RATE), RATE)
    flags = ("--input", recorded / "dry.wav", "--target", tmp_path / "silent.wav", "--out", tmp_path / "my.json")
    code, _, notes = rtfx(capsys, "train", *flags)
    assert code == 1 and "silent.wav is silent" in notes
    code, _, notes = rtfx(capsys, "train", *audio_flags(recorded), "--out", tmp_path / "my.json", "--check")
    assert code == 0 and "can be used for training" in notes and not (tmp_path / "my.json").exists()


def hears(player, words, times=1):
    """Read a player's output until a text has been printed `times` times."""
    lines: list[str] = []
    while sum(words in line for line in lines) < times:
        lines.append(player.stderr.readline())
        assert lines[-1], lines


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupt_keeps_the_best_and_a_player_hears_every_checkpoint(recorded, tmp_path, capsys):
    """A real training in one process and a real player in another; Ctrl-C ends both."""
    out = tmp_path / "my.json"
    flags = (*audio_flags(recorded), "--arch", "lstm8", "--out", out, "--json")
    assert rtfx(capsys, "train", *flags, "--rounds", 1)[0] == 0
    listening = ("--device", "null", "--watch", "--headless", "--seconds", 600, "--cab", "none")
    with start("play", out, *listening, stderr=subprocess.PIPE, text=True) as player:
        hears(player, "preset 1")  # who is there from the beginning hears the first rounds, each better than the last
        # rounds take 0.06 s: a pipe that is not read would soon be full, and stop the training
        with (
            (tmp_path / "rounds").open("w") as rounds,
            start("train", *flags, "--resume", "--minutes", 30, stdout=rounds, stderr=subprocess.PIPE) as trainer,
        ):
            try:
                hears(player, "other weights of the same shapes, nothing compiled", 2)
                trainer.send_signal(signal.SIGINT)
                _, notes = trainer.communicate(timeout=240)  # it draws, on a busy machine for long
            finally:
                trainer.kill()
                player.send_signal(signal.SIGINT)
        player.stderr.read()
        assert player.wait(60) == 0
    begin, *_, last = map(json.loads, (tmp_path / "rounds").read_text().splitlines())
    assert trainer.returncode == 0 and begin["round"] == 2
    assert last["stopped"] == "interrupted" and b"the best is kept" in notes
    assert load(out).metadata["check_esr"] == pytest.approx(last["esr"], abs=1e-6)
    code, text, notes = rtfx(capsys, "train", *flags, "--resume", "--until", 10.0)
    first = json.loads(text.splitlines()[0])
    assert code == 0 and first["round"] == last["rounds"] + 1, notes


@pytest.mark.slow
def test_without_matplotlib_a_line_says_so(recorded, tmp_path):
    code = "import sys; sys.modules['matplotlib'] = None; from rtfx.cli.main import main; main(sys.argv[1:])"
    flags = (*audio_flags(recorded), "--arch", "lstm6", "--rounds", 1, "--out", tmp_path / "my.json")
    command = [sys.executable, "-c", code, "train", *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment())
    assert done.returncode == 0, done.stderr
    assert "matplotlib is missing, pip install matplotlib" in done.stderr
    assert (tmp_path / "my.json").exists() and not (tmp_path / "my.png").exists()


def environment():
    return {"PYTHONPATH": os.pathsep.join(filter(None, [package.__path__[0] + "/..", os.environ.get("PYTHONPATH")]))}


def test_help_needs_nothing_heavy():
    done = process("train", "--help")
    assert done.returncode == 0 and b"--target" in done.stdout


@pytest.mark.slow
def test_a_twin_of_a_model_is_learnt_from_it(tmp_path, capsys):
    out = tmp_path / "small.json"
    soundfile.write(tmp_path / "dry.wav", playing(8.0, 5), RATE, subtype="FLOAT")
    flags = ("--distil", "klon.json", "--input", tmp_path / "dry.wav", *QUICK, "--out", out)
    code, text, notes = rtfx(capsys, "train", *flags, "--json")
    assert code == 0, notes
    last = json.loads(text.splitlines()[-1])
    assert last["teacher"] == "klon.json" and last["held_out"]["cheaper"] > 0.0
    assert 0.0 < last["held_out"]["esr"] < 1.0  # nearer than silence: three seconds of learning at eight knob places
    small = load(out)
    assert [knob.name for knob in small.knobs] == ["gain"] and small.name == "klon (lstm6)"
    assert small.metadata["twin_of"]["name"] == "klon"
    code, _, notes = rtfx(capsys, "train", *flags, "--target", tmp_path / "dry.wav", "-y")
    assert code == 2 and "leave out --target" in notes


def late_teacher(path, frames):
    """Write a gain whose output is delayed by a number of frames."""
    wait = Conv1d((0,), weight=np.array([[[0.5, 0.0]]]), bias=np.zeros(1), dilation=frames)
    rtfx_json.save(ModelSpec("rtfx", (Input(()), wait), "tardy", RATE, "file"), path)
    return path


@pytest.mark.slow
def test_of_a_late_model_the_twin_is_not_late_and_that_is_said(tmp_path, capsys):
    soundfile.write(tmp_path / "dry.wav", playing(6.0, 5), RATE, subtype="FLOAT")
    teacher, out = late_teacher(tmp_path / "tardy.json", 36), tmp_path / "small.json"
    flags = ("--distil", teacher, "--input", tmp_path / "dry.wav", *QUICK, "--out", out)
    code, text, notes = rtfx(capsys, "train", *flags)
    assert code == 0 and "tardy is 36 frames late (0.75 ms): its twin is not late" in notes
    assert "silence" not in notes
    x = playing(1.0, 8)
    assert esr(package.load(out)(x, RATE, bare=True)[4800:], 0.5 * x[4800:]) < 0.1


@pytest.mark.slow
def test_a_model_hardly_nearer_than_silence_is_not_passed_off_as_done(tmp_path, capsys, monkeypatch):
    """A net cannot learn a delay longer than any device's: the result is refused, or reported as not usable."""
    soundfile.write(tmp_path / "dry.wav", playing(6.0, 5), RATE, subtype="FLOAT")
    teacher, out = late_teacher(tmp_path / "tardy.json", 20000), tmp_path / "small.json"
    flags = ("--distil", teacher, "--input", tmp_path / "dry.wav", "--arch", "lstm6", "--rounds", 2, "--out", out)
    monkeypatch.setattr(run, "SILENCE", 10.0)
    code, _, notes = rtfx(capsys, "train", *flags)
    assert code == 0 and f"{out} is not usable: its ESR is" in notes and "and silence has 100 %" in notes
    out.unlink()
    monkeypatch.setattr(run, "SILENCE", 0.5)
    code, _, notes = rtfx(capsys, "train", *flags)
    assert code == 1 and "lstm6 is no better than silence (ESR" in notes and "go on with --resume" in notes
    assert not out.exists()
