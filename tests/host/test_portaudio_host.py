"""The streams that PortAudio is asked for, what it reports about them, and its errors in plain words."""

from types import SimpleNamespace

import pytest

from rtfx.host import portaudio_host
from rtfx.host.choose import Choice
from rtfx.host.device import ALSA, Device
from rtfx.host.portaudio import OPEN
from rtfx.host.portaudio_host import ALSA_PERIODS, LOW_FRAMES, PortAudioHost, explain

GUITAR = Device(0, "Guitar in", "Core Audio", 2, 0, 48000.0, portaudio=3)
SPEAKERS = Device(1, "Speakers", "Core Audio", 0, 2, 48000.0, portaudio=4)
CARD = Device(2, "Card (hw:1,0)", ALSA, 2, 2, 48000.0, portaudio=5)


class Asked(SimpleNamespace):
    """The stream that PortAudio was asked for: its settings, and a latency as sounddevice reports it."""

    active = True

    def close(self, ignore_errors):
        self.active = False


@pytest.fixture
def opened(monkeypatch):
    """Return a function that opens a stream of a fake PortAudio, and returns the host and what was asked for."""
    hosts = []

    def build(kind, samplerate, **settings):
        latency = (0.003, 0.004) if kind == "duplex" else 0.004
        return Asked(kind=kind, samplerate=samplerate, latency=latency, asked=settings)

    module = SimpleNamespace(_StreamBase=build, _ffi=SimpleNamespace(cast=lambda kind, value: value))
    monkeypatch.setattr(portaudio_host, "sounddevice", lambda: module)
    monkeypatch.setattr(portaudio_host, "enable_alsa", lambda *arguments: False)

    def open_stream(source, target, inputs=1, block=0, latency=None):
        record = {"device_inputs": inputs, "device_outputs": 2}
        engine = SimpleNamespace(record=record, callback=1, address=2, clock=0)
        hosts.append(PortAudioHost(engine, Choice(source, target, "Core Audio"), block, 48000.0, latency))
        return hosts[-1], hosts[-1]._stream

    yield open_stream
    assert all(host.close() and id(host) not in OPEN for host in hosts)


def test_a_stream_of_input_and_output_has_the_latency_of_each(opened):
    host, stream = opened(GUITAR, SPEAKERS, block=128)
    assert (host.input_latency, host.output_latency) == (0.003, 0.004)
    assert stream.kind == "duplex" and stream.asked["device"] == (3, 4) and stream.asked["channels"] == (1, 2)
    assert stream.asked["blocksize"] == 128 and stream.asked["latency"] == "low"


@pytest.mark.parametrize("source, inputs", [(None, 1), (GUITAR, 0)], ids=["no input", "an input that nobody uses"])
def test_a_stream_of_output_alone_has_no_latency_of_an_input(opened, source, inputs):
    host, stream = opened(source, SPEAKERS, inputs)
    assert (host.input_latency, host.output_latency) == (0.0, 0.004)
    assert stream.kind == "output" and stream.asked["device"] == 4 and stream.asked["channels"] == 2


@pytest.mark.parametrize(
    "block, latency, frames", [(0, None, LOW_FRAMES), (256, None, 256), (256, "high", 256), (0, "high", None)]
)
def test_alsa_is_asked_for_periods_of_the_card(opened, block, latency, frames):
    host, stream = opened(CARD, CARD, block=block, latency=latency)
    assert host.asked_frames == (frames or 0) and stream.asked["blocksize"] == 0
    assert stream.asked["latency"] == (ALSA_PERIODS * frames / 48000.0 if frames else "high")


@pytest.mark.parametrize(
    "code, text, said",
    [
        (-9999, "Operation not permitted", "no permission to open .*usermod -aG audio"),
        (-9985, "Device unavailable", "is busy: another program holds it"),
        (-9998, "Invalid number of channels", "does not have that many channels"),
        (-9996, "Invalid device", "is gone: is it still plugged in"),
        (-1, "Strange\nthing", r"cannot be opened \(Strange thing -1\): try another"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(code, text, said):
    error = explain(RuntimeError(text, code), SPEAKERS, 48000.0)
    with pytest.raises(type(error), match=f"Speakers, Core Audio.*{said}|{said}"):
        raise error
    assert "\n" not in str(error) and "Speakers, Core Audio" in str(error)
