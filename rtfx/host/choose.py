"""The pair of devices to play on, and what the user should know about it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DeviceError
from . import jack
from .builtin import drifts, is_builtin
from .device import Device
from .devices import devices, find
from .jack_devices import jack_devices
from .pipewire import PACKAGE
from .remember import remembered_device
from .route import ALSA, route_name

NULL = "null"
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
        JACK, PipeWire's JACK, ALSA, Core Audio, ..., or null.
    notes : tuple of str
        Lines for the user.
    mute_reason : str
        Not empty: start muted and say this.
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
    notes, lacking = [], ""
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
            "apart, which clicks now and then; one interface for both does not"
        )
    howls = "" if allow_feedback or not need_input else _howls(source, target, wanted_in is not None)
    mute_reason = f"muted: {howls} would howl: {ALLOW_FEEDBACK}" if howls else ""
    return Choice(source, target, route_name(target.host_api), tuple(notes), mute_reason)


def _howls(source: Device | None, target: Device, named: bool) -> str:
    """Return what would howl, "" if nothing would: a monitor that nobody has named, or the output's own."""
    if source and source.monitor and not named:
        return f"the only input there is, {source.name!r}, hears what is played, and"
    if source and source.key == f"{target.key}.monitor":
        return f"{source.name!r} hears what is played, and"
    if source and is_builtin(source, "input") and is_builtin(target, "output"):
        return f"{source.name!r} and {target.name!r} are built in and"
    return ""


def _plugin(wanted: Wanted) -> Wanted:
    """Return None for PipeWire's ALSA plugin where the same devices are there by a faster way: its defaults."""
    return None if str(wanted).strip().lower() == "pipewire" and jack.route() == jack.PIPEWIRE_ROUTE else wanted


def _unnamed() -> list[Device]:
    """Return the devices to choose from if none is named: PortAudio is not begun where JACK or PipeWire has them."""
    behind_jack = jack_devices()
    keys = {device.key for device in behind_jack}
    others = {remembered_device(side) for side in ("input", "output")} - keys - {None}
    if any(device.default_output for device in behind_jack) and not others:
        return behind_jack
    if jack.route() != jack.PIPEWIRE_ROUTE:
        return devices()
    # ALSA's ways to PipeWire are there also while it has no device, and then nothing is heard
    return [device for device in devices() if device.host_api != ALSA or device.name not in PLUGINS]


def _lacks(wanted: str | int, known: list[Device]) -> str:
    """Return the side that the one named device has not, "" if it has both or is not there at all."""
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
        if required or any(getattr(d, f"{side}_channels") for d in known):
            return find(wanted, side, known)
        return None
    usable = [d for d in known if getattr(d, f"{side}_channels")]
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
    """Return an input and an output of one host API, which one stream cannot leave: what was named stays."""
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
