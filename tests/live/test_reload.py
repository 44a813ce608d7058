"""Files change while they play: values glide, weights keep the state, chains crossfade, mistakes change nothing."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.live.reload import Reloader, files_of, folders_of
from rtfx.model.rtfx_json import save
from rtfx.rig.blocks import BlockSpec
from tests.engine.rigs import gru, noise, tcn
from tests.live.test_stream import RATE
from tests.live.test_update import layers

TONE = np.full(60 * RATE, 0.5, np.float32)


def write(path: Path, text: str) -> None:
    """Save as most editors do: another file, renamed."""
    other = path.with_name(path.name + "~")
    other.write_text(text)
    os.replace(other, path)


def gain_list(*gains: float, extra: str = "") -> str:
    presets = "".join(
        f"  - name: p{i}\n    chain:\n      - {{type: gain, gain_db: {gain}}}\n{extra}" for i, gain in enumerate(gains)
    )
    return f"version: 1\npresets:\n{presets}"


def told(stream, word: str, seconds: float = 30.0) -> list[str]:
    """Wait for a message of the stream that contains a word; return all messages up to it."""
    lines, deadline = [], time.monotonic() + seconds
    while not any(word in line for line in lines):
        assert time.monotonic() < deadline, lines
        stream.wait(0.02)
        lines += stream.news()
    stream.wait(0.1)
    return lines


def level(stream) -> float:
    """Return the output's level as a gain on `TONE`, once the meter has been renewed."""
    stream.wait(0.25)
    return 10.0 ** (stream.meters().output / 20.0) / 0.5


def play(path: Path, x=TONE, **settings):
    return rtfx.Rig.from_yaml(path).play(device="null", sample_rate=RATE, input=x, watch=True, **settings)


def test_an_edited_value_is_heard_and_a_turned_one_kept(tmp_path):
    path, take = tmp_path / "set.yaml", tmp_path / "take.wav"
    extra = "      - {type: gain, id: second}\n"
    path.write_text(gain_list(0.0, extra=extra))
    with play(path, record=take) as stream:
        stream.wait(0.4)
        stream.set("second.gain_db", -6.0)
        write(path, gain_list(-12.0, extra=extra))
        assert told(stream, "reloaded")[0] == "reloaded p0: values"
        assert stream.get("gain.gain_db") == -12.0 and stream.get("second.gain_db") == -6.0
        assert level(stream) == pytest.approx(10.0 ** (-18.0 / 20.0), rel=1e-3)
        write(path, gain_list(-12.0, extra="      - {type: gain, id: second, gain_db: 3}\n"))
        told(stream, "reloaded")
        assert stream.get("second.gain_db") == 3.0, "the file says otherwise now"
    y = soundfile.read(take, dtype="float32")[0]
    assert np.abs(np.diff(y)).max() < 2.0 * 0.5 / 960
    assert y[20000:-2000].min() > 0.05, "no gap"


def test_a_model_of_the_same_shapes_goes_on_without_compiling(tmp_path):
    path, file, take = tmp_path / "set.yaml", tmp_path / "net.json", tmp_path / "take.wav"
    save(replace(gru(), family="rtfx", sample_rate=48000.0), file)
    path.write_text("version: 1\npresets: [{name: a, chain: [{type: model, file: net.json}]}]\n")
    x = noise(60 * RATE)[:, 0]
    with play(path, x, level="none", record=take) as stream:
        stream.wait(0.6)
        compiled, before = layers(), stream.engine.clock
        save(replace(gru(seed=3), family="rtfx", sample_rate=48000.0), tmp_path / "other")
        os.replace(tmp_path / "other", file)
        assert "the state kept" in told(stream, "reloaded")[0]
        stream.wait(0.2)
        assert layers() == compiled and int(stream.engine.record["swaps"]) == 2
    y = soundfile.read(take, dtype="float32")[0]
    blocks, _ = rtfx.Rig.from_yaml(path).stream_blocks([x[: len(y), None]], RATE, 1, level="none", align=False)
    new = np.concatenate(list(blocks))[:, 0]
    assert np.abs(y - new)[-6000:-2000].max() < 1e-4
    assert np.abs(y - new)[14400:before].max() > 0.01, "another sound before"


def test_a_model_that_is_written_without_a_pause_is_heard_all_the_same(tmp_path):
    """A training of a small net writes so often, because its rounds are shorter than the wait for a file to settle."""
    path, file = tmp_path / "set.yaml", tmp_path / "net.json"
    save(replace(gru(), family="rtfx", sample_rate=48000.0), file)
    path.write_text("version: 1\npresets: [{name: a, chain: [{type: model, file: net.json}]}]\n")
    with play(path, level="none") as stream:
        lines, seed, deadline = [], 0, time.monotonic() + 20.0
        while sum("the state kept" in line for line in lines) < 2:
            assert time.monotonic() < deadline, lines
            seed += 1
            save(replace(gru(seed=seed), family="rtfx", sample_rate=48000.0), tmp_path / "other")
            os.replace(tmp_path / "other", file)
            stream.wait(0.03)
            lines += stream.news()


