"""Lists all sound devices of every host API, and finds one by index or part of its name.

On Linux a running JACK comes first, then PipeWire through its own libjack, both without PortAudio; then ALSA.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from ..errors import DeviceError, did_you_mean
from . import jack
from .device import ALSA, JACK, Device, Missing
from .jack_devices import jack_devices
from .portaudio import quiet, renew_if_servers_changed, sounddevice

RATES = (44100, 48000, 88200, 96000, 176400, 192000)  # Hz; the rates that `sample_rates` tries
PREFERRED = {"linux": (JACK, ALSA), "darwin": ("Core Audio",), "win32": ("ASIO", "Windows WASAPI", "MME")}


def preferred_apis() -> tuple[str, ...]:
    """Return host API names, best first."""
    return PREFERRED.get("linux" if sys.platform.startswith("linux") else sys.platform, ())


def route_name(host_api: str) -> str:
    """Return the name under which a host API is shown: "PipeWire" if its library replaces JACK's."""
    if host_api == JACK:
        return "PipeWire's JACK" if jack.route() == jack.PIPEWIRE_ROUTE else "JACK"
    return host_api


def devices() -> list[Device]:
    """Return all devices, those of JACK or PipeWire first; the defaults of each side are those of the best host API.

    Raises
    ------
    DeviceError
        PortAudio is missing or unusable, and there is no device without it; or a JACK server does not answer.
    """
    behind_jack = jack_devices()
    try:
        found = _by_portaudio(len(behind_jack))
    except DeviceError:
        if not behind_jack:
            raise
        found = []
    if any(device.default_output for device in behind_jack):
        found = [replace(device, default_input=False, default_output=False) for device in found]
    return behind_jack + found


def _by_portaudio(first: int) -> list[Device]:
    """Return PortAudio's devices, numbered from `first`."""
    module = sounddevice()
    renew_if_servers_changed()
    apis = list(module.query_hostapis())
    found = [
        Device(
            index=first + number,
            name=str(entry["name"]),
            host_api=str(apis[entry["hostapi"]]["name"]),
            input_channels=int(entry["max_input_channels"]),
            output_channels=int(entry["max_output_channels"]),
            sample_rate=float(entry["default_samplerate"]),
            input_latency_low=float(entry["default_low_input_latency"]),
            input_latency_high=float(entry["default_high_input_latency"]),
            output_latency_low=float(entry["default_low_output_latency"]),
            output_latency_high=float(entry["default_high_output_latency"]),
            key=str(entry["name"]),
            portaudio=number,
        )
        for number, entry in enumerate(module.query_devices())
    ]
    default_in, default_out = (_default(apis, found, side) for side in ("input", "output"))
    return [
        replace(d, default_input=d.portaudio == default_in, default_output=d.portaudio == default_out) for d in found
    ]


def _default(apis: list, found: list[Device], side: str) -> int:
    """Return PortAudio's number of the default device of the best host API that has one, else -1."""
    order = {name: rank for rank, name in enumerate(preferred_apis())}
    for api in sorted(apis, key=lambda api: order.get(api["name"], len(order))):
        number = api[f"default_{side}_device"]
        if number >= 0:
            return int(number)
        usable = [d.portaudio for d in found if d.host_api == api["name"] and d.channels(side)]
        if usable:
            return usable[0]
    return -1


def sample_rates(device: Device) -> list[int]:
    """Return the `RATES` (Hz) at which the device opens; for JACK the server's rate; empty if the device is busy."""
    if device.host_api == JACK:
        return [round(device.sample_rate)]
    return [rate for rate in RATES if runs_at(device, rate)]


def runs_at(device: Device, rate: float) -> bool:
    """Return whether the device opens at a rate in Hz."""
    if device.host_api == JACK:
        return device.sample_rate == rate
    module = sounddevice()
    check = module.check_output_settings if device.output_channels else module.check_input_settings
    try:
        with quiet():
            check(device=device.portaudio, samplerate=rate, dtype="float32")
    except (module.PortAudioError, ValueError):
        return False
    return True


def find(name: str | int, side: str, known: list[Device] | None = None) -> Device:
    """Return the device with this index, or with these words in its name and host API.

    Parameters
    ----------
    name : str or int
        Index or part of a name, any case. An exact name comes first, then a device before a monitor, then the best
        host API.
    side : str
        "input" or "output": devices without channels on that side are passed over.
    known : list of Device, optional
        The devices to search; by default `devices()`.

    Raises
    ------
    DeviceError
        No device fits, or several do; the message lists them.
    """
    known = devices() if known is None else known
    usable = [d for d in known if d.channels(side)]
    text = str(name).strip()
    if text.isdigit():
        return _by_index(int(text), side, known)
    exact = [d for d in usable if text.lower() in (d.name.lower(), d.label.lower(), d.key.lower())]
    hits = exact or [d for d in usable if _has_words(d.label.lower(), text.lower().split())]
    hits = [d for d in hits if not d.monitor] or hits
    for api in preferred_apis() if len(hits) > 1 else ():
        if best := [d for d in hits if d.host_api == api]:
            hits = best
            break
    if not hits:
        hint = did_you_mean(text, [d.name for d in usable])
        remedy = "see rtfx devices" if known else "there are none: plug one in, or try --device null"
        kind = DeviceError if hint or not text else Missing  # do not wait for a device whose name is mistyped
        raise kind(f"no {side} device matches {text!r}{hint}: {remedy}")
    if len(hits) > 1:
        same = len({d.label for d in hits}) == 1  # then the key tells them apart
        listed = "; ".join(f"{d.index}: {d.key if same else d.label}" for d in hits)
        raise DeviceError(f"several {side} devices match {text!r}: {listed}: give the number or more of the name")
    return hits[0]


def _by_index(index: int, side: str, known: list[Device]) -> Device:
    found = next((d for d in known if d.index == index), None)
    if found is None:
        expected = f"expected 0 to {len(known) - 1}: see rtfx devices" if known else "there are none: try --device null"
        raise DeviceError(f"no device {index}, {expected}")
    if not found.channels(side):
        raise DeviceError(f"device {index} ({found.label}) has no {side} channels: see rtfx devices")
    return found


def _has_words(label: str, words: list[str]) -> bool:
    """Return whether the words occur in `label` in this order, the rule of sounddevice."""
    position = 0
    for word in words:
        position = label.find(word, position)
        if position < 0:
            return False
        position += len(word)
    return bool(words)
