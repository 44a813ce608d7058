"""Input and output chosen separately, on a simulated PipeWire given by a table."""

import sys

import pytest

from rtfx.errors import DeviceError
from rtfx.host import choose, devices, jack
from rtfx.host.device import JACK, Device


def device(index, key, name, inputs=0, outputs=0, **more):
    return Device(index, name, JACK, inputs, outputs, 48000.0, key=key, **more)


MIC = device(0, "mic", "Webcam", inputs=1, default_input=True)
CARD = device(1, "alsa_input.scarlett", "Scarlett 2i2", inputs=2)
SPEAKERS = device(2, "alsa_output.pci", "Speakers", outputs=2, default_output=True)
HEADPHONES = device(3, "alsa_output.scarlett", "Scarlett 2i2", outputs=4)
MONITOR = device(4, "alsa_output.pci.monitor", "Monitor of Speakers", inputs=2, monitor=True)
ALL = [MIC, CARD, SPEAKERS, HEADPHONES, MONITOR]


@pytest.fixture
def desktop(monkeypatch, tmp_path):
    """Return a function that sets what PipeWire has."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(jack, "route", lambda: jack.PIPEWIRE_ROUTE)
    monkeypatch.setattr(choose, "memory_file", lambda: tmp_path / "devices.json")

    def missing():
        raise DeviceError("the PortAudio library is missing")

    def build(found):
        for room in (devices, choose):
            monkeypatch.setattr(room, "jack_devices", lambda: found)
        monkeypatch.setattr(devices, "sounddevice", missing)

    build(ALL)
    return build


@pytest.mark.parametrize(
    ("asked", "source", "target"),
    [
        ({}, MIC, SPEAKERS),
        ({"device": "Scarlett"}, CARD, HEADPHONES),
        ({"input_device": "scarlett"}, CARD, SPEAKERS),
        ({"output_device": "scarlett"}, MIC, HEADPHONES),
        ({"device": "Speakers"}, MIC, SPEAKERS),
        ({"device": "Webcam"}, MIC, SPEAKERS),
        ({"device": "alsa_output.pci"}, MIC, SPEAKERS),
        ({"device": "Webcam", "output_device": "scarlett"}, MIC, HEADPHONES),
        ({"input_device": "monitor", "output_device": "scarlett"}, MONITOR, HEADPHONES),
        ({"input_device": 4}, MONITOR, SPEAKERS),
        ({"device": "pipewire"}, MIC, SPEAKERS),
    ],
)
def test_each_side_is_chosen_by_itself(desktop, asked, source, target):
    chosen = choose.choose(**asked)
    assert (chosen.input, chosen.output) == (source, target)
    assert bool(chosen.mute_reason) == (source is MONITOR and target is SPEAKERS)


def test_an_outputs_own_monitor_starts_muted(desktop):
    named = {"input_device": "monitor", "output_device": "Speakers"}
    assert "repeats what is played, and would howl: press m to unmute" in choose.choose(**named).mute_reason
    assert choose.choose(**named, allow_feedback=True).mute_reason == ""


def test_no_input_but_a_monitor(desktop):
    lonely = device(4, "alsa_output.pci.monitor", "Monitor of Speakers", inputs=2, monitor=True, default_input=True)
    desktop([SPEAKERS, lonely])
    assert "the only input there is" in choose.choose().mute_reason
    chosen = choose.choose(need_input=False)
    assert chosen.input is None and chosen.mute_reason == "", "a file plays: nothing is heard"


def test_what_was_named_last_comes_before_the_default(desktop):
    choose.remember_devices({"input": CARD.key, "output": HEADPHONES.key})
    chosen = choose.choose()
    assert (chosen.input, chosen.output) == (CARD, HEADPHONES)
    desktop([MIC, SPEAKERS])
    chosen = choose.choose()
    assert (chosen.input, chosen.output) == (MIC, SPEAKERS), "as long as it is there"
    desktop(ALL)
    assert choose.choose(device="Speakers").output is SPEAKERS, "a name that is given now comes first"


def test_a_device_of_neither_side_is_not_there(desktop):
    with pytest.raises(DeviceError, match="no input device matches 'Marshall'"):
        choose.choose(device="Marshall")


def test_two_of_one_name_are_told_apart_by_what_stays(desktop):
    twin = device(5, "alsa_output.hdmi", "Speakers", outputs=2)
    desktop([*ALL, twin])
    with pytest.raises(
        DeviceError, match="several output devices match 'Speakers': 2: alsa_output.pci; 5: alsa_output.hd"
    ):
        choose.choose(output_device="Speakers")
    assert choose.choose(output_device="alsa_output.hdmi").output is twin
