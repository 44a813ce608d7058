"""``rtfx latency``: the round trip through JACK against the server's own figures."""

import json
import sys

import numpy as np
import pytest

from rtfx.errors import DeviceError
from rtfx.host import devices, round_trip
from rtfx.host.device import ALSA
from tests.host.fake_sounddevice import FakeSoundDevice
from tests.host.jack_server import PERIOD, RATE, Server, installed

from .command import ENVIRONMENT, process, rtfx

jack = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="JACK's dummy driver is tried on Linux"),
    pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2"),
]


def came(delay: int, gain: float, hiss: float, starts: list[int], frames: int) -> np.ndarray:
    sent = round_trip.burst(RATE)
    y = hiss * np.random.default_rng(3).standard_normal(frames)
    for start in starts:
        y[start + delay : start + delay + len(sent)] += gain * sent
    return y.astype(np.float32)


@pytest.mark.parametrize("delay", [0, 1, 64, 555, 9000])
@pytest.mark.parametrize("gain", [1.0, -0.02])
def test_delays_are_found_to_the_frame(delay, gain):
    """At any level and polarity, in hiss as loud as the burst that comes back."""
    starts = [5000, 30000, 55000]
    y = came(delay, gain, 0.1 * abs(gain), starts, 90000)
    assert round_trip.delays(round_trip.burst(RATE), y, starts, 19000) == [delay] * 3


@pytest.mark.parametrize("hiss", [0.0, 0.01])
def test_nothing_is_found_where_nothing_came_back(hiss):
    starts = [5000, 30000, 55000]
    assert round_trip.delays(round_trip.burst(RATE), came(0, 0.0, hiss, starts, 90000), starts, 19000) == []


def test_channels_that_are_not_there(monkeypatch):
    module = FakeSoundDevice(("Scarlett", ALSA, 2, 2))
    monkeypatch.setattr(devices, "sounddevice", lambda: module)
    monkeypatch.setattr(devices, "jack_devices", list)
    monkeypatch.setattr(devices, "renew_if_servers_changed", lambda: None)
    with pytest.raises(DeviceError, match="channels 3 in and 1 out.*Scarlett has 2 in"):
        round_trip.measure(device="Scarlett", in_channel=3)


def test_the_null_device_has_no_round_trip(capsys):
    code, _, err = rtfx(capsys, "latency", "--device", "null")
    assert code == 1 and "no round trip" in err


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("block", [0, 2 * PERIOD, 0])
def test_round_trip_inside_jack(server, monkeypatch, block):
    """One period from a client's output to its own input: the server's, or the one asked for, while it plays."""
    for name, value in server.environment.items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
    done = process("latency", "--jack-loop", "--json", "--block", block)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(found)
    assert found["sample_rate"] == RATE and found["block_frames"] == (block or PERIOD)
    assert found["measured_frames"] == (block or PERIOD)
    assert found["measured_ms"] == pytest.approx(1000.0 * found["measured_frames"] / RATE)
    parts = [found[f"reported_{part}_ms"] for part in ("in", "block", "out")]
    assert found["reported_ms"] == pytest.approx(sum(parts))
    assert found["difference_ms"] == pytest.approx(found["measured_ms"] - found["reported_ms"])
    assert found["difference_ms"] == pytest.approx(0.0), "a block is all there is to it"


@pytest.mark.slow
def test_without_a_connection_it_says_how_to_connect(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
    done = process("latency")
    assert done.returncode == 1
    assert b"nothing came back on input 1 of system" in done.stderr and b"--jack-loop" in done.stderr


test_round_trip_inside_jack.pytestmark = [*test_round_trip_inside_jack.pytestmark, *jack]
test_without_a_connection_it_says_how_to_connect.pytestmark = [pytest.mark.slow, *jack]
