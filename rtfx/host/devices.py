"""Sound devices: listing them, finding one by index or part of its name, and wording what PortAudio refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import DeviceError, did_you_mean
from .device import Device, Missing
from .jack_devices import JACK, jack_devices
from .restart_portaudio import renew_if_servers_changed
from .route import preferred_apis, quiet, sounddevice

RATES = (44100, 48000, 88200, 96000, 176400, 192000)  # Hz: those worth asking a device about


def devices() -> list[Device]:
    """Return all devices, those of JACK or PipeWire first; the defaults of each side are marked, of the best route.

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
        usable = [d.portaudio for d in found if d.host_api == api["name"] and getattr(d, f"{side}_channels")]
        if usable:
            return usable[0]
    return -1


def sample_rates(device: Device) -> list[int]:
    """Return those of `RATES` at which the device opens; behind JACK the server's own; empty where it is busy."""
    if device.host_api == JACK:
        return [round(device.sample_rate)]
    return [rate for rate in RATES if runs_at(device, rate)]


def runs_at(device: Device, rate: float) -> bool:
    """Tell whether the device opens at a rate in Hz."""
    if device.host_api == JACK:
        return device.sample_rate == rate
    module = sounddevice()
    try:
        with quiet():
            _check(module, device, rate)
    except (module.PortAudioError, ValueError):
        return False
    return True


def _check(module: Any, device: Device, rate: float) -> None:
    side = "output" if device.output_channels else "input"
    getattr(module, f"check_{side}_settings")(device=device.portaudio, samplerate=rate, dtype="float32")


def find(name: str | int, side: str, known: list[Device] | None = None) -> Device:
    """Return the device with this index, or with these words in its name and host API.

    Parameters
    ----------
    name : str or int
        Index or part of a name, any case; an exact name wins, then a device before a monitor, then the best route.
    side : str
        "input" or "output": devices without channels on that side are passed over.

    Raises
    ------
    DeviceError
        Nothing fits, or several devices do: then they are listed.
    """
    known = devices() if known is None else known
    usable = [d for d in known if getattr(d, f"{side}_channels")]
    text = str(name).strip()
    if text.isdigit():
        by_index = [d for d in known if d.index == int(text)]
        if not by_index:
            known_numbers = f"expected 0 to {len(known) - 1}: see rtfx devices"
            expected = known_numbers if known else "there are none: try --device null"
            raise DeviceError(f"no device {text}, {expected}")
        if by_index[0] not in usable:
            raise DeviceError(f"device {text} ({by_index[0].label}) has no {side} channels: see rtfx devices")
        return by_index[0]
    exact = [d for d in usable if text.lower() in (d.name.lower(), d.label.lower(), d.key.lower())]
    hits = exact or [d for d in usable if _has_words(d.label.lower(), text.lower().split())]
    hits = [d for d in hits if not d.monitor] or hits
    if len(hits) > 1:
        best = [d for d in hits if d.host_api == next((a for a in preferred_apis() if _any_of(hits, a)), None)]
        hits = best or hits
    if not hits:
        hint = did_you_mean(text, [d.name for d in usable])
        remedy = "see rtfx devices" if known else "there are none: plug one in, or try --device null"
        kind = DeviceError if hint or not text else Missing  # a slip of the pen is not worth waiting for
        raise kind(f"no {side} device matches {text!r}{hint}: {remedy}")
    if len(hits) > 1:
        same = len({d.label for d in hits}) == 1  # then what stays from start to start tells them apart
        listed = "; ".join(f"{d.index}: {d.key if same else d.label}" for d in hits)
        raise DeviceError(f"several {side} devices match {text!r}: {listed}: give the number or more of the name")
    return hits[0]


def _any_of(hits: list[Device], api: str) -> bool:
    return any(d.host_api == api for d in hits)


def _has_words(label: str, words: list[str]) -> bool:
    """Tell whether the words occur in `label` in this order, as sounddevice takes them."""
    position = 0
    for word in words:
        position = label.find(word, position)
        if position < 0:
            return False
        position += len(word)
    return bool(words)


def explain(error: Exception, device: Device | None, sample_rate: float | None = None) -> DeviceError:
    """Return PortAudio's error as one line that says what to do."""
    name = device.label if device else "the device"
    code = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
    text = " ".join(str(part) for part in error.args).replace("\n", " ")
    lower = text.lower()
    if "permission" in lower or "not permitted" in lower:
        remedy = "sudo usermod -aG audio $USER, then log in again"
        return DeviceError(f"no permission to open {name}: {remedy}")
    if code == -9985 or "busy" in lower or "device unavailable" in lower:
        return DeviceError(
            f"{name} is busy: another program holds it; close that program, or choose another device: see rtfx devices"
        )
    if code == -9997 or "invalid sample rate" in lower:
        rate = f"{sample_rate:g} Hz" if sample_rate else "this sample rate"
        rates = sample_rates(device) if device else []
        known = f", it does: {', '.join(map(str, rates))}" if rates else ""
        return DeviceError(f"{name} does not run at {rate}{known}: choose another with --rate")
    if code == -9998 or "invalid number of channels" in lower:
        return DeviceError(f"{name} does not have that many channels: see rtfx devices")
    if code == -9996 or "no such device" in lower or "invalid device" in lower:
        return DeviceError(f"{name} is gone: is it still plugged in? See rtfx devices")
    return DeviceError(f"{name} cannot be opened ({text}): try another with --device: see rtfx devices")
