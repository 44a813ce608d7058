"""``rtfx devices``: a line for each device with what one needs to choose it, or JSON."""

import json

import pytest

from rtfx.cli import devices as cli
from rtfx.host import devices
from rtfx.host.device import ALSA, JACK, Device
from tests.host.fake_sounddevice import FakeSoundDevice

from .command import rtfx


@pytest.fixture
def cards(monkeypatch):
    """Return a function that plugs in the cards that ``rtfx devices`` will find."""
    monkeypatch.setattr(devices, "jack_devices", list)
    monkeypatch.setattr(devices, "renew_if_servers_changed", lambda: None)

    def plug(*rows):
        monkeypatch.setattr(devices, "sounddevice", lambda: FakeSoundDevice(*rows))

    return plug


def test_a_line_for_each_device(cards, capsys):
    cards(("Scarlett", ALSA, 2, 2), ("Headphones", ALSA, 0, 2, (12345,)))
    code, out, err = rtfx(capsys, "devices")
    first, second, null = out.splitlines()
    assert (code, err, null) == (0, "", cli.NULL_LINE)
    assert first.startswith("* 0 Scarlett, ALSA (2 in, 2 out; 44.1, 48 kHz; default 48 kHz; latency 7.0 to 70.0 ms)")
    assert second.startswith("  1 Headphones, ALSA (0 in, 2 out; busy, or none of the usual rates; ")
    assert second.endswith("latency 4.0 to 40.0 ms)"), "no latency of an input that it does not have"


def test_json_has_an_object_for_each_device(cards, capsys):
    cards(("Scarlett", ALSA, 2, 2), ("Headphones", ALSA, 0, 2))
    code, out, _ = rtfx(capsys, "devices", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [each["name"] for each in found] == ["Scarlett", "Headphones"]
    assert found[0]["sample_rates"] == [44100, 48000] and found[0]["default_output"] and found[0]["route"] == "ALSA"


def test_no_device_is_said(cards, capsys):
    cards()
    code, out, err = rtfx(capsys, "devices")
    assert code == 0 and out.splitlines() == [cli.NULL_LINE] and "no sound device found" in err


def test_a_servers_device_has_a_block_in_place_of_latencies():
    server = Device(3, "Card", JACK, 2, 2, 48000.0, default_input=True, block_frames=128)
    assert cli._line(server, "JACK", [48000], 2) == ">  3 Card, JACK (2 in, 2 out; 48 kHz; 128 frames now)"
