"""Opens a stream: chooses device and rate, compiles and prewarms every preset, then starts the audio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..audio import read_audio
from ..effects.limiter import LARGEST
from ..engine.engine import Engine, order_kernels
from ..engine.layout import LOUDEST_SAMPLE
from ..engine.process import CALLBACK_KERNEL
from ..errors import AudioFileError, DeviceError, UsageError
from ..find import find_audio
from ..host.choose import Choice, choose, remembered_channel
from ..host.devices import sample_rates
from ..host.growing import check_growing
from ..host.hosts import Host, Opened, channels, open_host
from ..host.hosts import order_kernels as order_host_kernels
from ..host.null import BLOCK_FRAMES, NullHost
from ..host.recorder import Recorder
from ..host.render import count_no_sound, no_sound, planar, sound
from ..kernels.kernel import compilation_listener
from ..loading.preset import LoadedPreset, Loader, load_playable, load_shared
from ..plan.arena import MAX_CHANNELS
from ..plan.resolve import DEFAULT_RATE, Models
from ..rig.parameters import channels_text
from ..rig.presets import Preset, SetList
from ..units import gain_from_db
from .captures import Captures
from .controller import Controller
from .reload import Reloader, Watcher, is_file, paths_of, signature_of
from .reseed import Reseeder
from .settings import StreamSettings
from .shutdown import collect
from .stream import Stream
from .takes import RING_SECONDS, Takes

RIFF = "riff.flac"  # the null device's input if none is named


def open_stream(
    presets: Sequence[Preset],
    first: int,
    models: Models,
    set_list: SetList,
    rate: float | None,
    asked: StreamSettings,
    fixed: bool = True,
) -> Stream:
    """Return a running stream.

    Parameters
    ----------
    presets : sequence of Preset
        All of them; every one that can play is compiled before the audio starts. `first` is the index of the one to
        play.
    set_list : SetList
        Gives the settings that `asked` does not set.
    rate : float or None
        The rate the rig was made for, in Hz.
    fixed : bool
        The user named `first`: if it cannot play, no other preset replaces it.
    """
    collect()
    if asked.record is not None:
        check_growing(asked.record)
    with compilation_listener(asked.progress):
        order_kernels()
    wanted = asked.beside(set_list)
    choice = choose(
        wanted.device,
        wanted.input_device,
        wanted.output_device,
        need_input=wanted.input is None,
        allow_feedback=wanted.allow_feedback,
    )
    with compilation_listener(wanted.progress):
        order_host_kernels(choice)
    stream_rate = float(wanted.sample_rate) if wanted.sample_rate else _natural_rate(choice, rate)
    source, loops, wrong = _source(wanted.input, choice, stream_rate)
    # of a file all channels play by default, as in a render; of a device only one
    heard = _heard(wanted, set_list, source)
    # the riff replaces the missing device, and channels chosen for that device do not apply
    stands_in = wanted.input is None and choice.is_null and (bool(choice.notes) or wanted.in_channel is None)
    if stands_in and source is not None:
        source = np.repeat(source[:, :1], heard, axis=1)
    found = signature_of(paths_of(set_list, presets)) if wanted.watch else {}
    with compilation_listener(wanted.progress):
        loader = Loader(stream_rate, models, wanted.options, heard)
        every, first, notes = load_playable(presets, first, fixed, wanted.values, loader)
        loaded = [preset for preset in every if not preset.fault]
        shared, told = load_shared(set_list, max(preset.plan.outputs for preset in loaded), loader)
        notes += told
        CALLBACK_KERNEL.address  # noqa: B018 - compiles before a device opens
    limiter = bool(set_list.globals.get("limiter", True)) and not wanted.options.bare
    engine = _engine(choice, source, loops, stream_rate, [*loaded, *shared.loaded], limiter, wanted)
    if stands_in:
        engine.read_from(tuple(range(1, heard + 1)))
    else:
        engine.read_from(_channels(wanted.in_channel, set_list.device.get("in_channel"), choice, engine))
    latency_frames = max(preset.plan.latency_frames for preset in loaded)
    latency_frames += sum(each.plan.latency_frames for each in shared.loaded)
    ends = None if wanted.seconds is None else round(wanted.seconds * stream_rate)
    if ends is None and source is not None and not loops:
        tail = max(preset.plan.tail_frames for preset in loaded) + sum(each.plan.tail_frames for each in shared.loaded)
        ends = len(source) + tail + latency_frames
    if ends is not None:
        engine.stop_at(ends)
    controller = Controller(engine, every, first, shared)
    block, latency = wanted.block_size, wanted.latency
    host: Host
    if choice.is_null:
        host = NullHost(engine, block or BLOCK_FRAMES, round(stream_rate), ends)
    else:
        host = open_host(engine, choice, block, stream_rate, latency, wanted.name)
    recorder = None
    if wanted.record is not None:
        assert engine.rings is not None
        try:
            recorder = Recorder(
                engine.rings, str(wanted.record), stream_rate, lambda: int(engine.record["stop_frame"]), ends
            )
        except BaseException:
            host.close()
            raise
    if recorder and recorder.kept:
        notes.append(f"{wanted.record} existed: the earlier take is now {recorder.kept}")
    mute_reason = (choice.mute_reason,) if choice.mute_reason else ()
    all_notes = (*choice.notes, *mute_reason, *wrong, *notes)
    takes = Takes(engine, controller, loader, wanted.values)
    stream = Stream(engine, controller, host, recorder, takes, ends, latency_frames, all_notes)
    stream.set_list, stream.cab = set_list, wanted.options.cab
    stream.unheard = choice.is_null and bool(choice.notes)
    reloader = Reloader(controller, set_list, loader, found)
    stream.reseeder = Reseeder(controller, stream.reloads)
    beside = set_list.path.parent if is_file(set_list) else None
    stream.captures = Captures(controller, loader, beside, stream.reloads)
    if wanted.watch:
        stream.accompany(Watcher(reloader, stream.reloads))
    if not choice.is_null:
        fixed_rate, out = bool(wanted.sample_rate), wanted.out_channels or ()
        stream.opened = Opened(choice, block, latency, fixed_rate, wanted.name, out)
    return stream


def _heard(wanted: StreamSettings, set_list: SetList, source: np.ndarray | None) -> int:
    """Return how many input channels feed the rig: the named ones, else all of a file or one of a device."""
    asked = wanted.in_channel
    if asked is None and source is not None and wanted.input is not None:
        return int(source.shape[1])
    return len(asked or set_list.device.get("in_channel") or (1,))


def _channels(
    asked: tuple[int, ...] | None, said: tuple[int, ...] | None, choice: Choice, engine: Engine
) -> tuple[int, ...]:
    """Return the input channels, from 1: the user's, else the set list's, else the remembered one, else 1."""
    record = engine.record
    count = max(int(record["source_channels"] if record["source"] else record["device_inputs"]), 1)
    if asked is not None:
        if max(asked) > count:
            raise UsageError(f"in-channel is {channels_text(asked)}, but the input has {count}: see rtfx devices")
        return asked
    if record["source"] or choice.input is None:
        return (1,)
    if said is not None and max(said) > count:
        has = f"{choice.input.name} has {count} input channel{'s' if count > 1 else ''}"
        raise DeviceError(
            f"the set list's in_channel is {channels_text(said)}, but {has}: write 1 to {count} there, or start with "
            "--in-channel 1"
        )
    return said or (min(remembered_channel(choice.input.name) or 1, count),)


def _natural_rate(choice: Choice, rate: float | None) -> float:
    """Return the models' rate if the device runs at it, else the device's default rate, in Hz."""
    if choice.output is None:
        return rate or DEFAULT_RATE
    if rate and rate in sample_rates(choice.output):
        return rate
    return choice.output.sample_rate


def _source(input, choice: Choice, stream_rate: float) -> tuple[np.ndarray | None, bool, list[str]]:
    """Return (audio (frames, channels) that replaces the device's input, whether it loops, warnings about the file)."""
    if input is None:
        if not choice.is_null:
            return None, False, []
        return read_audio(find_audio(RIFF), stream_rate)[0], True, []
    if not isinstance(input, str | Path):
        return np.ascontiguousarray(planar(input).T), False, []
    audio, file_rate, wrong = read_audio(find_audio(input))
    if audio.shape[1] > MAX_CHANNELS:
        raise AudioFileError(f"{input}: {audio.shape[1]} channels, expected at most {MAX_CHANNELS}")
    wrong += no_sound(str(input), count_no_sound(audio))
    if file_rate != stream_rate:
        import soxr

        audio = soxr.resample(sound(audio), file_rate, stream_rate, quality="VHQ")
    return np.ascontiguousarray(audio, np.float32), False, wrong


def _engine(
    choice: Choice,
    source: np.ndarray | None,
    loops: bool,
    stream_rate: float,
    loaded: Sequence[LoadedPreset],
    limiter: bool,
    wanted: StreamSettings,
) -> Engine:
    outputs = max(preset.plan.outputs for preset in loaded)
    out_channels = wanted.out_channels or ()
    device_inputs, device_outputs = channels(choice, outputs, out_channels)
    return Engine(
        stream_rate,
        inputs=max(preset.plan.inputs for preset in loaded),
        outputs=outputs,
        device_inputs=device_inputs,
        device_outputs=device_outputs,
        source=source,
        loops=loops,
        ring_frames=round(RING_SECONDS * stream_rate),
        limiter=limiter,
        in_gain=gain_from_db(wanted.in_gain_db or 0.0),
        out_gain=gain_from_db(wanted.out_gain_db or 0.0),
        muted=wanted.muted or bool(choice.mute_reason),
        loudest=float(LARGEST) if wanted.options.bare else LOUDEST_SAMPLE,
        out_channels=out_channels,
    )
