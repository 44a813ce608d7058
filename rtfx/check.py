"""Checks a set list before a concert: its files, values, rates and devices, and each preset's load and loudness."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np

from .effects.table import BLOCKS, effect_of
from .engine.engine import Engine
from .engine.engine_rig import EngineRig
from .engine.offline import Offline
from .errors import DeviceError, RtfxError, UsageError, did_you_mean, quoted
from .find import find_preset
from .host.choose import choose
from .host.devices import devices, find, sample_rates
from .host.hosts import measured_block
from .host.null import BLOCK_FRAMES
from .live.commands import COMMANDS
from .loading.loudness import guitars, mean_loudness
from .loading.preset import LoadedPreset, Loader
from .plan.resolve import DEFAULT_RATE, Models, common_rate, mistakes, models_of
from .rig.parameters import Options, channels_text
from .rig.presets import Preset, SetList
from .rig.set_list import GLOBALS, read_in_spite
from .units import db_from_gain
from .verify import verify

ERROR, WARNING, NOTE = "error", "warning", "note"
FULL_LOAD, HIGH_LOAD = 1.0, 0.7  # share of the deadline; above the second, other programs lack time
JUMP_LU = 3.0  # 10 LU sound twice as loud; 3 LU are plainly audible between songs
QUIET_SHARE = 0.98  # share of the time that this thread had its core; with less, other programs delayed blocks
SWITCHES = 5
VERIFIED_FRAMES = 4000


@dataclass(frozen=True)
class Finding:
    """One problem or note.

    Parameters
    ----------
    severity : str
        "error": the preset will not play, or not in time; "warning": the problem will be audible; "note".
    topic : str
        "set list", "file", "device", "midi", "rate", "load", "loudness", "kernels" or "model".
    """

    severity: str
    topic: str
    message: str
    preset: str = ""


@dataclass(frozen=True)
class Measured:
    """The load and loudness of a preset for the shipped guitars on this machine; loads are 0 to 1.

    Parameters
    ----------
    number : int
        Number of the preset in the set list, from 1.
    quiet : bool
        Whether this thread had its core to itself; only then does `load_p99` depend on the preset alone.
    louder_db : float
        How much louder than all others the preset is to be, from the set list.
    """

    number: int
    preset: str
    load_mean: float
    load_p99: float
    loudness_lufs: float
    peak_dbfs: float
    latency_ms: float
    quiet: bool
    louder_db: float = 0.0


@dataclass
class Report:
    """The findings of `check`, in the order in which the user should correct them."""

    path: Path
    sample_rate: float
    block_frames: int
    findings: list[Finding] = field(default_factory=list)
    presets: list[Measured] = field(default_factory=list)
    worst_pair: tuple[str, str] = ("", "")
    worst_pair_load: float = 0.0
    verified: int = 0

    @property
    def errors(self) -> list[Finding]:
        """The findings that the user must correct."""
        return [finding for finding in self.findings if finding.severity == ERROR]


def check(path: str | Path, block: int | None = None, inputs: str | None = None) -> Report:
    """Read, load, play and measure a set list.

    Parameters
    ----------
    block : int, optional
        Frames per block; by default the set list's, else the block of its device or of the default device.

    Raises
    ------
    PresetError
        The file does not exist.
    """
    path = find_preset(path)
    read = read_in_spite(path, BLOCKS)
    report = Report(path, DEFAULT_RATE, block or BLOCK_FRAMES)
    report.findings += [Finding(ERROR, "set list", line) for line in read.mistakes]
    models = Models(inputs)
    for preset in read.spoiled:
        _readable(preset, models, report)
    set_list = read.set_list
    if set_list is None:
        return _sorted(report)
    good = [preset for preset in set_list.presets if _readable(preset, models, report)]
    stated = set_list.device.get("sample_rate")
    report.sample_rate = float(stated or common_rate(models_of(good, models)) or DEFAULT_RATE)
    report.findings += _devices(set_list)
    if block is None:
        report.block_frames = int(set_list.device.get("block") or _asked_for(set_list) or BLOCK_FRAMES)
    loader = Loader(report.sample_rate, models, Options())
    loaded = []
    for preset in good:
        try:
            one, notes = loader.load(set_list.whole(preset))
        except RtfxError as error:
            report.findings.append(Finding(ERROR, "file", str(error), preset.name))
            continue
        late = one.plan.latency_frames  # only conversions to a model's rate and back add latency
        replaced = one.plan.replaced
        report.findings += [_note(line, one.name, bool(late)) for line in notes if line not in replaced]
        report.findings += [Finding(WARNING, "kernels", f"{one.name}: {line}", one.name) for line in replaced]
        loaded.append(one)
        _measure(one, preset.number, report)
    _neighbours(loaded, report)
    report.findings += _controls(set_list, loaded)
    _kernels(models, report)
    return _sorted(report)


def _sorted(report: Report) -> Report:
    """Return the report with errors first, then warnings and notes; mistakes in the order of their lines."""
    order = {ERROR: 0, WARNING: 1, NOTE: 2}
    report.findings.sort(key=lambda finding: (order[finding.severity], _line_of(finding.message, report.path)))
    return report


def _line_of(message: str, path: Path) -> int:
    """Return the line number in a message; 0 if there is none."""
    number = message.removeprefix(f"{path}:").partition(":")[0]
    return int(number) if number.isdigit() else 0


def _readable(preset: Preset, models: Models, report: Report) -> bool:
    """Check the file and the knobs of each block; return whether all are valid."""
    blocks = [block for block in preset.chain if block.file is not None or not effect_of(block).file]
    found = [str(error) for block in blocks for error in mistakes(preset, block, DEFAULT_RATE, models)]
    report.findings += [Finding(ERROR, "file", message, preset.name) for message in found]
    return not found


def _asked_for(set_list: SetList) -> int | None:
    """Return the frames per block of the set list's device; None if the device is not connected."""
    device: dict[str, Any] = dict(set_list.device)
    try:
        choice = choose(device.get("device"), device.get("input"), device.get("output"), need_input=False)
        if choice.output is None:
            return None
        stated = device.get("sample_rate")
        rate = float(stated) if stated in sample_rates(choice.output) else choice.output.sample_rate
        return measured_block(choice, rate, device.get("latency"))
    except DeviceError:
        return None