def test_a_broken_edit_says_so_and_the_sound_goes_on(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(gain_list(-6.0))
    with play(path) as stream:
        stream.wait(0.4)
        before = level(stream)
        write(path, gain_list(-20.0).replace("gain_db", "gain_bd"))
        (line,) = told(stream, "not reloaded")
        write(path, gain_list(-6.0))
        told(stream, "corrected: everything that plays is as written")
        write(path, gain_list(-20.0).replace("gain_db", "gain_bd"))
        assert told(stream, "not reloaded") == [line]
        assert f"{path}:5: " in line and "did you mean 'gain_db'" in line and "the sound goes on" in line
        assert level(stream) == before and int(stream.engine.record["swaps"]) == 1
        write(path, "version: 1\npresets: [{name: p0, chain: [{type: model, file: later.json}]}]\n")
        assert "later" in told(stream, "not reloaded")[0]
        save(replace(gru(), family="rtfx"), tmp_path / "later.json")
        told(stream, "another chain")
        path.unlink()
        assert "no such file" in told(stream, "not reloaded")[0]
        assert stream.active
        write(path, gain_list(-20.0))
        told(stream, "another chain")
        assert level(stream) == pytest.approx(0.1, rel=1e-3)


def test_half_a_file_is_no_mistake(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(gain_list(0.0))
    whole = gain_list(-20.0)
    with play(path) as stream:
        stream.wait(0.4)
        with open(path, "w") as file:
            for part in ("", whole[:40], whole[40:]):
                file.write(part)
                file.flush()
                stream.wait(0.4)  # longer than what is taken for rest
        lines = told(stream, "reloaded p0")
        assert lines == ["reloaded p0: values"]
        assert level(stream) == pytest.approx(0.1, rel=1e-3)


def test_presets_come_and_go_and_the_current_one_plays_on(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(gain_list(0.0, -6.0, -12.0))
    with play(path) as stream:
        stream.select(1)
        stream.wait(0.4)
        before = level(stream)
        two = gain_list(0.0, -6.0, -12.0).replace("p2", "new").replace("p0", "gone")
        write(path, two)
        lines = told(stream, "removed")
        assert {"reloaded gone: new", "reloaded new: new", "reloaded: p0, p2 removed"} <= set(lines)
        assert stream.presets == ["gone", "p1", "new"] and stream.preset == 1
        write(path, "version: 1\npresets:\n  - {name: p1, chain: [{type: gain, gain_db: -6}]}\n")
        told(stream, "removed")
        assert stream.presets == ["p1"] and stream.preset == 0
        assert level(stream) == before
        assert int(stream.engine.record["swaps"]) == 2, "nothing that plays has changed"


def test_an_impulse_response_that_changes(tmp_path):
    path, cab = tmp_path / "set.yaml", tmp_path / "room.wav"
    taps = np.zeros(500, np.float32)
    taps[0] = 1.0
    soundfile.write(cab, taps, RATE, subtype="FLOAT")
    path.write_text("version: 1\npresets: [{name: a, chain: [{type: cab, file: room.wav}]}]\n")
    with play(path) as stream:
        stream.wait(0.4)
        before = level(stream)
        soundfile.write(cab, np.repeat(taps, 2), RATE, subtype="FLOAT")
        told(stream, "another chain")
        stream.wait(0.2)
        assert level(stream) != before
        soundfile.write(cab, np.stack([taps, taps], axis=1), RATE, subtype="FLOAT")
        assert "2 output channels" in told(stream, "not reloaded")[0]


def test_globals_and_devices(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(gain_list(0.0))
    with play(path) as stream:
        stream.wait(0.4)
        write(path, gain_list(0.0) + "global: {out_gain_db: -20}\ndevice: {sample_rate: 44100}\n")
        lines = told(stream, "device")
        assert "reloaded: global" in lines and any("next start" in line for line in lines)
        assert level(stream) == pytest.approx(0.1, rel=1e-3)


def test_the_watcher_ends_with_the_stream(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(gain_list(0.0))
    stream = play(path)
    (watcher,) = stream._companions
    assert watcher._thread.is_alive()
    stream.close()
    assert not watcher._thread.is_alive()


def test_what_is_watched(tmp_path):
    real = tmp_path / "elsewhere"
    real.mkdir()
    (real / "net.json").write_text("{}")
    (tmp_path / "net.json").symlink_to(real / "net.json")
    assert folders_of({tmp_path / "net.json"}) == sorted([tmp_path.resolve(), real.resolve()])
    assert (
        files_of(BlockSpec("model", "a", file="random:lstm")) == set() == files_of(BlockSpec("model", "a", file=tcn()))
    )
    (tmp_path / "dict.json").write_text("{}")
    (tmp_path / "dict.arch.json").write_text("{}")
    block = BlockSpec("model", "a", file=tmp_path / "dict.json")
    assert files_of(block) == {tmp_path / "dict.json", tmp_path / "dict.arch.json"}


def test_a_touched_file_changes_nothing(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(gain_list(0.0, -6.0))
    with rtfx.Rig.from_yaml(path).play(device="null", sample_rate=RATE, input=TONE, watch=True) as stream:
        reloader: Reloader = stream._companions[0].reloader
        loaded = list(stream.controller.presets)
        os.utime(path)
        assert reloader.reload() == []
        assert stream.controller.presets == loaded
