"""The pair of devices to play on, and what the user should know about it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DeviceError
from .builtin import drifts, is_builtin
from .devices import Device, devices, find
from .route import route_name

NULL = "null"
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
        Do not mute a built-in microphone that plays through built-in loudspeakers.

    Raises
    ------
    DeviceError
        A named device does not exist or is ambiguous, or only one side exists.
    """
    wanted_in = input_device if input_device is not None else device
    wanted_out = output_device if output_device is not None else device
    named = wanted_in is not None or wanted_out is not None
    if NULL in (str(wanted_in).lower(), str(wanted_out).lower()):
        return Choice(None, None, NULL)
    try:
        known = devices()
    except DeviceError as error:
        if named:
            raise
        return Choice(None, None, NULL, (f"{error}; playing on the null device, without sound",))
    if not known and not named:
        return Choice(None, None, NULL, ("no sound device found: playing on the null device, without sound",))
    source = _pick(wanted_in, "input", known, required=need_input)
    target = _pick(wanted_out, "output", known, required=True)
    assert target is not None
    if source and source.host_api != target.host_api:
        source = _same_api(source, target, wanted_in, known)
    notes, mute_reason = [], ""
    if source and need_input:
        if drifts(source, target):
            notes.append(
                f"input {source.name!r} and output {target.name!r} are different devices: their clocks may drift "
                "apart, which clicks now and then; one interface for both does not"
            )
        if not allow_feedback and is_builtin(source, "input") and is_builtin(target, "output"):
            mute_reason = f"muted: {source.name!r} and {target.name!r} are built in and would howl: {ALLOW_FEEDBACK}"
    return Choice(source, target, route_name(target.host_api), tuple(notes), mute_reason)


def _pick(wanted: Wanted, side: str, known: list[Device], required: bool) -> Device | None:
    if wanted is not None:
        if required or any(getattr(d, f"{side}_channels") for d in known):
            return find(wanted, side, known)
        return None
    default = next((d for d in known if getattr(d, f"default_{side}")), None)
    if default is None and required:
        remedy = "play a file with --input FILE, or use --device null" if side == "input" else "use --device null"
        raise DeviceError(f"no {side} device found: connect one, {remedy}")
    return default


def _same_api(source: Device, target: Device, wanted_in: Wanted, known: list[Device]) -> Device:
    """Return an input on the output's host API: one stream cannot span two."""
    if wanted_in is None:
        for candidate in known:
            if candidate.host_api == target.host_api and candidate.input_channels:
                return candidate
    raise DeviceError(
        f"input {source.label!r} and output {target.label!r} belong to different host APIs: "
        "choose both from one, by number: see rtfx devices"
    )
