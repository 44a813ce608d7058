"""Whole streams on the null device: the live output equals the rendered one, bit for bit outside the fades."""

import ctypes
import gc
import time

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.api import Model
from rtfx.errors import UsageError
from tests.engine.rigs import gru, lstm, noise, response, tcn

RATE = 48000
START, STOP = 14400, 960
SECONDS = 0.7
FRAMES = round(SECONDS * RATE)


def play(rig, x=None, **settings):
    settings = {"device": "null", "sample_rate": RATE, "seconds": SECONDS} | settings
    return rig.play(input=np.zeros(FRAMES, np.float32) if x is None else x, **settings)


def recorded(path) -> np.ndarray:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return audio.T


@pytest.fixture(scope="module")
def impulse(tmp_path_factory):
    path = tmp_path_factory.mktemp("cab") / "cab.wav"
    soundfile.write(path, response(1500), RATE, subtype="FLOAT")
    return str(path)


@pytest.mark.parametrize("block", [0, 16, 100, 600])
def test_live_equals_offline_bit_for_bit(tmp_path, impulse, block):
    chain = [{"type": "gate"}, Model(lstm(), drive=0.8), {"type": "eq", "bell1_db": 4.0}, Model(tcn()), impulse]
    x = noise(FRAMES - 5000, level=0.4)[:, 0]
    rig = rtfx.Rig(chain)
    path = tmp_path / "live.wav"
    with play(rig, x, record=path, block_size=block) as stream:
        assert stream.wait(20.0)
    live = recorded(path)
    offline = rig(np.pad(x, (0, 5000)), RATE)
    assert live.shape == (1, FRAMES), "exactly so many frames, from the first one processed"
    assert np.array_equal(live[0, START : FRAMES - STOP], offline[START : FRAMES - STOP])
    assert np.abs(live[0]).max() > 0.01
    ramp = np.arange(START) / START
    assert np.abs(live[0, :START] - ramp * offline[:START]).max() < 1e-6
    assert stream.stats.frames == FRAMES
    assert stream.stats.recorded_frames == FRAMES and stream.stats.lost_frames == 0
    assert stream.stats.block_frames == (block or 64)


def test_values_given_at_the_start_do_not_glide(tmp_path):
    rig = rtfx.Rig([Model(lstm())])
    x = noise(FRAMES)[:, 0]
    path = tmp_path / "live.wav"
    with play(rig, x, record=path, values={"drive": 0.9}) as stream:
        stream.wait(20.0)
        assert stream.get("model.drive") == 0.9
    blocks, _ = rig.stream_blocks([x[:, None]], RATE, 1, values={"drive": 0.9}, align=False)
    offline = np.concatenate(list(blocks))[:, 0]
    assert np.array_equal(recorded(path)[0, START : FRAMES - STOP], offline[START : FRAMES - STOP])
    assert np.array_equal(offline, Model(lstm(), drive=0.9)(x, RATE)), "prewarmed at these values"
    assert not np.array_equal(offline, rig(x, RATE))


def test_a_stream_ends_by_itself_and_says_so():
    with play(rtfx.Rig([Model(gru())]), seconds=0.1) as stream:
        assert stream.active
        assert stream.wait(10.0)
        assert not stream.active
        assert stream.stats.frames == 4800
    assert stream.stats.blocks == 75


def test_without_seconds_a_file_plays_once(impulse):
    """It ends after the tail."""
    with play(rtfx.Rig([impulse]), noise(2000)[:, 0], seconds=None) as stream:
        assert stream.wait(10.0)
    assert 2000 < stream.stats.frames <= 2000 + 1500


def test_close_fades_out_and_returns(tmp_path):
    path = tmp_path / "live.wav"
    rig = rtfx.Rig([{"type": "gain"}])
    with play(rig, np.full(10 * RATE, 0.5, np.float32), seconds=None, record=path) as stream:
        stream.wait(0.5)
    live = recorded(path)[0]
    assert live.max() == 0.5
    assert np.abs(np.diff(live)).max() < 1.01 * 0.5 / STOP
    assert abs(live[-1]) < 1e-3
    frames = stream.stats.frames
    stream.close()
    time.sleep(0.05)
    assert stream.stats.frames == frames and not stream.active


def test_an_exception_in_the_block_ends_the_audio():
    with pytest.raises(ZeroDivisionError), play(rtfx.Rig([Model(gru())]), seconds=None) as stream:
        raise ZeroDivisionError
    assert not stream.active
    assert not stream.host._thread.is_alive()


def test_a_deleted_stream_ends_the_audio():
    stream = rtfx.Rig([Model(gru())]).play(device="null", input=np.zeros(100 * RATE, np.float32), sample_rate=RATE)
    thread, engine = stream.host._thread, stream.engine
    assert thread.is_alive()
    del stream
    gc.collect()
    assert not thread.is_alive()
    clock = engine.clock
    time.sleep(0.05)
    assert engine.clock == clock


