"""Opens a stream: chooses device and rate, compiles and prewarms every preset, then starts the audio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.engine import Engine, order_kernels
from ..engine.process import CALLBACK_KERNEL
from ..errors import AudioFileError, UsageError
from ..find import find_audio
from ..host.again import Opened, channels
from ..host.choose import Choice, choose
from ..host.convert import planar
from ..host.devices import sample_rates
from ..host.null import BLOCK_FRAMES, NullHost
from ..host.portaudio import PortAudioHost
from ..host.recorder import Recorder
from ..host.remember import remembered_channel
from ..kernels.jit import compilation_listener
from ..plan.layout import MAX_CHANNELS
from ..plan.resolve import DEFAULT_RATE, Models, Options
from ..rig.description import Preset, SetList
from ..units import gain_from_db
from .controller import Controller
from .describe import Described
from .keeper import RING_SECONDS
from .load import Loader, load_presets
from .reload import Reloader, paths_of, signature_of
from .reseed import Reseeder
from .stream import Stream
from .takes import Takes
from .watch import Watcher

RIFF = "riff.flac"  # what the null device plays if nothing else is asked for


def open_stream(
    presets: Sequence[Preset],
    first: int,
    models: Models,
    set_list: SetList,
    *,
    rate: float | None,
    device: str | int | None = None,
    input_device: str | int | None = None,
    output_device: str | int | None = None,
    input: str | Path | np.ndarray | None = None,
    in_channel: int | None = None,
    sample_rate: float | None = None,
    block_size: int = 0,
    latency: str | float | None = None,
    record: str | Path | None = None,
    seconds: float | None = None,
    cab: str | None = None,
    bare: bool = False,
    cold: bool = False,
    level: str | None = None,
    rate_method: str = "auto",
    resample_phase: str = "linear",
    interface_dbu: float | None = None,
    in_gain_db: float | None = None,
    out_gain_db: float | None = None,
    muted: bool = False,
    allow_feedback: bool = False,
    watch: bool = False,
    values: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Stream:
    """Return a running stream.

    Parameters
    ----------
    presets : sequence of Preset
        All of them are compiled before the first note; `first` is the one that plays.
    rate : float or None
        The rate the rig was made for, in Hz.
    watch : bool
        Reload the set list, its models and impulse responses when they change on disk; `Stream.news` tells of it.
    values : mapping, optional
        Parameter values of the first preset by address.
    progress : callable
        Called with the name of each kernel that is about to be compiled.

    Other parameters are those of `api.Rig.play` and of the command line.
    """
    with compilation_listener(progress):
        order_kernels()
    _check(sample_rate=sample_rate, block_size=block_size, seconds=seconds, in_channel=in_channel)
    wanted: dict[str, Any] = set_list.device
    choice = choose(
        device if device is not None else wanted.get("device"),
        input_device if input_device is not None else wanted.get("input"),
        output_device if output_device is not None else wanted.get("output"),
        need_input=input is None,
        allow_feedback=allow_feedback,
    )
    fixed = sample_rate or wanted.get("sample_rate")
    stream_rate = float(fixed) if fixed else _natural_rate(choice, rate)
    source, loops = _source(input, choice, stream_rate)
    # A file is heard whole, as it is rendered, unless one of its channels is named; of a device one channel is.
    heard = source.shape[1] if source is not None and in_channel is None else 1
    found = signature_of(paths_of(set_list, presets)) if watch else {}
    with compilation_listener(progress):
        options = Options(bare, cab, level, rate_method, interface_dbu, resample_phase)
        loader = Loader(stream_rate, models, options, cold, heard)
        loaded, notes = load_presets(presets, first, values or {}, loader)
        CALLBACK_KERNEL.address  # noqa: B018 - compile before a device opens
    engine = _engine(choice, source, loops, stream_rate, loaded, set_list, in_gain_db, out_gain_db, bare, muted)
    engine.record["in_channel"] = _channel(in_channel, wanted, choice, engine) - 1
    frames = None if seconds is None else round(seconds * stream_rate)
    latency_frames = max(preset.plan.latency_frames for preset in loaded)
    ends = frames
    if frames is None and source is not None and not loops:
        ends = len(source) + max(preset.plan.tail_frames + preset.plan.latency_frames for preset in loaded)
    if ends is not None:
        engine.stop_at(ends)
    controller = Controller(engine, loaded, first)
    block = int(block_size or wanted.get("block") or 0)
    asked_latency = latency or wanted.get("latency") or "low"
    host: NullHost | PortAudioHost
    if choice.is_null:
        host = NullHost(engine, block or BLOCK_FRAMES, round(stream_rate), ends)
    else:
        host = PortAudioHost(engine, choice, block, stream_rate, asked_latency)
    recorder = None
    if record:
        assert engine.rings is not None
        recorder = Recorder(engine.rings, str(record), stream_rate, lambda: int(engine.record["stop_frame"]), ends)
    if recorder and recorder.kept:
        notes.append(f"{record} existed: the earlier take is now {recorder.kept}")
    mute_reason = (choice.mute_reason,) if choice.mute_reason else ()
    all_notes = (*choice.notes, *mute_reason, *notes)
    takes = Takes(engine, Described(loaded, first, values or {}, options, cold, models))
    stream = Stream(engine, controller, host, recorder, takes, ends, latency_frames, all_notes)
    stream.set_list, stream.cab = set_list, cab
    stream.unheard = choice.is_null and bool(choice.notes)
    reloader = Reloader(controller, set_list, presets, loader, found)
    stream.reseeder = Reseeder(controller, lambda: reloader.loader, stream.reloads)
    if watch:
        stream.accompany(Watcher(reloader, stream.reloads))
    if not choice.is_null:
        stream.opened = Opened(choice, block, asked_latency, bool(fixed))
    return stream


def _check(**numbers: float | None) -> None:
    """Raise UsageError for a number that no stream could have."""
    limits = {
        "sample_rate": (1000.0, 768000.0),
        "block_size": (0, 8192),
        "seconds": (1e-3, 1e9),
        "in_channel": (1, 256),
    }
    for name, value in numbers.items():
        low, high = limits[name]
        if value is not None and not (isinstance(value, Real) and low <= value <= high):
            raise UsageError(f"{name} is {value!r}, expected {low:g} to {high:g}")


def _channel(asked: int | None, wanted: dict[str, Any], choice: Choice, engine: Engine) -> int:
    """Return the input channel from 1: the one asked for, the set list's, the one remembered for the device, or 1."""
    record = engine.record
    count = max(int(record["source_channels"] if record["source"] else record["device_inputs"]), 1)
    if asked is not None:
        if asked > count:
            raise UsageError(f"in-channel is {asked}, but the input has {count}: see rtfx devices")
        return int(asked)
    if record["source"] or choice.input is None:
        return 1
    return min(int(wanted.get("in_channel") or remembered_channel(choice.input.name) or 1), count)


