"""Chooses the input and output device, with notes for the user, and remembers the last choice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import DeviceError
from ..files import read_file, write_file
from . import jack
from .device import ALSA, Device, drifts, is_builtin
from .devices import devices, find, route_name
from .jack_devices import jack_devices

NULL = "null"
PACKAGE = "PipeWire runs without its JACK library, which gives the lowest latency: sudo apt install pipewire-jack"
REMEMBERED = ("in_channel", "devices")  # parts of the file
PLUGINS = ("default", "pipewire", "pulse")  # ALSA's names of the sound server
ALLOW_FEEDBACK = "press m to unmute, or start with --allow-feedback"
Wanted = str | int | None


@dataclass(frozen=True)
class Choice:
    """The devices to open.

    Parameters
    ----------
    input, output : Device or None
        Both None: the built-in null device. `input` alone None: no input was needed and none exists.
    route : str
        The way to the card: JACK, PipeWire's JACK, ALSA, Core Audio, ..., or null.
    notes : tuple of str
        Lines for the user.
    mute_reason : str
        If not empty, the stream starts muted and shows this text.
    """

    input: Device | None
    output: Device | None
    route: str
    notes: tuple[str, ...] = ()
    mute_reason: str = ""

    @property
    def is_null(self) -> bool:
        return self.output is None


def choose(
    device: Wanted = None,
    input_device: Wanted = None,
    output_device: Wanted = None,
    need_input: bool = True,
    allow_feedback: bool = False,
) -> Choice:
    """Return the pair of devices to play on.

    Parameters
    ----------
    device, input_device, output_device : str, int or None
        Index or part of a name; `device` stands for both sides, "null" for the device without hardware.
    need_input : bool
        False where a file is the input: then a missing input device is no error.
    allow_feedback : bool
        Do not mute a built-in microphone that plays through built-in loudspeakers, or an output's monitor.

    Raises
    ------
    DeviceError
        A named device does not exist or is ambiguous, or only one side exists.
    """
    wanted_in = input_device if input_device is not None else device
    wanted_out = output_device if output_device is not None else device
    if NULL in (str(wanted_in).lower(), str(wanted_out).lower()):
        return Choice(None, None, NULL)
    wanted_in, wanted_out = _plugin(wanted_in), _plugin(wanted_out)
    named = wanted_in is not None or wanted_out is not None
    try:
        known = devices() if named else _unnamed()
    except DeviceError as error:
        if named:
            raise
        return Choice(None, None, NULL, (f"{error}; playing on the null device, without sound",))
    if not known and not named:
        return Choice(None, None, NULL, ("no sound device found: playing on the null device, without sound",))
    notes: list[str] = []
    lacking = ""
    if input_device is None and output_device is None and wanted_in is not None:
        lacking = _lacks(wanted_in, known)
        wanted_in, wanted_out = None if lacking == "input" else wanted_in, None if lacking == "output" else wanted_out
    source = _pick(wanted_in, "input", known, required=need_input)
    target = _pick(wanted_out, "output", known, required=True)
    assert target is not None
    if source and source.host_api != target.host_api:
        source, target = _same_api(source, target, wanted_in, wanted_out, known)
    if source and source.monitor and not need_input:
        source = None
    if lacking == "input" and source and need_input:
        notes.append(f"{target.name} has no input of its own: the guitar comes in at {source.name} (-i chooses)")
    if lacking == "output":
        notes.append(f"{device} has no output of its own: playing on {target.name} (-o chooses)")
    if target.host_api == ALSA and jack.lacks_pipewire():
        notes.append(PACKAGE)
    if source and need_input and drifts(source, target):
        notes.append(
            f"input {source.name!r} and output {target.name!r} are different devices: their clocks may drift "
            "apart, which causes a click now and then: use one interface for both"
        )
    loop = "" if allow_feedback or not need_input else _feedback(source, target, wanted_in is not None)
    mute_reason = f"muted: {loop} would howl: {ALLOW_FEEDBACK}" if loop else ""
    return Choice(source, target, route_name(target.host_api), tuple(notes), mute_reason)


def _feedback(source: Device | None, target: Device, named: bool) -> str:
    """Return text that names an input that would feed the output back, such as its monitor; "" if there is none."""
    if source and source.monitor and not named:
        return f"the only input there is, {source.name!r}, repeats what is played, and"
    if source and source.key == f"{target.key}.monitor":
        return f"{source.name!r} repeats what is played, and"
    if source and is_builtin(source, "input") and is_builtin(target, "output"):
        return f"{source.name!r} and {target.name!r} are built in and"
    return ""


def _plugin(wanted: Wanted) -> Wanted:
    """Return None, for the default devices, if PipeWire's ALSA plugin is named but PipeWire is reachable directly."""
    return None if str(wanted).strip().lower() == "pipewire" and jack.route() == jack.PIPEWIRE_ROUTE else wanted


