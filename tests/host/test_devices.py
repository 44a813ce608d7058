"""Finding and choosing devices on simulated computers, each given by a table."""

import builtins
import os
import socket
import sys
import threading
from types import SimpleNamespace

import pytest

from rtfx.errors import DeviceError
from rtfx.host import choose, devices, jack, portaudio, portaudio_host, timeouts
from rtfx.host.device import ALSA, JACK, Device, is_builtin
from rtfx.host.device import drifts as drifts_apart

from .fake_sounddevice import FakeSoundDevice, PortAudioError

LAPTOP = (
    ("HDA Intel PCH: ALC257 Analog (hw:0,0)", ALSA, 2, 2),
    ("HDA Intel PCH: HDMI 0 (hw:0,3)", ALSA, 0, 8),
    ("Scarlett 2i2 USB: Audio (hw:1,0)", ALSA, 2, 2, (44100, 48000, 96000)),
    ("Scarlett Solo USB: Audio (hw:2,0)", ALSA, 2, 2, (48000,)),
    ("default", ALSA, 32, 32),
)
STUDIO = (*LAPTOP[:3], ("system", JACK, 4, 4, (48000,)))
ONBOARD_ONLY = " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n                      HDA Intel PCH at 0xa1 irq 140\n"
WITH_INTERFACE = ONBOARD_ONLY + " 1 [USB            ]: USB-Audio - Scarlett 2i2 USB\n                      Focusrite\n"


