"""A simulated card is unplugged, connected elsewhere, changes its rate, sends no more calls, or hangs."""

import sys
import time

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.host import choose, device, devices, jack, portaudio, portaudio_host
from rtfx.host.device import ALSA
from rtfx.live import reconnect
from rtfx.live.reconnect import Carried
from rtfx.ui import session
from tests.host.fake_card import LATENCY, FakeCards

CARD = ("Scarlett 2i2 USB: Audio (hw:1,0)", ALSA, 2, 2, (44100, 48000))
ELSEWHERE = ("Scarlett 2i2 USB: Audio (hw:3,0)", *CARD[1:])
ONLY_44100 = (*CARD[:4], (44100,))
OTHER = ("Another card (hw:2,0)", ALSA, 2, 2)
PATIENCE = 30.0  # s: generous, and what a breakage that is noticed by waiting costs


@pytest.fixture
def cards(monkeypatch):
    module = FakeCards(CARD, OTHER)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(jack, "route", lambda: "")
    for room in (devices, choose):
        monkeypatch.setattr(room, "jack_devices", list)
    for room in (portaudio, devices, portaudio_host):
        monkeypatch.setattr(room, "sounddevice", lambda: module)
    monkeypatch.setattr(portaudio, "_servers", frozenset())
    monkeypatch.setattr(devices, "renew_if_servers_changed", lambda: None)
    monkeypatch.setattr(portaudio_host, "enable_alsa", lambda *arguments: False)
    monkeypatch.setattr(portaudio, "_take_a_copy", lambda module: portaudio.left_behind.clear())
    monkeypatch.setattr(reconnect, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(reconnect, "LOOK_SECONDS", 0.02)
    yield module
    module.hangs.clear()


@pytest.fixture
def stream(cards, tmp_path):
    rig = rtfx.Rig([{"type": "gain", "id": "level"}])
    with rig.play(device="Scarlett", sample_rate=None, record=tmp_path / "take.wav") as stream:
        wait(lambda: stream.engine.clock > 20000)
        yield stream


def wait(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Attempt:
    """A reconnection, asked as a session asks it."""

    def __init__(self, stream):
        self.stream, self.said = stream, []
        self.back = reconnect.Reconnection(stream)

    def until(self, condition):
        wait(lambda: self.step() and condition())

    def step(self):
        self.waits = self.back.waits(self.said.append)
        return True


def test_unplugged_and_plugged_in_elsewhere(cards, stream, tmp_path):
    stream.set("level.gain_db", -6.0)
    stream.mute = False
    cards.unplug()
    assert not stream.active and stream.wait(1.0), "whoever waits is told"
    attempt = Attempt(stream)
    attempt.until(lambda: attempt.said)
    assert attempt.said == [f"{CARD[0]} has stopped: is it still plugged in?: waiting for it to come back"]
    cards.plugged = [OTHER]
    for _ in range(20):
        attempt.step()
    assert len(cards.streams) == 1, "another card is not taken"
    clock = stream.engine.clock
    cards.plugged = [OTHER, ELSEWHERE]
    attempt.until(lambda: len(attempt.said) > 1)
    assert attempt.said[1:] == [f"{ELSEWHERE[0]} is back: playing"]
    wait(lambda: stream.engine.clock > clock + 4800)
    assert stream.get("level.gain_db") == -6.0
    assert stream.stats.reconnects == 1 and stream.stats.output_device == ELSEWHERE[0]
    y = np.concatenate(cards.streams[1].heard)[:, 0]
    assert np.abs(np.diff(y, prepend=0.0)).max() < 0.5 / 900, "it begins with a fade"
    assert y[2000:].min() > 0.2
    stream.close()
    take, _ = soundfile.read(tmp_path / "take.wav")
    assert len(take) == stream.stats.recorded_frames > clock + 4800, "the recording goes on in the same file"


def test_ends_without_reconnection(cards, stream):
    cards.unplug()
    view = type("View", (), {"update": lambda *a: None, "say": lambda *a: None})()
    assert session.play(stream, view) == "ended"
    assert "still plugged in" in stream.trouble()
    begin = time.monotonic()
    stream.close()
    assert stream.trouble() == "" and time.monotonic() - begin < PATIENCE


def test_a_rate_that_the_server_changes(cards, stream):
    """The stream fades out; the next one is loaded for the new rate, with the player's settings."""
    old = cards.streams[0]
    stream.set("level.gain_db", -3.0)
    stream.out_gain_db = -1.0
    stream.do("tuner drop-D")
    stream.do("tuner mute")
    old.rate_now = 44100.0
    cards.plugged = [ONLY_44100]
    attempt = Attempt(stream)
    attempt.until(lambda: attempt.back.moved and not attempt.waits)
    assert "sample rate has changed from 48000 to 44100 Hz" in attempt.said[0]
    assert not old.open
    y = np.concatenate(old.heard)[14400:, 0]
    assert np.abs(np.diff(y)).max() < 1.0 / 900 and y[-1] == 0.0
    carried = Carried.of(stream)
    stream.close()
    with rtfx.Rig([{"type": "gain", "id": "level"}]).play(device="Scarlett") as new:
        carried.into(new)
        assert new.stats.sample_rate == 44100
        assert new.get("level.gain_db") == -3.0 and new.out_gain_db == -1.0
        assert new.stats.reconnects == 1
        assert new.mute and new.tuner.on and new.tuner.target.tuning == "drop-D"
        new.do("tuner off")
        assert not new.mute


def test_a_named_rate_is_waited_for(cards):
    with rtfx.Rig([{"type": "gain"}]).play(device="Scarlett", sample_rate=48000) as stream:
        cards.unplug()
        cards.plugged = [ONLY_44100]
        attempt = Attempt(stream)
        attempt.until(lambda: any("runs at 44100 Hz now, not at 48000" in line for line in attempt.said))
        assert not attempt.back.moved
        cards.plugged = [CARD]
        attempt.until(lambda: stream.active)


def test_a_card_that_goes_silent(cards, stream, monkeypatch):
    monkeypatch.setattr(device, "STALL_SECONDS", 0.3)
    cards.streams[0].calls.clear()
    attempt = Attempt(stream)
    attempt.until(lambda: stream.stats.reconnects == 1)
    assert "has not asked for sound" in attempt.said[0]
    assert not cards.streams[0].open and cards.streams[1].open


def test_a_process_that_was_suspended_has_lost_nothing(cards, stream, monkeypatch):
    monkeypatch.setattr(device, "STALL_SECONDS", 0.3)
    assert stream.active
    cards.streams[0].calls.clear()
    time.sleep(0.8)  # nobody looks
    assert stream.active
    cards.streams[0].calls.set()


def test_a_stream_that_does_not_close_is_not_opened_twice(cards, stream, monkeypatch):
    monkeypatch.setattr(portaudio_host, "CLOSE_SECONDS", 0.05)
    cards.hangs.set()
    cards.unplug()
    cards.plugged = [CARD]
    attempt = Attempt(stream)
    for _ in range(30):
        attempt.step()
    assert len(cards.streams) == 1
    begin = time.monotonic()
    attempt.back.close()
    stream.close()
    assert time.monotonic() - begin < 3.0 + PATIENCE / 10, "and does not keep anybody from leaving"
    cards.hangs.clear()
    wait(lambda: not cards.streams[0].open)


def test_latency_is_told_by_part(stream):
    stats = stream.stats
    assert stats.latency_in_ms == pytest.approx(1000.0 * LATENCY[0])
    assert stats.latency_out_ms == pytest.approx(1000.0 * LATENCY[1])
    assert stats.latency_block_ms == pytest.approx(64 / 48.0)
    assert stats.latency_model_ms == 0.0
    parts = (stats.latency_in_ms, stats.latency_block_ms, stats.latency_model_ms, stats.latency_out_ms)
    assert stats.latency_ms == pytest.approx(sum(parts))