def _unnamed() -> list[Device]:
    """Return the devices to choose from if none is named; PortAudio is not loaded if JACK or PipeWire has devices."""
    behind_jack = jack_devices()
    keys = {device.key for device in behind_jack}
    others = {remembered_device(side) for side in ("input", "output")} - keys - {None}
    if any(device.default_output for device in behind_jack) and not others:
        return behind_jack
    if jack.route() != jack.PIPEWIRE_ROUTE:
        return devices()
    # ALSA lists PipeWire's plugins even if PipeWire has no device, and then they are silent
    return [device for device in devices() if device.host_api != ALSA or device.name not in PLUGINS]


def _lacks(wanted: str | int, known: list[Device]) -> str:
    """Return the side, "input" or "output", that the named device lacks; "" if it has both or does not exist."""
    lacking = []
    for side in ("input", "output"):
        try:
            missing = find(wanted, side, known).monitor
        except DeviceError as error:
            missing = not str(error).startswith("several")
        lacking += [side] * missing
    return lacking[0] if len(lacking) == 1 else ""


def _pick(wanted: Wanted, side: str, known: list[Device], required: bool) -> Device | None:
    if wanted is not None:
        return find(wanted, side, known) if required or any(d.channels(side) for d in known) else None
    usable = [d for d in known if d.channels(side)]
    key = remembered_device(side)
    remembered = [d for d in usable if d.key == key]
    default = next(iter(remembered or (d for d in usable if getattr(d, f"default_{side}"))), None)
    if default is None and required:
        remedy = "play a file with --input FILE, or use --device null" if side == "input" else "use --device null"
        raise DeviceError(f"no {side} device found: connect one, {remedy}")
    return default


def _same_api(
    source: Device, target: Device, wanted_in: Wanted, wanted_out: Wanted, known: list[Device]
) -> tuple[Device, Device]:
    """Return an input and an output of one host API, as a stream needs; a device that the user named is kept."""
    inputs = [d for d in known if d.host_api == target.host_api and d.input_channels and not d.monitor]
    outputs = [d for d in known if d.host_api == source.host_api and d.output_channels]
    if wanted_in is None and inputs:
        return next((d for d in inputs if d.default_input), inputs[0]), target
    if wanted_out is None and outputs:
        return source, next((d for d in outputs if d.default_output), outputs[0])
    raise DeviceError(
        f"input {source.label!r} and output {target.label!r} belong to different host APIs: "
        "choose both from one, by number: see rtfx devices"
    )


def memory_file() -> Path:
    """Return the path of the file of remembered choices, in the user's configuration folder."""
    import platformdirs

    return Path(platformdirs.user_config_dir("rtfx", appauthor=False)) / "devices.json"


def remembered_channel(device_name: str) -> int | None:
    """Return the input channel (from 1) last chosen on this device, or None; a damaged file counts as none."""
    channel = _read("in_channel").get(device_name)
    return channel if isinstance(channel, int) and not isinstance(channel, bool) and channel >= 1 else None


def remembered_device(side: str) -> str | None:
    """Return the key of the "input" or "output" device that was named last, or None."""
    key = _read("devices").get(side)
    return key if isinstance(key, str) and key else None


def remember_channel(device_name: str, channel: int) -> bool:
    """Store the input channel (from 1) of this device; return whether that succeeded."""
    return _write("in_channel", {device_name: channel})


def remember_devices(keys: dict[str, str]) -> bool:
    """Store the keys of devices by side; return whether that succeeded."""
    return _write("devices", keys)


def _write(part: str, entries: dict) -> bool:
    """Add entries to a part of the file.

    The file is replaced in one step, so that a crash or a second rtfx leaves the old or the new one, never half of it.
    """
    path = memory_file()
    content = {name: _read(name) for name in REMEMBERED}
    content[part] |= entries
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(content, indent=1))
    except OSError:  # a read-only home: the choice then holds for this session
        return False
    return True


def _read(part: str) -> dict:
    try:
        content = json.loads(read_file(memory_file()))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content.get(part) if isinstance(content, dict) else None
    return dict(entries) if isinstance(entries, dict) else {}