@pytest.fixture
def computer(monkeypatch):
    """Return a function that replaces sounddevice and a JACK server by a table, on Linux."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(jack, "route", lambda: "")
    monkeypatch.setattr(jack, "lacks_pipewire", lambda: False)

    def build(*table, **options):
        module = FakeSoundDevice(*(row for row in table if row[1] != JACK), **options)
        behind = [row for row in table if row[1] == JACK]
        found = [
            Device(n, name, JACK, ins, outs, 48000.0, default_input=not n, default_output=not n, key=name)
            for n, (name, _, ins, outs, *_) in enumerate(behind)
        ]
        monkeypatch.setattr(devices, "sounddevice", lambda: module)
        for room in (devices, choose):
            monkeypatch.setattr(room, "jack_devices", lambda: found)
        monkeypatch.setattr(devices, "renew_if_servers_changed", lambda: None)
        return module

    return build


@pytest.mark.parametrize(
    ("name", "side", "index"),
    [
        (2, "input", 2),
        ("2", "output", 2),
        ("2i2", "input", 2),
        ("scarlett solo", "output", 3),
        ("default", "input", 4),
        ("HDA Intel PCH: HDMI 0 (hw:0,3)", "output", 1),
        ("hda", "input", 0),  # HDMI has no inputs
    ],
)
def test_find(computer, name, side, index):
    computer(*LAPTOP)
    assert devices.find(name, side).index == index


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("scarlett", "input", r"several .* match 'scarlett': 2: Scarlett 2i2.*; 3: Scarlett Solo.*the number"),
        ("9", "input", r"no device 9, expected 0 to 4: see rtfx devices"),
        ("1", "input", r"device 1 \(HDA Intel PCH: HDMI 0.*\) has no input channels"),
        ("defalt", "output", r"no output device matches 'defalt' \(did you mean 'default'\?\)"),
        ("", "output", r"no output device matches ''"),
    ],
)
def test_find_refuses(computer, name, side, message):
    computer(*LAPTOP)
    with pytest.raises(DeviceError, match=message) as caught:
        devices.find(name, side)
    assert "\n" not in str(caught.value)


def test_a_number_without_any_device(computer):
    computer()
    with pytest.raises(DeviceError, match="no device 3, there are none: try --device null"):
        devices.find("3", "input")


def test_best_route_settles_a_tie(computer):
    computer(("Scarlett", ALSA, 2, 2), ("Scarlett Recorder", JACK, 2, 2))
    assert devices.find("scarlett", "input").host_api == ALSA  # exact
    assert devices.find("scar", "input").host_api == JACK


def test_running_jack_comes_first(computer):
    computer(*STUDIO)
    chosen = choose.choose()
    assert chosen.output.name == chosen.input.name == "system"
    assert chosen.route == "JACK"
    assert chosen.notes == ()
    assert chosen.mute_reason == ""


def test_pipewire_is_named(computer, monkeypatch):
    computer(*STUDIO)
    monkeypatch.setattr(jack, "route", lambda: jack.PIPEWIRE_ROUTE)
    assert choose.choose().route == "PipeWire's JACK"


def test_without_default_the_first_usable_device(computer):
    computer(*LAPTOP, no_default=(ALSA,))
    chosen = choose.choose()
    assert (chosen.input.index, chosen.output.index) == (0, 0)
    assert chosen.route == "ALSA"


def test_null_by_itself_only_if_nothing_was_named(computer, monkeypatch):
    computer()
    chosen = choose.choose()
    assert chosen.is_null
    assert "null device" in chosen.notes[0]
    assert choose.choose("null").notes == ()
    with pytest.raises(DeviceError, match="no input device matches 'Scarlett': there are none: plug"):
        choose.choose("Scarlett")

    def missing():
        raise DeviceError("the PortAudio library is missing: install it: sudo apt install libportaudio2")

    monkeypatch.setattr(devices, "sounddevice", missing)
    assert "apt install libportaudio2" in choose.choose().notes[0]
    with pytest.raises(DeviceError, match="libportaudio2"):
        choose.choose(output_device="0")


def test_microphone_and_loudspeakers_start_muted(computer):
    computer(*LAPTOP)
    chosen = choose.choose(device="0")
    assert "would howl" in chosen.mute_reason
    assert "--allow-feedback" in chosen.mute_reason
    assert choose.choose(device="0", allow_feedback=True).mute_reason == ""
    assert choose.choose(device="0", need_input=False).mute_reason == ""
    assert choose.choose(device="2i2").mute_reason == ""
    assert choose.choose(input_device="0", output_device="1").mute_reason == ""  # HDMI


def test_two_clocks_are_told(computer):
    computer(*LAPTOP)
    assert "clocks may drift" in choose.choose(input_device="2", output_device="0").notes[0]
    assert choose.choose(device="2").notes == ()


def test_two_host_apis_cannot_be_one_stream(computer):
    computer(*STUDIO)
    with pytest.raises(DeviceError, match="different host APIs"):
        choose.choose(input_device="2i2", output_device="system")
    # only the output named: the input follows it
    assert choose.choose(output_device="2i2").input.host_api == ALSA


def test_no_input_device(computer):
    computer(("HDMI", ALSA, 0, 2))
    with pytest.raises(DeviceError, match="no input device found.*--input FILE"):
        choose.choose()
    chosen = choose.choose(need_input=False)
    assert chosen.input is None
    assert not chosen.is_null


@pytest.mark.parametrize(
    ("name", "api", "cards", "is_input", "is_output"),
    [
        ("HDA Intel PCH: ALC257 Analog (hw:0,0)", ALSA, "", True, True),
        ("sof-hda-dsp: - (hw:0,6)", ALSA, "", True, True),
        ("Scarlett 2i2 USB: Audio (hw:1,0)", ALSA, ONBOARD_ONLY, False, False),
        ("default", ALSA, ONBOARD_ONLY, True, True),
        ("default", ALSA, WITH_INTERFACE, False, False),
        ("default", ALSA, "", False, False),
        ("system", JACK, ONBOARD_ONLY, True, True),
        ("system", JACK, WITH_INTERFACE, False, False),
        ("MacBook Pro Microphone", "Core Audio", "", True, False),
        ("MacBook Pro Speakers", "Core Audio", "", False, True),
        ("Microphone Array (Realtek(R) Audio)", "Windows WASAPI", "", True, False),
        ("Speakers (Realtek(R) Audio)", "Windows WASAPI", "", False, True),
        ("Speakers (Focusrite USB)", "Windows WASAPI", "", False, False),
        ("Headphones (Realtek(R) Audio)", "Windows WASAPI", "", False, False),
        ("External Headphones", "Core Audio", "", False, False),
    ],
)
def test_builtin(name, api, cards, is_input, is_output):
    device = Device(0, name, api, 2, 2, 48000.0)
    assert is_builtin(device, "input", cards) == is_input
    assert is_builtin(device, "output", cards) == is_output


@pytest.mark.parametrize(
    ("source", "target", "api", "drifts"),
    [
        ("Microphone (Scarlett 2i2 USB)", "Speakers (Scarlett 2i2 USB)", "Windows WASAPI", False),
        ("Microphone (Realtek(R) Audio)", "Speakers (Scarlett 2i2 USB)", "Windows WASAPI", True),
        ("X: A (hw:1,0)", "X: B (hw:1,1)", ALSA, False),
        ("X: A (hw:1,0)", "Y: B (hw:2,0)", ALSA, True),
        ("system", "other client", JACK, False),
    ],
)
def test_clocks(source, target, api, drifts):
    pair = (Device(i, name, api, 2, 2, 48000.0) for i, name in enumerate((source, target)))
    assert drifts_apart(*pair) == drifts


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PortAudioError("Device unavailable [PaErrorCode -9985]", -9985), "is busy: another program holds it"),
        (PortAudioError("Unanticipated host error", -9999, (8, -16, "Device or resource busy")), "is busy"),
        (PortAudioError("Unanticipated host error", -9999, (8, -13, "Permission denied")), "usermod -aG audio"),
        (PortAudioError("Invalid sample rate", -9997), "run at 12345 Hz, it does: 48000: choose another"),
        (PortAudioError("Invalid device", -9996), "still plugged in"),
        (PortAudioError("Something\nelse", -1), "cannot be opened"),
    ],
)
def test_errors_say_what_to_do(computer, error, message):
    computer(*LAPTOP)
    text = str(portaudio_host.explain(error, devices.devices()[3], 12345.0))
    assert message in text
    assert "Scarlett Solo" in text
    assert "\n" not in text


def test_sample_rates(computer):
    computer(*LAPTOP)
    assert devices.sample_rates(devices.devices()[2]) == [44100, 48000, 96000]


def test_missing_portaudio_names_the_remedy(monkeypatch):
    def refuse(name, *arguments, **options):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return original(name, *arguments, **options)

    original = builtins.__import__
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    portaudio.sounddevice.cache_clear()
    with pytest.raises(DeviceError, match="sudo apt install libportaudio2"):
        portaudio.sounddevice()


def test_a_sounddevice_without_the_names_in_use_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice())
    portaudio.sounddevice.cache_clear()
    with pytest.raises(DeviceError, match=r"lacks _StreamBase.*pip install 'sounddevice>=0.5,<0.6'"):
        portaudio.sounddevice()
    portaudio.sounddevice.cache_clear()


@pytest.mark.parametrize("stuck", [False, True])
def test_portaudio_is_not_ended_under_a_stream_that_hangs(monkeypatch, stuck):
    calls = []
    monkeypatch.setattr(portaudio, "left_behind", {1} if stuck else set())
    portaudio._Ending(SimpleNamespace(_exit_handler=lambda: calls.append(1)))()
    assert len(calls) == (not stuck)


def test_a_sound_system_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    held = threading.Event()
    with pytest.raises(DeviceError, match="has not answered for 0.1 s"):
        timeouts.within(0.1, held.wait)
    held.set()
    assert timeouts.within(5.0, int, "7") == 7
    with pytest.raises(ValueError):
        timeouts.within(5.0, int, "seven")


def test_a_server_is_told_from_the_next_of_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PIPEWIRE_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("PIPEWIRE_REMOTE", raising=False)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "no-such-server")
    seen = [jack.running()]
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "pipewire-0"))
            server.listen()
            seen.append(jack.running())
        assert jack.running() == frozenset(), "its socket is left, and answers no more"
        (tmp_path / "pipewire-0").unlink()
    assert seen[0] == frozenset() and len(seen[1]) == len(seen[2]) == 1 and seen[1] != seen[2]


def test_c_libraries_are_silenced_and_heard_again(capfd):
    os.write(2, b"before ")
    with portaudio.quiet():
        os.write(2, b"noise ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_a_socket_that_answers_is_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("PIPEWIRE_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("PIPEWIRE_REMOTE", raising=False)
    assert not jack.pipewire_runs()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "pipewire-0"))
        assert not jack.pipewire_runs()  # a stale socket
        server.listen()
        assert jack.pipewire_runs()


@pytest.fixture
def memory(tmp_path, monkeypatch):
    path = tmp_path / "config" / "devices.json"
    monkeypatch.setattr(choose, "memory_file", lambda: path)
    return path


def test_channel_is_remembered_by_name(memory):
    assert choose.remembered_channel("Scarlett") is None
    assert choose.remember_channel("Scarlett", 2)
    assert choose.remember_channel("Other", 1)
    assert choose.remembered_channel("Scarlett") == 2
    assert [path.name for path in memory.parent.iterdir()] == ["devices.json"]


DAMAGED = ["", "{", "[]", "[" * 100000, '{"in_channel": 3}', '{"in_channel": {"Scarlett": "2"}}', "\udcff"]


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_memory_counts_as_none(memory, text):
    memory.parent.mkdir()
    memory.write_bytes(text.encode(errors="surrogateescape"))
    assert choose.remembered_channel("Scarlett") is None
    assert choose.remember_channel("Scarlett", 2)
    assert choose.remembered_channel("Scarlett") == 2


def test_unwritable_memory_is_no_error(memory):
    memory.parent.write_text("a file where the folder should be")
    assert not choose.remember_channel("Scarlett", 2)
