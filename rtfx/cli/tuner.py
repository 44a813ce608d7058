"""``rtfx tuner``: shows which note a string plays and how far it is out of tune, live or for a recording."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from ..errors import AudioFileError
from .options import Number, debug_option, device_options
from .output import json_line, say, status

if TYPE_CHECKING:
    from ..live.stream import Stream
    from ..live.tuner import Reading, Target

PAUSE_SECONDS = 0.25  # between two readings of a recording: what follows is another note, even of the same name


@click.command("tuner")
@device_options
@click.option("--in-channel", metavar="N", help="Input of the guitar, from 1.")
@click.option("--input", "source", metavar="FILE", help="Print the notes of a recording, and end.")
@click.option("--a4", type=Number(430, 450), default=440.0, metavar="HZ", help="Reference pitch (default 440).")
@click.option("--tuning", default="chromatic", metavar="NAME", help="standard, drop-D, DADGAD, bass-5, ...")
@click.option("--seconds", type=Number(0.001, 1e9), metavar="S", help="End after this time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each reading, 25 a second.")
@debug_option
def command(source: str | None, a4: float, tuning: str, as_json: bool, **more: Any) -> None:
    """Tune a guitar or a bass; the output is silent meanwhile.

    --tuning compares with the strings of a tuning, else with the nearest note. Tunings: chromatic, standard,
    half-step-down, full-step-down, drop-D, drop-C#, drop-C, drop-B, double-drop-D, DADGAD, open-D, open-E, open-G,
    open-A, open-C, 7-string, 7-string-drop-A, 8-string, baritone, bass, bass-drop-D, bass-5, bass-6, ukulele, mandolin.
    """
    from ..live.tuner import Target

    target = Target(a4, tuning)
    if source is not None:
        _tell(source, target, as_json)
    else:
        _listen(target, as_json, **more)


def _tell(source: str, target: Target, as_json: bool) -> None:
    """Print the readings of a recording: all of them as JSON, else a line for each note."""
    from ..audio import read_audio
    from ..live.tuner import readings

    audio, rate, warnings = read_audio(source)
    for warning in warnings:
        status(warning)
    found = readings(audio.mean(axis=1), rate, target)
    if as_json:
        for reading in found:
            json_line(dataclasses.asdict(reading))
        return
    notes = list(_notes(found))
    if not notes:
        raise AudioFileError(f"{source}: no string sounds in it: is it a single note, louder than -66 dBFS?")
    for note in notes:
        middle = statistics.median(each.cents for each in note)
        hertz = statistics.median(each.hertz for each in note)
        times = f"{note[0].seconds:7.2f} to {note[-1].seconds:7.2f} s"
        say(f"{times}   {note[0].note:<3} {middle:+6.1f} cents   {hertz:8.2f} Hz")


def _notes(found: Iterable[Reading]) -> Iterable[list[Reading]]:
    """Yield the readings that belong to one note."""
    last, number = None, 0

    def same(reading: Reading) -> int:
        nonlocal last, number
        if last and (reading.note != last.note or reading.seconds - last.seconds > PAUSE_SECONDS):
            number += 1
        last = reading
        return number

    for _, group in groupby(found, same):
        yield list(group)


def _listen(target: Target, as_json: bool, **more: Any) -> None:
    """Tune live: the page with the tuner in a terminal, else a line or an object for each new reading."""
    from ..rigs import Rig
    from .play import show
    from .signals import Signals

    with Signals() as signals:
        stream = Rig([{"type": "gain"}]).play(
            device=more["device"],
            input_device=more["input_device"],
            output_device=more["output_device"],
            in_channel=more["in_channel"],
            sample_rate=more["rate"],
            block_size=more["block"],
            latency=more["latency"],
            seconds=more["seconds"],
            name="rtfx tuner",
            muted=True,
            say=None,
        )
        signals.playing = True
        with stream:
            stream.tuner.on, stream.tuner.target = True, target
            status(f"tuning on {stream.stats.input_device}, silent: Ctrl-C ends it")
            for note in stream.notes:
                status(note)
            if as_json:
                while stream.active and not signals.stopped:
                    _each(stream)
            else:
                show(stream, False, signals, reconnect=False, has_file=False)


def _each(stream: Stream) -> None:
    """Print the next reading, if it is a new one."""
    from ..live.tuner import READING_SECONDS

    before = stream.tuner.reading()
    time.sleep(READING_SECONDS / 4.0)
    reading = stream.tuner.reading()
    if reading and reading is not before:
        json_line(dataclasses.asdict(reading))