def _note(line: str, preset: str, late: bool) -> Finding:
    about_rate = "Hz" in line or "sample rate" in line
    severity = WARNING if about_rate and late else NOTE
    return Finding(severity, "rate" if about_rate else "file", f"{preset}: {line}", preset)


def _devices(set_list: SetList) -> Iterator[Finding]:
    """Find devices that the set list names and that are not connected."""
    wanted = [("input", set_list.device.get("input")), ("output", set_list.device.get("output"))]
    wanted += [(side, set_list.device.get("device")) for side in ("input", "output")]
    for side, name in wanted:
        if name is not None and str(name).lower() != "null":
            try:
                device = find(name if isinstance(name, int) else str(name), side, devices())
                key = "in_channel" if side == "input" else "out_channels"
                channels = set_list.device.get(key, (1,))
                there = getattr(device, f"{side}_channels")
                if max(channels) > there:
                    text = f"{key} is {channels_text(channels)}, but {device.name} has {there} {side}s"
                    yield Finding(ERROR, "device", text)
            except DeviceError as error:
                yield Finding(WARNING, "device", f"{error} (it may be plugged in later)")


def _controls(set_list: SetList, loaded: Sequence[LoadedPreset]) -> Iterator[Finding]:
    """Find MIDI controls that would do nothing: no preset has their parameter, or there is no such command."""
    known = {parameter.name: parameter for parameter in GLOBALS}
    known |= {address: knob.parameter for one in loaded for address, knob in one.knobs.items()}
    for mapping in set_list.midi.mappings if set_list.midi else ():
        if mapping.to and not any(_has(one, mapping.to) for one in loaded) and mapping.to not in known:
            hint = did_you_mean(mapping.to, known)
            yield Finding(WARNING, "midi", f"midi: {mapping.control}: no preset has {quoted(mapping.to)}{hint}")
        for end in (mapping.start, mapping.end):
            try:
                if end is not None and mapping.to in known:
                    known[mapping.to].check(end)
            except UsageError as error:
                yield Finding(WARNING, "midi", f"midi: {mapping.control}: {error}")
        for line in filter(None, (mapping.do, mapping.release)):
            name = line.partition(" ")[0]
            if name not in COMMANDS and name not in known:
                hint = did_you_mean(name, COMMANDS)
                yield Finding(WARNING, "midi", f"midi: {mapping.control}: no command {quoted(name)}{hint}")


def _has(preset: LoadedPreset, address: str) -> bool:
    try:
        preset.find(address)
    except UsageError:
        return False
    return True


