"""``rtfx play``: a model or a set list, live."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import AudioFileError, DeviceError, RtfxError, UsageError, quoted
from ..find import AUDIO_SUFFIXES
from ..host.jack import NAME
from ..rig_arguments import RigFlags, build
from .options import Number, debug_option, device_options, rig_options
from .output import json_line, status
from .signals import Signals

if TYPE_CHECKING:
    from ..live.reconnect import Carried
    from ..live.stats import Stats
    from ..live.stream import Stream
    from ..remote.address import Address
    from ..remote.web.address import Place

DEFAULT = "klon.json"
COMFORTABLE_MS = 12.0  # above it a guitar feels late


class Play(click.Command):
    """Takes the word behind ``--osc`` or ``--web`` as its value only if it is an address: it may be what is played."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        from ..remote.address import is_address

        def bare(place: int) -> bool:
            return args[place] in ("--osc", "--web") and not is_address("".join(args[place + 1 : place + 2]))

        return super().parse_args(context, [f"{word}=" if bare(place) else word for place, word in enumerate(args)])


@click.command("play", cls=Play)
@click.argument("what", metavar="[RIG.yaml[:preset] | MODEL]", required=False)
@click.argument("ir", metavar="[IR.wav]", required=False)
@rig_options
@device_options
@click.option("--in-channel", metavar="N[,M]", help="Input channel of the guitar, from 1; two for stereo.")
@click.option("--out-channels", metavar="N[,M]", help="Output channels (default the first ones).")
@click.option("--name", default=NAME, metavar="CLIENT", help="Name in JACK and PipeWire (default rtfx, then rtfx-2).")
@click.option("--input", "input_file", metavar="FILE", help="Play this file in place of the input, all its channels.")
@click.option("--record", metavar="OUT", help="Record the output to a file.")
@click.option("--seconds", type=Number(0, min_open=True), metavar="S", help="End after this time.")
@click.option("--tune", is_flag=True, help="First measure which kernels are fastest here, if not done: up to minutes.")
@click.option("--mute", is_flag=True, help="Start muted.")
@click.option("--watch", is_flag=True, help="Reload the set list, models and cabs when they change.")
@click.option("--allow-feedback", is_flag=True, help="Do not mute a built-in microphone into built-in loudspeakers.")
@click.option("--no-reconnect", is_flag=True, help="End with exit code 1 when the device is lost.")
@click.option("--web", metavar="[HOST[:PORT]]", help="Serve a page for phones and browsers; 0.0.0.0: to the network.")
@click.option("--osc", metavar="[HOST:PORT]", help="Listen for OSC (default this machine only, UDP port 9000).")
@click.option("--midi-in", multiple=True, metavar="NAME", help="MIDI input: a part of its name, or all.")
@click.option("--midi-map", metavar="FILE", help="What its controls do, beside the set list's own map.")
@click.option("--headless", is_flag=True, help="No live view and no keys: plain lines at changes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@debug_option
def command(
    what: str | None,
    ir: str | None,
    flags: RigFlags,
    as_json: bool,
    headless: bool,
    watch: bool,
    no_reconnect: bool,
    web: str | None,
    osc: str | None,
    midi_in: tuple[str, ...],
    midi_map: str | None,
    **more: Any,
) -> None:
    """Play through a model or a set list, live.

    Ctrl-C or q ends it; ? shows the keys.
    """
    what, flags = _with_ir(what, ir, flags)
    if what is None and not flags.model:
        what = DEFAULT
        status(f"no model named: playing {DEFAULT}")
    from ..host.device import Missing
    from ..live.reconnect import Carried
    from ..remote.address import Address
    from ..remote.surfaces import Surfaces

    midi = None
    if midi_in or midi_map:
        from ..remote.midi import MidiSettings

        midi = MidiSettings(midi_in, Path(midi_map) if midi_map else None)
        midi.read(None)  # a mistake in the map is told before anything plays
    surfaces = Surfaces(more["name"], None if osc is None else Address.of("--osc", osc), midi)
    page = None if web is None else _Page(Address.of("--web", web))
    _check_record(more["input_file"], more["record"])
    trouble, carried, asked = "", None, {**more, "watch": watch}
    lacking: list[str] = []  # from every stream: a new one is opened when a device comes back
    with Signals() as signals:
        while True:
            try:
                if carried:
                    stream = _open_again(what, flags, carried, asked)
                else:
                    patience = -1.0 if no_reconnect else math.inf if asked["seconds"] is None else asked["seconds"]
                    stream = _open_in_time(what, flags, asked, Missing, patience)
            except KeyboardInterrupt:
                if signals.number == signal.SIGINT:
                    raise
                return  # nothing has sounded yet
            signals.playing = True
            if stream.recorder:
                stream.recorder.say = status
            stream.takes.say = status
            with stream:
                if carried:
                    carried.into(stream)
                surfaces.open(stream)
                if page:
                    page.serve(stream)
                _greet(stream)
                if page and not as_json and not carried:
                    page.show_code()
                _remember(stream, more)
                ending = show(stream, headless, signals, not no_reconnect, more["input_file"] is not None)
                trouble = stream.trouble()
                if ending == "moved":
                    carried = Carried.of(stream)
            for line in stream.news():
                status(line)
            lacking += [part.error for part in (stream.recorder, stream.takes) if part and part.error]
            if ending != "moved":
                break
            signals.playing = False
    stats = stream.stats
    if as_json:
        json_line(dataclasses.asdict(stats))
    else:
        status(_summary(stats))
    if lacking:
        raise AudioFileError("; ".join(lacking))
    if ending == "ended" and trouble:
        raise DeviceError(f"{trouble}: start again when it is back, or let play wait for it, without --no-reconnect")


class _Page:
    """The page that ``--web`` serves; if a stream follows another one, at the same address.

    Parameters
    ----------
    wanted : Address
        What the user named.
    """

    def __init__(self, wanted: Address):
        from ..remote.web.address import listen

        try:
            import segno  # noqa: F401
            import uvicorn  # noqa: F401

            from ..remote.web import server  # noqa: F401
        except ImportError as error:
            raise RtfxError(f"--web needs the package {error.name}: pip install --upgrade rtfx") from None
        self._wanted, self._url = wanted, ""
        self._place: Place | None = listen(self._wanted)  # before anything plays, as the port may be taken

    def serve(self, stream: Stream) -> None:
        """Serve the page of a stream until that ends, and tell where it is.

        The first stream has the place that was taken at the start; a later one, to which the player has moved with its
        device, plays on without a page if another program has taken the port meanwhile.
        """
        from ..remote.web.address import listen
        from ..remote.web.server import Server

        try:
            place, self._place = self._place or listen(self._wanted), None
        except RtfxError as error:
            stream.tell(f"no page: {error}")
            return
        self._wanted = dataclasses.replace(self._wanted, port=place.port)
        server = Server(stream, place)
        stream.accompany(server)
        self._url = server.url
        stream.notes = (f"page for phones and browsers: {server.url}", *stream.notes)

    def show_code(self) -> None:
        """Print the address as a QR code, for a phone's camera; one that only this machine reaches has none."""
        if "?" in self._url:
            from ..remote.web.app import qr_text

            print(qr_text(self._url), file=sys.stderr, flush=True)


def _with_ir(what: str | None, ir: str | None, flags: RigFlags) -> tuple[str | None, RigFlags]:
    """Return the words and flags, with the impulse response given after the model as the cabinet."""
    if ir is None and flags.model and what is not None and what.lower().endswith(AUDIO_SUFFIXES):
        what, ir = None, what
    if ir is None:
        return what, flags
    if not ir.lower().endswith(AUDIO_SUFFIXES):
        expected = f"an impulse response behind the model ({', '.join(AUDIO_SUFFIXES)})"
        raise UsageError(f"unexpected extra argument {quoted(ir)}, expected {expected}")
    if flags.options.cab is not None:
        raise UsageError(f"{quoted(ir)} and --cab {quoted(flags.options.cab)} were given, expected one of them")
    return what, dataclasses.replace(flags, options=dataclasses.replace(flags.options, cab=ir))


def _open_again(what: str | None, flags: RigFlags, carried: Carried, more: dict[str, Any]) -> Stream:
    """Load everything for the device's new sample rate; if the device is lost again, wait for it."""
    seconds = more["seconds"]
    left = None if seconds is None else max(seconds - carried.seconds, 1e-3)
    return _open_in_time(what, flags, more | {"seconds": left}, DeviceError, math.inf)


def _open_in_time(
    what: str | None, flags: RigFlags, more: dict[str, Any], awaited: type[DeviceError], patience: float
) -> Stream:
    """Open the stream; if `awaited` is raised because there is no device, try again for so many seconds."""
    from ..live.reconnect import attempts

    begun, changes = time.monotonic(), attempts(threading.Event())
    said: set[str] = set()
    while True:
        try:
            return _open(what, flags, **more)
        except awaited as error:
            if time.monotonic() - begun > patience:
                raise
            if str(error) not in said:
                said.add(str(error))
                status(f"{error}: waiting for it, Ctrl-C ends that")
        next(changes)


def _open(what: str | None, flags: RigFlags, **more: Any) -> Stream:
    rig = build(what, flags)
    if more["tune"]:
        from .tune import tune_once

        tune_once(rig, more["rate"], more["block"])
    told: list[str] = []

    def compiling(kernel: str) -> None:
        if not told:
            status("compiling for this processor: once for each new shape of model")
        told.append(kernel)

    return rig.play(
        device=more["device"],
        input_device=more["input_device"],
        output_device=more["output_device"],
        input=more["input_file"],
        in_channel=more["in_channel"],
        out_channels=more["out_channels"],
        sample_rate=more["rate"],
        block_size=more["block"],
        latency=more["latency"],
        name=more["name"],
        record=more["record"],
        seconds=more["seconds"],
        muted=more["mute"],
        allow_feedback=more["allow_feedback"],
        watch=more["watch"],
        in_gain_db=flags.in_gain,
        out_gain_db=flags.out_gain,
        values=dict(flags.values),
        progress=compiling,
        say=None,  # the greeting says so
    )


def show(stream: Stream, headless: bool, signals: Signals, reconnect: bool, has_file: bool) -> str:
    """Show the stream until it ends; return the reason: ended, quit, stopped or moved.

    A stream that plays a file on the null device stays there, because on another device the file would start again.
    """
    from ..host.portaudio import own_standard_error
    from ..live.reconnect import Arrival, Reconnection
    from ..ui import keyboard, session, view

    live = not headless and sys.stderr.isatty() and keyboard.available()
    with contextlib.ExitStack() as stack:
        back: Reconnection | Arrival | None = None
        if reconnect and stream.unheard and not has_file:
            back = stack.enter_context(contextlib.closing(Arrival()))
        elif reconnect:
            back = stack.enter_context(contextlib.closing(Reconnection(stream, remind=live)))
        if live:
            from ..ui.terminal import Terminal

            terminal = Terminal()
            if terminal.painter.capable:
                with terminal:
                    shown = view.LiveView(stream, terminal.screen, terminal.painter, terminal.stray)
                    return session.play(stream, shown, terminal.keyboard, lambda: signals.stopped, reconnection=back)
        stack.enter_context(own_standard_error())
        return session.play(stream, view.PlainView(stream), None, lambda: signals.stopped, reconnection=back)


def _greet(stream: Stream) -> None:
    from ..ui.view import route_line

    stats = stream.stats
    status(f"playing {route_line(stats)}, real-time priority: {stats.realtime}")
    status(latency_line(stats))
    for note in (*stream.notes, *latency_advice(stats, stream.host.asked_frames)):
        status(note)
    if stream.realtime_advice:
        status(stream.realtime_advice)


def latency_line(stats: Stats) -> str:
    """Return the latency of a running stream and its parts."""
    parts = {
        "device in": stats.latency_in_ms,
        "block": stats.latency_block_ms,
        "model": stats.latency_model_ms,
        "device out": stats.latency_out_ms,
    }
    listed = ", ".join(f"{name} {'unknown' if ms is None else f'{ms:.1f}'}" for name, ms in parts.items())
    if stats.latency_ms is None:
        return f"latency unknown, at least {stats.latency_known_ms:.1f} ms: {listed}"
    return f"latency {stats.latency_ms:.1f} ms: {listed}"


def latency_advice(stats: Stats, asked_frames: int) -> list[str]:
    """Return messages about a block size that differs from the requested one, and about a high latency."""
    said = []
    runs = stats.block_frames
    if asked_frames and runs and runs != asked_frames:
        said.append(f"{asked_frames} frames were requested, {runs} run: {_why(stats, runs < asked_frames)}")
    if stats.latency_known_ms > COMFORTABLE_MS:
        said.append(f"a latency above {COMFORTABLE_MS:g} ms is felt while playing: {_lower(stats)}")
    return said


def _why(stats: Stats, lower: bool) -> str:
    if "PipeWire" in stats.route:
        return "another program asks for less" if lower else "the card or PipeWire's settings allow no less"
    return "this is what the device can do"


def _lower(stats: Stats) -> str:
    if (stats.latency_model_ms or 0.0) > (stats.latency_block_ms or 0.0):
        return "most of it is the conversion to the model's sample rate: -r with that rate avoids it"
    if "PipeWire" in stats.route or stats.route == "JACK":
        return "-b 64 asks for a shorter block, for all programs that play"
    return "-b 64 or --latency low asks for less; JACK, or PipeWire with pipewire-jack, allow less"


def _check_record(source: str | None, record: str | None) -> None:
    if source and record and os.path.exists(source) and os.path.exists(record) and os.path.samefile(source, record):
        raise UsageError(f"--record {record} is what --input reads: name another file")
    if record is not None and not record.strip():
        raise UsageError(f"--record is {record!r}, expected the name of a file, such as take.wav")
    if record and os.path.isdir(record):
        raise UsageError(f"--record {record} is a folder, expected a file, such as {os.path.join(record, 'take.wav')}")


def _remember(stream: Stream, asked: dict[str, Any]) -> None:
    """Save the devices that the user named for the next start; a monitor is not saved."""
    from ..host.choose import remember_channel, remember_devices

    if stream.opened is None:
        return
    source, target = stream.opened.choice.input, stream.opened.choice.output
    sides = {"input": source, "output": target}
    keys = {side: device.key for side, device in sides.items() if device and not device.monitor}
    keys = {side: key for side, key in keys.items() if asked["device"] or asked[f"{side}_device"]}
    if keys:
        remember_devices(keys)
    if asked["in_channel"] and source and len(stream.heard) == 1:
        remember_channel(source.name, stream.in_channel)


def _summary(stats: Any) -> str:
    seconds = stats.frames / stats.sample_rate
    xruns = stats.xruns_in + stats.xruns_out
    return (
        f"played {seconds:.1f} s in {stats.blocks} blocks, load {100 * stats.load_mean:.1f} % "
        f"(p99 {100 * stats.load_p99:.1f} %), xruns {xruns}"
    )
