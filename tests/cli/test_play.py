"""play on the null device: JSON, recording, parameters, signals."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

import rtfx as library
from rtfx.cli import play
from rtfx.errors import RtfxError
from rtfx.host.device import Missing
from rtfx.live import reconnect
from rtfx.rig_arguments import RigFlags

from .command import ENVIRONMENT, MODEL, RATE, rtfx, start

KEYS = (
    "device input_device output_device sample_rate block_frames blocks frames xruns_in xruns_out load_mean load_p99 "
    "load_max peak_in_dbfs peak_out_dbfs latency_ms non_finite_blocks preset realtime"
)


@pytest.fixture
def dry(tmp_path):
    path = tmp_path / "dry.wav"
    soundfile.write(path, 0.25 * np.sin(0.05 * np.arange(RATE)), RATE, subtype="FLOAT")
    return path


def test_json_has_the_keys(capsys, dry):
    code, out, err = rtfx(
        capsys, "play", MODEL, "--device", "null", "--input", dry, "--seconds", 0.3, "--block", 32, "--json"
    )
    assert code == 0, err
    assert out.count("\n") == 1
    stats = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert set(KEYS.split()) <= set(stats)
    assert (stats["device"], stats["sample_rate"], stats["block_frames"]) == ("null", RATE, 32)
    assert stats["frames"] == round(0.3 * RATE)
    assert stats["blocks"] == stats["frames"] // 32
    assert abs(stats["peak_in_dbfs"] - 20 * np.log10(0.25)) < 0.01
    assert stats["preset"] == MODEL
    assert all(line.startswith("rtfx: ") for line in err.splitlines())


def test_ends_with_the_file(capsys, dry):
    code, out, _ = rtfx(capsys, "play", "--model", MODEL, "--device", "null", "--input", dry, "--json")
    assert code == 0
    assert RATE <= json.loads(out)["frames"] <= RATE + 64


def test_flags_reach_the_sound(capsys, dry, tmp_path):
    takes = []
    for number, flags in enumerate([(), ("-p", "level_db=-20"), ("--out-gain", "-20"), ("--mute",)]):
        take = tmp_path / f"{number}.wav"
        code, _, err = rtfx(
            capsys, "play", MODEL, "--device", "null", "--input", dry, "--seconds", 0.5, "--record", take, *flags
        )
        assert code == 0, err
        audio, rate = soundfile.read(take)
        assert (len(audio), rate) == (round(0.5 * RATE), RATE)
        takes.append(np.abs(audio[len(audio) // 2 : -3000]).max())  # past the fade in, before the fade out
    assert takes[0] > 0.01
    assert np.allclose(takes[1:3], takes[0] / 10.0, rtol=1e-3)
    assert takes[3] == 0.0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_fades_out_and_ends_well(dry, name):
    long = dry.parent / "long.wav"
    soundfile.write(long, np.zeros(60 * RATE), RATE)
    flags = ("--device", "null", "--headless", "--json", "--input", long)
    process = start("play", MODEL, *flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in process.stderr:
        if line.startswith(b"rtfx: preset"):
            break
    begun = time.monotonic()
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert time.monotonic() - begun < 20
    assert 0 < json.loads(out)["frames"] < 60 * RATE
    assert b"Traceback" not in err


SLOW = """
import sys, threading, time
from rtfx.host import growing, timeouts
put, gone = growing.GrowingWave._put, threading.Event()
def slow(wave, place, data):
    if len(data) > 1000:
        time.sleep({seconds}) if {seconds} else gone.wait()
    return put(wave, place, data)
growing.GrowingWave._put = slow
timeouts.STALLED_SECONDS, timeouts.QUIET_SECONDS = 3.0, 0.3
from rtfx.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 0.0])
def test_a_recording_on_a_slow_disk_is_whole_or_ends_in_an_error_that_says_what_is_missing(tmp_path, seconds):
    command = [sys.executable, "-c", SLOW.format(seconds=seconds), "play", "--model", "klon.json", "--device", "null"]
    command += ["--seconds", "2", "--headless", "--record", tmp_path / "take.wav"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    frames = soundfile.info(tmp_path / "take.wav").frames
    if seconds:
        assert (done.returncode, frames) == (0, 2 * RATE), done.stderr
        assert "the disk is slow" in done.stderr
    else:
        assert (done.returncode, frames) == (1, 0), done.stderr
        assert "take.wav lacks 96000 frames, 0 to 96000 (0.00 to 2.00 s): the disk has taken nothing" in done.stderr


@pytest.mark.parametrize(("name", "code"), [("", 2), (" ", 2), ("take.raw", 1), ("-", 1), ("none/take.wav", 1)])
def test_a_recording_that_cannot_be_is_refused_before_anything_plays(capsys, tmp_path, monkeypatch, name, code):
    monkeypatch.chdir(tmp_path)
    found, _, err = rtfx(capsys, "play", MODEL, "--device", "null", "--seconds", 60, "--record", name)
    assert found == code and err.count("\n") == 1 and ("expected" in err or "no such folder" in err)
    with pytest.raises(RtfxError) as caught:
        library.Rig(["klon.json"]).play(device="null", seconds=60, record=name)
    assert caught.value.exit_code == code and os.listdir(tmp_path) == []


@pytest.mark.parametrize("patience", [math.inf, 0.0])
def test_a_device_that_is_not_there_yet_is_waited_for(monkeypatch, capsys, patience):
    monkeypatch.setattr(reconnect, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(reconnect, "RETRY_SECONDS", 0.02)
    tried = []

    def opening(what, flags, **more):
        tried.append(more)
        if len(tried) < 3:
            raise Missing("no input device matches 'Scarlett'")
        return "a stream"

    monkeypatch.setattr(play, "_open", opening)
    arguments = (None, RigFlags(), {"seconds": 1.0}, Missing, patience)
    if patience:
        assert play._open_in_time(*arguments) == "a stream" and tried == [{"seconds": 1.0}] * 3
        assert capsys.readouterr().err.count("waiting for it, Ctrl-C ends that") == 1, "each reason is told once"
    else:
        with pytest.raises(Missing, match="Scarlett"):
            play._open_in_time(*arguments)
