"""``rtfx render --lufs``: one gain a file, true peaks bounded, and the levels in the table."""

import re

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.cli.main import run
from rtfx.host.meter import Meter
from rtfx.loading.loudness import riff


def levels(path):
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    meter = Meter(rate, audio.shape[1])
    meter.add(audio)
    return audio, meter.lufs, meter.true_peak_dbtp


@pytest.fixture
def dry(tmp_path):
    folder = tmp_path / "dry"
    folder.mkdir()
    for name, gain in (("soft", 0.05), ("loud", 0.4)):
        soundfile.write(folder / f"{name}.wav", gain * riff(48000.0)[: 5 * 48000], 48000, subtype="FLOAT")
    return folder


def test_each_file_gets_one_gain(dry, tmp_path, capsys):
    assert run(["render", str(dry), str(tmp_path / "out"), "--model", "klon.json", "--lufs", "-30", "--jobs", "1"]) == 0
    table = capsys.readouterr().err
    for name in ("soft", "loud"):
        _, lufs, peak = levels(tmp_path / "out" / f"{name}.wav")
        assert lufs == pytest.approx(-30.0, abs=0.02)
        assert re.search(rf"{name}.wav .* -30.0 +{peak:.1f} ", table)
    plain = tmp_path / "plain.wav"
    assert run(["render", str(dry / "soft.wav"), str(plain), "--model", "klon.json", "--float"]) == 0
    levelled = tmp_path / "levelled.wav"
    words = ["render", str(dry / "soft.wav"), str(levelled), "--model", "klon.json", "--float", "--lufs", "-30"]
    assert run(words) == 0
    x, y = levels(plain)[0].astype(np.float64), levels(levelled)[0]
    gain = (x * y).sum() / (x * x).sum()
    assert np.abs(y - gain * x).max() < 1e-6


def test_a_peak_above_minus_1_dbtp_is_never_made(dry, tmp_path, capsys):
    loud = tmp_path / "out.wav"
    assert run(["render", str(dry / "loud.wav"), str(loud), "--model", "klon.json", "--lufs", "-6"]) == 0
    told = capsys.readouterr().err
    said = re.search(r"at -6 LUFS its true peak would be \+([\d.]+) dBTP: levelled to (-[\d.]+) LUFS", told)
    _, lufs, peak = levels(loud)
    assert peak == pytest.approx(-1.0, abs=0.02) and lufs == pytest.approx(float(said[2]), abs=0.06)


def test_silence_has_no_loudness(tmp_path, capsys):
    soundfile.write(tmp_path / "dry.wav", np.zeros(48000), 48000)
    (tmp_path / "rig.yaml").write_text("version: 1\npresets: [{name: plain, chain: [gain]}]\n")
    words = ["render", str(tmp_path / "dry.wav"), str(tmp_path / "wet.wav"), "--rig", str(tmp_path / "rig.yaml")]
    assert run([*words, "--lufs", "-18"]) == 0
    assert "wet.wav is silent: it has no loudness to bring to -18 LUFS" in capsys.readouterr().err
    assert not levels(tmp_path / "wet.wav")[0].any()


def test_nothing_else_is_left_in_the_folder(dry, tmp_path):
    words = ["render", str(dry / "soft.wav"), str(tmp_path / "a.wav"), "--model", "klon.json", "--lufs", "-25"]
    assert run(words) == 0
    assert levels(tmp_path / "a.wav")[1] == pytest.approx(-25.0, abs=0.02)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "dry"]


def test_a_rig_in_python_levels_too(dry, tmp_path):
    done = rtfx.Rig([{"type": "gain"}]).render(dry / "soft.wav", tmp_path / "a.wav", lufs=-24.0)
    _, lufs, peak = levels(tmp_path / "a.wav")
    assert lufs == pytest.approx(-24.0, abs=0.02) and done.lufs == pytest.approx(-24.0)
    assert done.true_peak_dbtp == pytest.approx(peak, abs=0.05)
