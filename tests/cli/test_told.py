"""Warnings of a file: info prints all, a player the most important one and the number of the others."""

import json
import os

import numpy as np
import pytest

import rtfx
from rtfx import errors
from rtfx.cli import info
from rtfx.model.load import load

from ..model.nam_files import array, nam, wavenet
from ..model.nets import dense, lstm, network, write
from .command import rtfx as command

RNG = np.random.default_rng(3)
SMALL = network(1, dense(RNG, 1, 1))


def test_the_guess_about_inputs_first_and_keys_that_do_nothing_last(tmp_path, capsys):
    net = network(2, lstm(RNG, 2, 4, units=3), dense(RNG, 4, 1, units=3, kernel=1))
    path = write(tmp_path, net, "amp_44k1.json")
    warnings = load(path).warnings
    assert ["--inputs" in w for w in warnings] == [True, False, False, False, False]
    assert "44100 Hz taken from" in warnings[1] and all(w.endswith(": ignored") for w in warnings[2:])
    rig = rtfx.Rig([str(path)])
    rig.plan(44100.0)
    assert [note for note in rig.notes if warnings[0] in note] == [
        f"model: {warnings[0]} (and 4 more: rtfx info {path})"
    ]
    assert not any(w in note for note in rig.notes for w in warnings[1:])
    rig = rtfx.Rig([rtfx.load(path)])
    rig.plan(44100.0)
    assert any(note.endswith("(and 4 more: model.spec.warnings)") for note in rig.notes)
    text = command(capsys, "info", path)[1]
    assert all(warning in text for warning in warnings)
    table = command(capsys, "info", tmp_path)[1]
    assert f"{warnings[0]} (and 4 more: rtfx info FILE)" in table and warnings[1] not in table
    one = nam("WaveNet", wavenet(array(new=1)), sample_rate=None)
    assert [w.endswith(": ignored") for w in load(write(tmp_path, one, "net.nam")).warnings] == [False, True]


def test_a_folder_shows_every_file_in_it(tmp_path, capsys):
    write(tmp_path, SMALL, "good.json")
    for name, content in {
        "net.pt": b"\x80\x04x", "net.tflite": b"\x1c\0\0\0TFL3", "sub.mat": b"MATLAB 5.0", "damaged.hdf5": b"\x89HDF",
        "no_suffix": b"?", "readme": b"hello", "notes.txt": b"hello", "riff.wav": b"RIFF", "rig.yaml": b"version: 1",
        "front.PNG": b"\x89PNG", "good.arch.json": b"{}", ".hidden": b"x",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    os.symlink(tmp_path / "nowhere", tmp_path / "link.nam")
    bad = {"net.pt", "net.tflite", "sub.mat", "damaged.hdf5", "no_suffix", "link.nam"}
    none = {"readme", "notes.txt", "riff.wav", "rig.yaml", "front.PNG", "good.arch.json"}
    code, out, err = command(capsys, "info", tmp_path, "--json")
    rows = {os.path.basename(row["file"]): row for row in map(json.loads, out.splitlines())}
    assert rows.keys() == {"good.json", *bad, *none} and code == 1
    assert {name for name, row in rows.items() if "error" in row} == bad
    assert {name for name, row in rows.items() if row.get("family") is None and "no_model" in row} == none
    assert err == "rtfx: 6 of 7 files cannot be read\n" and "nowhere, which does not exist" in rows["link.nam"]["error"]
    text = command(capsys, "info", tmp_path)[1]
    assert all(name in text for name in rows) and text.count("no model: ") == len(none)


def test_sounds_and_texts_beside_models_are_no_fault(tmp_path, capsys):
    write(tmp_path, SMALL, "good.json")
    (tmp_path / "notes.txt").write_text("a pedal")
    assert command(capsys, "info", tmp_path)[0] == 0


def test_a_folder_that_may_not_be_opened_has_a_row(tmp_path, capsys, monkeypatch):
    write(tmp_path, SMALL, "good.json")
    (tmp_path / "locked").mkdir()
    scan, access = os.scandir, os.access

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(info.os, "scandir", scandir)
    monkeypatch.setattr(info.os, "access", lambda path, mode: not str(path).endswith("locked") and access(path, mode))
    code, out, _ = command(capsys, "info", tmp_path)
    assert code == 1 and "this folder cannot be read: permission denied" in out and "good.json" in out


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (network(33, dense(RNG, 33, 1)), "audio inputs: 33, at most 32"),
        (network(1, dense(RNG, 1, 33)), "audio outputs: 33, at most 32"),
        (network(2, dense(RNG, 2, 1), knobs=[{"name": "level_db"}]), ""),
    ],
)
def test_info_refuses_what_render_refuses(tmp_path, capsys, data, words):
    path = write(tmp_path, data)
    if not words:  # a name that is taken is not given
        assert [knob.name for knob in load(path).knobs] == ["input2"]
        return
    code, _, err = command(capsys, "info", path)
    assert code == 1 and words in err


def test_a_knob_may_not_be_called_as_a_parameter_of_every_model(tmp_path, capsys):
    write(tmp_path, {"layers": [{"type": "linear", "prefix": "w."}], "knobs": ["level_db"]}, "net.arch.json")
    path = write(tmp_path, {"w.weight": [[1, 2]]})
    with pytest.raises(errors.NotAModelFile, match="a knob is called level_db"):
        load(path)