def test_knobs_mute_and_bypass_while_it_plays(tmp_path):
    path = tmp_path / "live.wav"
    rig = rtfx.Rig([{"type": "gain", "id": "level"}])
    with play(rig, np.full(10 * RATE, 0.5, np.float32), seconds=None, record=path) as stream:
        stream.wait(0.35)
        stream.set("level.gain_db", -20.0)
        assert stream.get("level.gain_db") == -20.0
        stream.wait(0.15)
        stream.bypass = True
        assert stream.bypass
        stream.wait(0.15)
        stream.mute = True
        assert stream.mute
        stream.wait(0.15)
        stream.mute = stream.bypass = False
        stream.out_gain_db = -6.0
        stream.wait(0.15)
        with pytest.raises(UsageError, match="did you mean 'level.gain_db'"):
            stream.set("level.gain", 1.0)
    y = recorded(path)[0]
    heard = [value for value in (0.5, np.float32(0.05), 0.0) if (y == value).sum() > 1000]
    assert len(heard) == 3
    assert (np.abs(y - 0.05 * 10.0**-0.3) < 1e-6).sum() > 1000
    assert np.abs(np.diff(y[START:])).max() < 1.05 * 0.5 / 960


def test_commands_do_what_keys_do():
    rig = rtfx.Rig([{"type": "gain", "id": "amp"}, {"type": "gain", "id": "post"}])
    with play(rig, seconds=5.0) as stream:
        assert "preset" in stream.commands
        assert stream.do("set amp.gain_db -6") == "amp.gain_db -6.0 dB"
        assert stream.get("amp.gain_db") == -6.0
        with pytest.raises(UsageError, match="amp.gain_db, post.gain_db"):
            stream.do("set gain_db -6")
        assert stream.do("preset 1") == "preset 1: rig"
        assert stream.do("undo") == "undone: amp.gain_db +0.0 dB"
        assert stream.do("mute on") == "muted" and stream.mute


def test_presets_switch_without_a_gap(tmp_path):
    file = tmp_path / "set.yaml"
    file.write_text(
        "version: 1\npresets:\n"
        "  - {name: loud, chain: [{type: gain, gain_db: 0}]}\n"
        "  - {name: soft, chain: [{type: gain, gain_db: -20}], scenes: {up: {gain.gain_db: -6}}}\n"
    )
    path = tmp_path / "live.wav"
    with play(rtfx.Rig.from_yaml(file), np.full(10 * RATE, 0.5, np.float32), seconds=None, record=path) as stream:
        assert stream.presets == ["loud", "soft"] and stream.preset == 0
        stream.wait(0.4)
        stream.select(1)
        assert stream.preset == 1 and stream.stats.preset == "soft"
        stream.wait(0.15)
        stream.scene("up")
        stream.wait(0.15)
    y = recorded(path)[0]
    for value in (0.5, 0.05, 0.5 * 10.0**-0.3):
        assert (np.abs(y - value) < 1e-6).sum() > 1000
    assert y[START:-2000].min() > 0.049, "no gap"
    assert np.abs(np.diff(y[START:-2000])).max() < 1.01 * 0.45 / 960


def test_meters_and_stats():
    with play(rtfx.Rig([{"type": "gain", "gain_db": -6.0}]), np.full(RATE, 0.5, np.float32)) as stream:
        stream.wait(20.0)
        meters = stream.meters()
    assert meters.inputs == [pytest.approx(-6.02, abs=0.01)]
    assert not meters.clip_in and not meters.clip_out
    stats = stream.stats
    assert stats.peak_in_dbfs == pytest.approx(-6.02, abs=0.01)
    assert stats.peak_out_dbfs == pytest.approx(-12.02, abs=0.01)
    assert 0.0 < stats.load_mean <= stats.load_max
    assert 0.0 < stats.load_p99 <= stats.load_max
    assert (stats.device, stats.sample_rate, stats.preset) == ("null", RATE, "rig")


def test_clip_latch_and_limiter():
    with play(rtfx.Rig([{"type": "gain", "gain_db": 24.0}]), np.full(RATE, 0.5, np.float32)) as stream:
        stream.wait(20.0)
        assert stream.meters().clip_out and not stream.meters().clip_in
        stream.clear_clips()
        assert not stream.meters().clip_out
    assert stream.stats.peak_out_dbfs <= 0.0


def test_the_null_device_plays_on_while_the_gil_is_held():
    """Half a second inside a C call that keeps the GIL: the audio thread never needs it."""
    rig = rtfx.Rig([Model(gru())])
    with play(rig, noise(10 * RATE)[:, 0], seconds=None) as stream:
        stream.wait(0.1)
        before = stream.engine.clock
        ctypes.PyDLL(None).usleep(500_000)
        passed = stream.engine.clock - before
    assert passed > 0.25 * RATE
