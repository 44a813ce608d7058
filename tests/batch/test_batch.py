"""Many files and long ones: no file is rendered twice or left incomplete, and pieces equal the whole."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtfx.batch import pieces
from rtfx.batch.job import LEDGER

from ..cli.command import RATE, rtfx, start

CONV = "random:tcn?seed=1&layers=3&channels=4"
LONG_CONV = "random:tcn?seed=1&layers=8&channels=4&dilation=2"  # depends on the last 512 frames and more


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    os.mkdir("in")
    for name in ("a", "b", "c"):
        soundfile.write(f"in/{name}.wav", 0.2 * rng.standard_normal(9001), RATE, subtype="PCM_24")
    return tmp_path


def times() -> dict[str, int]:
    return {name: os.stat(f"out/{name}").st_mtime_ns for name in sorted(os.listdir("out")) if name != LEDGER}


def render(capsys, *more):
    return rtfx(capsys, "render", "--model", CONV, "in", "out", "--jobs", "1", *more)


def test_finished_files_are_skipped_and_the_others_are_not(capsys, folder):
    code, _, err = render(capsys)
    assert code == 0 and err.count("rendered") >= 3
    before = times()
    assert list(before) == ["a.wav", "b.wav", "c.wav"]
    code, _, err = render(capsys)
    assert code == 0 and times() == before and err.count("finished before") == 3
    os.remove("out/b.wav")
    soundfile.write("in/c.wav", np.zeros(100), RATE)
    code, _, err = render(capsys)
    assert code == 1 and "c.wav exists already" in err and "1 of 3 files failed" in err, "its source is another one now"
    after = times()
    assert after["a.wav"] == before["a.wav"] and after["b.wav"] > before["b.wav"]
    assert render(capsys, "-y")[0] == 0 and times()["a.wav"] > before["a.wav"]
    code, _, err = render(capsys, "--out-gain", "-3")
    assert code == 1 and "3 of 3 files failed" in err, "other settings are not the same outputs"


def test_folders_in_folders_are_made_again_in_the_output_which_may_be_one_of_them(capsys, folder):
    os.mkdir("in/song")
    soundfile.write("in/song/a.wav", np.zeros(100), RATE)
    for said in ("rendered", "finished before"):
        code, _, err = rtfx(capsys, "render", "--model", CONV, "in", "in/wet", "--jobs", "1")
        assert code == 0 and "song/a.wav" in err and err.count(said) >= 4
    found = {str(path.relative_to("in/wet")) for path in Path("in/wet").rglob("*.wav")}
    assert found == {"a.wav", "b.wav", "c.wav", "song/a.wav"}


def test_a_changed_output_is_not_taken_for_a_finished_one(capsys, folder):
    assert render(capsys)[0] == 0
    with open("out/a.wav", "ab") as file:
        file.write(b"x")
    code, _, err = render(capsys)
    assert code == 1 and "a.wav exists already" in err


def test_a_killed_run_leaves_no_half_file_and_goes_on(capsys, folder):
    rng = np.random.default_rng(1)
    for name in ("b", "c", "d"):
        soundfile.write(f"in/{name}.wav", 0.2 * rng.standard_normal(40 * RATE), RATE, subtype="PCM_24")
    child = start("render", "--model", CONV, "in", "out", "--jobs", "1")
    deadline = time.monotonic() + 60
    while not any(
        name.endswith(".part") and name.startswith(".b") for name in (os.path.isdir("out") and os.listdir("out")) or ()
    ):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    left = os.listdir("out")
    done = [name for name in left if name in ("a.wav", "b.wav", "c.wav", "d.wav")]
    assert "a.wav" in done and len(done) < 4 and any(name.endswith(".part") for name in left)
    assert all(len(soundfile.read(f"out/{name}")[0]) == len(soundfile.read(f"in/{name}")[0]) for name in done)
    before = times()
    code, _, err = render(capsys)
    assert code == 0, err
    assert [name for name in sorted(os.listdir("out")) if name != LEDGER] == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert times()["a.wav"] == before["a.wav"] and "finished before" in err


@pytest.mark.slow
@pytest.mark.parametrize("often", [False, True])
def test_a_worker_that_dies_costs_its_own_file_at_most(folder, often):
    """The pool ends with the worker; the remaining files are rendered one by one."""
    rng = np.random.default_rng(1)
    for name in ("a", "b", "c", "d"):
        x = 0.2 * rng.standard_normal((100 if name == "b" else 1) * RATE)
        soundfile.write(f"in/{name}.wav", x, RATE, subtype="PCM_24")
    child = start("render", "--model", CONV, "in", "out", "--jobs", "2", stderr=subprocess.PIPE)
    killed, deadline = set(), time.monotonic() + 100
    while child.poll() is None and (often or not killed):
        assert time.monotonic() < deadline
        for name in (os.path.isdir("out") and os.listdir("out")) or ():
            if name.startswith(".b.wav.") and (worker := int(name.split(".")[3].split("-")[0])) not in killed:
                killed.add(worker)
                os.kill(worker, signal.SIGKILL)
        time.sleep(0.002)
    _, err = child.communicate(timeout=100)
    assert child.returncode == (1 if often else 0), err
    assert (b"b.wav: its worker process died" in err) == often and len(killed) == (2 if often else 1)
    expected = ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert sorted(set(os.listdir("out")) - {LEDGER}) == [name for name in expected if name != "b.wav" or not often]


def test_an_output_that_was_left_before_it_was_noted_is_made_again(capsys, folder):
    assert render(capsys)[0] == 0
    with open(f"out/{LEDGER}") as file:
        entries = json.load(file)
    entries["b.wav"]["output"] = []
    with open(f"out/{LEDGER}", "w") as file:
        json.dump(entries, file)
    before = times()
    assert render(capsys)[0] == 0
    assert times()["b.wav"] > before["b.wav"] and times()["a.wav"] == before["a.wav"]


def test_one_table_and_the_failures_at_the_end(capsys, folder):
    (folder / "in" / "b.wav").write_text("no audio")
    code, out, err = rtfx(capsys, "render", "--model", CONV, "in", "out", "--jobs", "2")
    lines = err.strip().splitlines()
    assert code == 1 and not out and "1 of 3 files failed" in lines[-1] and "b.wav" in lines[-2]
    assert (
        sum("failed" in line for line in lines[:-1]) == 1
        and sum(".wav " in line and " rendered " in line for line in lines) == 2
    )
    assert "x real time" in err


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--mono",), ("--out-gain", "30"), ("--bare",), ("-b", "100")])
def test_pieces_are_the_whole_bit_for_bit(capsys, folder, monkeypatch, more):
    monkeypatch.setattr(pieces, "WORTH", 0.0)
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 0.3)
    x = 0.3 * np.random.default_rng(0).standard_normal((2 * RATE + 17, 2))
    soundfile.write("long.wav", x, RATE, subtype="FLOAT")
    cuts = []
    whole = pieces.render_pieces
    monkeypatch.setattr(pieces, "render_pieces", lambda *a: cuts.append(1) or whole(*a))
    flags = ("--model", LONG_CONV, "--cab", "open-2x12.wav", "--float", *more)
    assert rtfx(capsys, "render", *flags, "long.wav", "serial.wav", "--jobs", "1")[0] == 0
    assert not cuts
    code, _, err = rtfx(capsys, "render", *flags, "long.wav", "pieces.wav", "--jobs", "2")
    assert code == 0 and cuts, err
    serial, cut = (soundfile.read(name, dtype="float32", always_2d=True)[0] for name in ("serial.wav", "pieces.wav"))
    assert serial.shape == cut.shape and np.array_equal(serial, cut)
    assert np.abs(serial).max() > (0.99 if "30" in more else 0.001)


@pytest.mark.parametrize(
    "chain",
    [
        '[{split: [[{type: model, file: "random:tcn?seed=1&layers=3"}], [{type: gain}]]}]',
        '[{type: model, file: "random:tcn?seed=1&layers=3"}, {type: gate, key: input}]',
    ],
    ids=["split", "key"],
)
def test_paths_and_side_inputs_are_not_cut(folder, monkeypatch, capsys, chain):
    monkeypatch.setattr(pieces, "WORTH", 0.0)
    monkeypatch.setattr(pieces, "render_pieces", None)
    (folder / "set.yaml").write_text(f"version: 1\npresets:\n  - name: a\n    chain: {chain}\n")
    code, _, told = rtfx(capsys, "render", "--rig", "set.yaml:a", "in/a.wav", "wet.wav", "--jobs", "2")
    assert code == 0, told


def test_a_recurrent_net_is_not_cut(folder, monkeypatch, capsys):
    monkeypatch.setattr(pieces, "WORTH", 0.0)
    monkeypatch.setattr(pieces, "render_pieces", None)
    assert rtfx(capsys, "render", "--model", "klon.json", "in/a.wav", "wet.wav", "--jobs", "2")[0] == 0