def _natural_rate(choice: Choice, rate: float | None) -> float:
    """Return the models' rate if the device runs at it, else the device's own."""
    if choice.output is None:
        return rate or DEFAULT_RATE
    if rate and rate in sample_rates(choice.output):
        return rate
    return choice.output.sample_rate


def _source(input, choice: Choice, stream_rate: float) -> tuple[np.ndarray | None, bool]:
    """Return (what plays in place of the device's input as (frames, channels), whether it loops)."""
    if input is None:
        if not choice.is_null:
            return None, False
        return _read(find_audio(RIFF), stream_rate), True
    if isinstance(input, str | Path):
        return _read(find_audio(input), stream_rate), False
    return np.ascontiguousarray(planar(input).T), False


def _read(path: Path, stream_rate: float) -> np.ndarray:
    import soundfile

    try:
        audio, file_rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        reason = " ".join(str(error).split())
        raise AudioFileError(f"{path}: cannot be read as audio ({reason}), expected WAV, FLAC or AIFF") from None
    if file_rate != stream_rate:
        import soxr

        audio = soxr.resample(audio, file_rate, stream_rate, quality="VHQ")
    return np.ascontiguousarray(audio[:, :MAX_CHANNELS], np.float32)


def _engine(
    choice: Choice, source, loops, stream_rate, loaded, set_list, in_gain_db, out_gain_db, bare, muted
) -> Engine:
    said = set_list.globals
    outputs = max(preset.plan.outputs for preset in loaded)
    device_inputs, device_outputs = channels(choice, outputs)
    return Engine(
        stream_rate,
        inputs=max(preset.plan.inputs for preset in loaded),
        outputs=outputs,
        device_inputs=device_inputs,
        device_outputs=device_outputs,
        source=source,
        loops=loops,
        ring_frames=round(RING_SECONDS * stream_rate),
        limiter=bool(said.get("limiter", True)) and not bare,
        in_gain=gain_from_db(_first(in_gain_db, said.get("in_gain_db"))),
        out_gain=gain_from_db(_first(out_gain_db, said.get("out_gain_db"))),
        muted=muted or bool(choice.mute_reason),
    )


def _first(*values) -> float:
    """Return the first value that is not None, else 0."""
    return next((float(value) for value in values if value is not None), 0.0)
