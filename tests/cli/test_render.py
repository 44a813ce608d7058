"""render: the same sound as the Python interface; files, folders and pipes; no incomplete file."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import rtfx as package
from rtfx.batch.job import LEDGER

from .command import MODEL, RATE, process, rtfx, start


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    for name, channels in (("a.wav", 1), ("b.flac", 2), ("c.wav", 1)):
        soundfile.write(name, 0.2 * rng.standard_normal((9001, channels)), RATE, subtype="PCM_24")
    return tmp_path


def read(path):
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def listing(folder="."):
    return sorted(name for name in os.listdir(folder) if name != LEDGER)


def test_bare_render_is_the_python_function(capsys, place):
    code, out, err = rtfx(capsys, "render", "--model", MODEL, "a.wav", "wet.wav", "--float", "--bare")
    assert (code, out) == (0, ""), err
    expected = package.load(MODEL)(read("a.wav")[:, 0], RATE, bare=True)
    assert np.array_equal(read("wet.wav")[:, 0], expected)
    assert "x real time" in err


@pytest.mark.parametrize(
    ("flags", "subtype"), [("", "PCM_24"), ("--bits 16", "PCM_16"), ("--bits 24", "PCM_24"), ("--float", "FLOAT")]
)
def test_encodings(capsys, place, flags, subtype):
    assert rtfx(capsys, "render", "--model", MODEL, "a.wav", "wet.wav", *flags.split())[0] == 0
    info = soundfile.info("wet.wav")
    assert (info.subtype, info.frames, info.channels, info.samplerate) == (subtype, 9001, 1, RATE)


def test_channels_are_independent_and_mono_averages(capsys, place):
    assert rtfx(capsys, "render", "--model", MODEL, "b.flac", "wet.wav", "--float", "--bare")[0] == 0
    assert rtfx(capsys, "render", "--model", MODEL, "b.flac", "mono.wav", "--float", "--bare", "--mono")[0] == 0
    x, model = read("b.flac"), package.load(MODEL)
    assert np.array_equal(read("wet.wav")[:, 1], model(x[:, 1], RATE, bare=True))
    assert np.array_equal(read("mono.wav")[:, 0], model(x.mean(axis=1), RATE, bare=True))


def test_parameters_and_gains(capsys, place):
    def peak(*flags):
        assert rtfx(capsys, "render", "--model", MODEL, "a.wav", "wet.wav", "--float", "-y", *flags)[0] == 0
        return np.abs(read("wet.wav")).max()

    quiet = peak("-p", "level_db=-20")  # without it the limiter is at work
    assert np.isclose(peak("-p", "model.level_db=-40"), quiet / 10, rtol=1e-4)
    assert np.isclose(peak("-p", "level_db=-20", "--out-gain", "-20"), quiet / 10, rtol=1e-4)


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_samples_that_are_no_sound_are_silence_and_said(capsys, place, rate):
    """One of 1e30 muted a linear chain for 3.4 s, and nothing was said."""
    x = 0.1 * np.sin(2 * np.pi * 220 * np.arange(24000) / rate)
    x[9600] = 0.0
    wet = ("render", "--model", "gain.yaml", "--float")
    Path("gain.yaml").write_text(
        f"version: 1\ndevice: {{sample_rate: {RATE}}}\npresets: [{{name: a, chain: [{{type: gain}}]}}]\n"
    )
    soundfile.write("clean.wav", x, rate, subtype="FLOAT")
    x[9600] = 1e30
    soundfile.write("wild.wav", x, rate, subtype="FLOAT")
    assert "beyond" not in rtfx(capsys, *wet, "clean.wav", "clean-wet.wav")[2]
    code, _, err = rtfx(capsys, *wet, "wild.wav", "wild-wet.wav")
    assert code == 0 and "wild.wav: 1 sample is above +48 dBFS or not a number: replaced by silence" in err
    assert np.array_equal(read("wild-wet.wav"), read("clean-wet.wav"))


def test_set_list(capsys, place):
    chains = ("{name: loud, chain: [{type: gain}]}", "{name: soft, chain: [{type: gain, gain_db: -20}]}")
    (place / "rig.yaml").write_text("version: 1\npresets:\n" + "".join(f"  - {chain}\n" for chain in chains))
    for name in ("loud", "soft", "2"):
        assert rtfx(capsys, "render", "--rig", f"rig.yaml:{name}", "a.wav", f"{name}.wav", "--float")[0] == 0
    assert np.array_equal(read("loud.wav"), read("a.wav"))
    assert np.allclose(read("soft.wav"), 0.1 * read("a.wav"), rtol=1e-5)
    assert np.array_equal(read("soft.wav"), read("2.wav"))


@pytest.mark.slow
def test_several_files_over_several_processes(capsys, place):
    code, _, err = rtfx(capsys, "render", "--model", MODEL, "a.wav", "b.flac", "c.wav", "out", "--jobs", 2)
    assert code == 0, err
    assert listing("out") == ["a.wav", "b.flac", "c.wav"]
    assert rtfx(capsys, "render", "--model", MODEL, "c.wav", "alone.wav")[0] == 0
    assert np.array_equal(read("out/c.wav"), read("alone.wav"))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_folder_goes_on_after_a_failure(capsys, place, jobs):
    (place / "bad.wav").write_text("no audio")
    (place / "out").mkdir()
    (place / "out" / "c.wav").write_bytes(b"mine")
    code, _, err = rtfx(capsys, "render", "--model", MODEL, ".", "out", "--jobs", jobs)
    assert code == 1
    assert listing("out") == ["a.wav", "b.flac", "c.wav"]
    assert (place / "out" / "c.wav").read_bytes() == b"mine"
    *_, first, second, last = err.splitlines()
    assert "bad.wav: cannot be read as audio" in first
    assert "c.wav exists already" in second
    assert last == "rtfx: 2 of 4 files failed"


def test_pipes(place):
    dry = (place / "a.wav").read_bytes()
    first = process("render", "--model", MODEL, "-", "-", input=dry)
    assert first.returncode == 0, first.stderr
    second = process("render", "--model", MODEL, "a.wav", "wet.wav")
    assert second.returncode == 0
    (place / "piped.wav").write_bytes(first.stdout)
    assert np.array_equal(read("piped.wav"), read("wet.wav"))


@pytest.mark.slow
def test_reader_that_leaves_a_pipe(place):
    soundfile.write("long.wav", np.zeros(60 * RATE), RATE)
    writer = start("render", "--model", MODEL, "long.wav", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer.stdout.read(1000)
    writer.stdout.close()
    assert b"Traceback" not in writer.stderr.read()
    writer.stderr.close()
    assert writer.wait(60) == 1


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupt_leaves_no_half_file(place, jobs):
    for name in ("long.wav", "long2.wav"):
        with soundfile.SoundFile(name, "w", RATE, 1, "PCM_16") as file:
            for _ in range(1200):
                file.write(np.zeros(RATE))
    out = place / "out"
    out.mkdir()
    files = ("long.wav", "long2.wav", "out")
    writer = start("render", "--model", MODEL, "--jobs", jobs, *files, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not any(path.stat().st_size > 10000 for path in out.iterdir()):
        assert time.monotonic() < deadline
        assert writer.poll() is None
        time.sleep(0.01)
    writer.send_signal(signal.SIGINT)
    err = writer.stderr.read().decode()
    writer.stderr.close()
    assert writer.wait(60) == -signal.SIGINT, "a shell that loops over files ends its loop, too"
    assert err.splitlines()[-1] == "rtfx: interrupted"
    assert "Traceback" not in err
    assert listing(out) == []  # neither half a file nor, by waiting for the workers, a whole one


def test_names_in_a_folder_follow_what_can_be_written():
    from rtfx.cli.render import _named

    assert _named(Path("a.mp3"), "PCM_24") == "a.wav"
    assert _named(Path("b.flac"), "FLOAT") == "b.wav"
    assert _named(Path("c.AIFF"), "PCM_16") == "c.AIFF"


@pytest.mark.slow
def test_what_a_rig_has_to_say_is_told_once(capsys, place):
    soundfile.write("d.wav", read("a.wav"), 44100)
    for words in (("a.wav", "c.wav"), ("a.wav", "c.wav", "--jobs", "2")):
        code, out, err = rtfx(capsys, "render", "--model", MODEL, *words[:2], "wet", *words[2:], "-y")
        assert (code, out) == (0, "")
        assert err.count("as loud as any other model") == 1
    code, _, err = rtfx(capsys, "render", "--model", MODEL, "d.wav", "wet.wav", "-r", "96000", "--bare")
    assert code == 0 and "as loud as" not in err


@pytest.mark.slow
@pytest.mark.parametrize("other", ["a.wav", "./a.wav", "link.wav", "hard.wav"])
def test_the_dry_recording_is_never_overwritten(capsys, place, other):
    os.symlink("a.wav", "link.wav")
    os.link("a.wav", "hard.wav")
    before = read("a.wav")
    code, out, err = rtfx(capsys, "render", "--model", MODEL, "a.wav", other, "-y")
    assert (code, out) == (1, "") and "the dry recording would be lost" in err
    assert np.array_equal(read("a.wav"), before) and "wet" not in listing()
    code, _, err = rtfx(capsys, "render", "--model", MODEL, "a.wav", "c.wav", ".", "-y")
    assert code == 1 and err.count("the dry recording would be lost") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_names_that_are_no_utf_8(capsys, place):
    """Such names come from archives that old Windows programs have made."""
    name = os.fsdecode(b"caf\xe9")
    shutil.copy("a.wav", f"{name}.wav")
    rig = ("--model", MODEL, "--cab", f"{name}.wav")
    assert rtfx(capsys, "render", *rig, f"{name}.wav", f"{name}-wet.flac")[0] == 0
    flags = ("--device", "null", "--input", f"{name}.wav", "--record", f"{name}-live.flac")
    assert rtfx(capsys, "play", *rig, *flags)[0] == 0
    assert {f"{name}-wet.flac", f"{name}-live.flac"} < set(os.listdir())
