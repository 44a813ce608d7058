"""``rtfx tuner``: the notes of a recording, and of a device."""

import json

import numpy as np
import pytest
import soundfile

from rtfx.cli.main import run

from ..strings import RATE, additive


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("tuner") / "strings.wav"
    notes = [0.3 * additive(hertz, seconds=0.8)[0] for hertz in (82.41, 111.0)]
    soundfile.write(path, np.concatenate([np.zeros(9600), *notes]), round(RATE))
    return path


def test_a_line_for_each_note(recording, capsys):
    assert run(["tuner", "--input", str(recording), "--tuning", "standard"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in lines] == ["E2", "A2"]
    assert "+0.1 cents" in lines[0] and "+15.7 cents" in lines[1] and "111.00 Hz" in lines[1]


def test_json_is_one_object_a_reading(recording, capsys):
    assert run(["tuner", "--input", str(recording), "--a4", "442", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) > 30 and found[0]["note"] == "E2" and found[0]["cents"] == pytest.approx(-7.7, abs=0.3)
    keys = "seconds hertz note target_hertz cents string strobe level_dbfs clarity inharmonicity".split()
    assert list(found[0]) == keys


def test_mistakes_are_one_line(recording, tmp_path, capsys):
    assert run(["tuner", "--input", str(recording), "--tuning", "drop"]) == 2
    assert "did you mean 'drop-" in capsys.readouterr().err
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(48000), 48000)
    assert run(["tuner", "--input", str(silent)]) == 1
    assert "no string sounds" in capsys.readouterr().err
    assert run(["tuner", "--a4", "500"]) == 2


def test_live_on_the_null_device_ends_by_itself(capsys):
    assert run(["tuner", "--device", "null", "--seconds", "1.5", "--json"]) == 0
    captured = capsys.readouterr()
    assert "tuning on" in captured.err
    assert all("cents" in json.loads(line) for line in captured.out.splitlines())