def _measure(one: LoadedPreset, number: int, report: Report) -> None:
    """Play the guitars through a preset."""
    rate = report.sample_rate
    x = guitars(rate)
    player = Offline(one.plan, limiter=False, block=report.block_frames)
    begun, worked = perf_counter(), thread_time()
    y = player.process(x[:, None])
    share = min((thread_time() - worked) / (perf_counter() - begun), 1.0)
    peak = float(np.abs(y).max())
    found = Measured(
        number,
        one.name,
        player.engine.load_mean * share,  # without the time that other programs took
        player.engine.load_quantile(0.99),
        mean_loudness(y, rate),
        db_from_gain(peak),
        1000.0 * one.plan.latency_frames / rate,
        share >= QUIET_SHARE,
        one.source.louder_db() if one.source else 0.0,
    )
    report.presets.append(found)

    def say(severity: str, topic: str, message: str) -> None:
        report.findings.append(Finding(severity, topic, f"{one.name}: {message}", one.name))

    if player.non_finite_blocks:
        say(
            ERROR,
            "model",
            f"{player.non_finite_blocks} blocks are not finite and will be muted: rtfx verify the models",
        )
    elif found.loudness_lufs == -math.inf:
        say(ERROR, "loudness", "silent: a guitar gives no output")
    elif peak > 1.0:
        say(
            NOTE,
            "loudness",
            f"peaks of {db_from_gain(peak):+.1f} dBFS with a guitar: the limiter will reduce them",
        )
    _loaded(found.load_mean, f"{one.name}: ", one.name, report)
    if found.quiet and found.load_p99 >= FULL_LOAD > found.load_mean:
        late = f"one block in a hundred takes {100 * found.load_p99:.0f} % of its time or more"
        say(WARNING, "load", f"{late}: expect dropouts, use blocks of more than {report.block_frames} frames")


def _loaded(load: float, who: str, preset: str, report: Report) -> None:
    frames = report.block_frames
    if load >= FULL_LOAD:
        text = f"{who}takes {100 * load:.0f} % of a block of {frames} frames: it cannot play in time, use larger blocks"
        report.findings.append(Finding(ERROR, "load", text, preset))
    elif load >= HIGH_LOAD:
        text = f"{who}takes {100 * load:.0f} % of a block of {frames} frames: expect dropouts, use larger blocks"
        report.findings.append(Finding(WARNING, "load", text, preset))


def _neighbours(loaded: Sequence[LoadedPreset], report: Report) -> None:
    """Find the pair of neighbours with the highest load in a crossfade, and jumps of loudness."""
    for one, other in pairwise(loaded):
        load = fade_load(one, other, report)
        if load > report.worst_pair_load:
            report.worst_pair, report.worst_pair_load = (one.name, other.name), load
    if report.worst_pair_load:
        names = " and ".join(report.worst_pair)
        _loaded(report.worst_pair_load, f"the change between {names} ", report.worst_pair[1], report)
    for before, after in pairwise(report.presets):
        jump = after.loudness_lufs - after.louder_db - (before.loudness_lufs - before.louder_db)
        if math.isfinite(jump) and round(abs(jump), 1) >= JUMP_LU:
            text = f"{after.preset} is {abs(jump):.1f} LU {'louder' if jump > 0 else 'softer'} than {before.preset}"
            if before.louder_db or after.louder_db:
                text += ", louder_db taken into account"
            cure = f"rtfx match {report.path.name} --write makes all presets equally loud"
            report.findings.append(Finding(WARNING, "loudness", f"{text}: {cure}", after.preset))


def fade_load(one: LoadedPreset, other: LoadedPreset, report: Report) -> float:
    """Return the load (0 to 1) of a crossfade between two presets: the median of several changes both ways."""
    rate, block = report.sample_rate, report.block_frames
    outputs = max(one.plan.outputs, other.plan.outputs)
    engine = Engine(rate, outputs=outputs, device_outputs=outputs, live=False)
    fade = int(engine.record["fade_frames"])
    x = guitars(rate)[: fade + 8 * block, None]
    loads = []
    for number in range(SWITCHES + 1):
        preset = (one, other)[number % 2]
        engine.publish(EngineRig(preset.plan, template=preset.template))
        busy, offered = float(engine.record["busy_ns"]), float(engine.record["offered_ns"])
        engine.drive(x[:fade], block)
        loads.append((engine.record["busy_ns"] - busy) / (engine.record["offered_ns"] - offered))
        engine.drive(x, block)
        engine.reclaim()
    return float(np.median(loads[1:]))


def _kernels(models: Models, report: Report) -> None:
    """Compare every model with the float64 reference on this processor."""
    for (name, _), spec in models.specs.items():
        with np.errstate(all="ignore"):  # an overflow shows in the output
            verdict = verify(spec, VERIFIED_FRAMES)
        report.verified += verdict.ok
        if not verdict.ok:
            text = f"{name}: error {verdict.peak_error_db:.1f} dB{verdict.where} on this processor, "
            text += f"bound {verdict.bound_db:.1f} dB"
            report.findings.append(Finding(ERROR, "kernels", f"{text}: run rtfx verify {name} and report it"))
