"""Tells every surface (page, phone, MIDI, OSC, scripts) what a stream's state is, and what changes in it.

`snapshot` is the whole state; `Feed` calls its subscribers with the differences between one snapshot and the next. So
it does not matter who made a change: a key, Python, a pedal, another phone or a set list that was read again.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import message_of
from ..host.timeouts import await_end
from ..loading.preset import Knob
from .knobs import norm_of, step_of
from .tuner import TUNINGS, Tuner

if TYPE_CHECKING:
    from .stats import Meters
    from .stream import Stream

State = dict[str, Any]
Unsubscribe = Callable[[], None]

REST_SECONDS = 0.02  # between two calls: at most 50 differences a second
METER_SECONDS = 0.1
LOOK_SECONDS = 0.5  # between looks at what nobody announces: xruns, the block size, a lost device, lines of news
STATUS = (
    "device input_device output_device route sample_rate block_frames latency_ms realtime reconnects"
    " xruns_in xruns_out non_finite_blocks"
).split()


def snapshot(stream: Stream) -> State:
    """Return the state of a stream as numbers, text, lists and dicts, which JSON can hold as they are. [any thread]

    Returns
    -------
    dict
        - ``presets``: ``[{number, name, fault}]``; numbers count from 1; ``fault`` says why it cannot play, or is "".
        - ``preset``: the number of the current preset, from 1; ``preset_name``: its name.
        - ``scenes``: names of the current preset's scenes; ``scene``: the one chosen last, or "".
        - ``blocks``: ``[{id, type, on, plays, file}]`` in the order of the chain; ``on`` is true or false, or null for
          a block that cannot be switched off. ``set ID.on 0`` or ``toggle ID.on`` switches it. ``plays`` is "model",
          "audio" or "": the kind of file that it plays; ``file`` is the name of its file, or "".
        - ``knobs``: ``[{address, block, name, value, text, norm, written, min, max, unit, kind, whole, step, choices,
          summary}]``, the two gains first, then every parameter in the order of the chain. ``block`` is the block's
          id, or "level" for the gains. ``kind`` is "continuous", "switch" (1 on, 0 off), "stepped" or "structural" (a
          change compiles a new plan). ``choices`` is a list of words, empty for numbers; ``value`` is one of them, or
          a number from ``min`` to ``max`` in ``unit``; ``text`` is the value with its unit. ``norm`` is its place in
          the range from 0 to 1, logarithmic where turning is; null if it has none. ``step`` is the size of a step of
          turning; null where a step is a semitone or the next choice. ``written`` is the value in the
          set list, or null.
        - ``gains``: ``{in_gain_db, out_gain_db}``; ``mute``, ``bypass``: true or false.
        - ``in_channel``, ``in_channel_choices``: the input that plays, from 1, and how many there are to choose from.
        - ``knob``: the address of the knob that the commands ``turn`` and ``reset`` act on.
        - ``slot``: "A" or "B"; ``slot_used``: whether the other slot holds values to compare with.
        - ``undo``, ``redo``: whether there is something to take back, or to make again.
        - ``changed``: whether a value differs from the set list.
        - ``tuner``: ``{a4, tuning, strings, tunings}`` while it is on, else null: the reference pitch in Hz, the name
          of the tuning and its notes from the lowest string, and the names of all tunings.
        - ``recording``: whether the output is being recorded; ``taking``: whether a take is being written.
        - ``status``: ``{device, input_device, output_device, route, sample_rate, block_frames, latency_ms, realtime,
          reconnects, xruns_in, xruns_out, non_finite_blocks, trouble}``, as in `Stats`; ``trouble`` says why there is
          no sound, or is "".
        - ``midi``: null if no MIDI input is open, else ``{inputs, learning, map}``: the names of the open inputs, what
          the next control that moves is mapped to ("": nothing is learned), and ``[{control, to or do, ...}]``. The
          commands ``learn ADDRESS`` and ``forget ADDRESS`` change it.
        - ``message``: ``{number, text}``, the last line for the player; the number rises with each line.
        - ``ended``: whether the stream has ended.
    """
    return _state(stream, [_described(knob) for knob in stream.knobs.values()])


def _described(knob: Knob) -> State:
    """Return what stays of a knob for as long as its preset is loaded."""
    parameter = knob.parameter
    return {
        "address": knob.address,
        "block": knob.block,
        "name": parameter.name,
        "written": knob.written,
        "min": parameter.minimum,
        "max": parameter.maximum,
        "unit": parameter.unit,
        "kind": parameter.kind,
        "whole": parameter.whole,
        "step": step_of(parameter),
        "choices": list(parameter.choices),
        "summary": parameter.summary,
    }


def _state(stream: Stream, described: list[State]) -> State:
    preset, index, knobs = stream.controller.preset, stream.preset, stream.knobs
    values = {address: knob.value for address, knob in knobs.items()}
    undo, redo = stream.history.available(preset.name, values)
    selection, stats = stream.selection, stream.stats
    number, text = stream.message
    return {
        "presets": [
            {"number": place + 1, "name": one.name, "fault": one.fault}
            for place, one in enumerate(stream.controller.presets)
        ],
        "preset": index + 1,
        "preset_name": preset.name,
        "scenes": list(preset.scenes),
        "scene": selection.scenes.get(preset.name, ""),
        "blocks": [
            {
                "id": block.id,
                "type": block.ready.effect.type,
                "on": _on(knobs, block.id),
                "plays": block.ready.effect.file,
                "file": Path(str(block.spec.file)).name if block.spec and block.spec.file else "",
            }
            for block in preset.blocks
        ],
        "knobs": [one | _moving(knobs[one["address"]]) for one in described if one["address"] in values],
        "gains": {address: knob.value for address, knob in stream.gains.items()},
        "mute": stream.mute,
        "bypass": stream.bypass,
        "in_channel": stream.in_channel,
        "in_channel_choices": stream.in_channel_choices,
        "knob": selection.knob if selection.knob in values else next(iter(stream.gains)),
        "slot": selection.slots.current(preset.name),
        "slot_used": selection.slots.used(preset.name),
        "undo": undo,
        "redo": redo,
        "changed": any(knob.turned for knob in knobs.values()),
        "tuner": _tuner(stream.tuner),
        "recording": stream.recorder is not None,
        "taking": stream.takes.writing,
        "status": {name: getattr(stats, name) for name in STATUS} | {"trouble": stream.trouble()},
        "midi": stream.midi.state() if stream.midi else None,
        "message": {"number": number, "text": text},
        "ended": stream.ended,
    }


def _tuner(tuner: Tuner) -> State | None:
    if not tuner.on:
        return None
    target = tuner.target
    return {"a4": target.a4, "tuning": target.tuning, "strings": target.strings, "tunings": list(TUNINGS)}


def _on(knobs: Mapping[str, Knob], block: str) -> bool | None:
    switch = knobs.get(f"{block}.on")
    return bool(switch.value) if switch else None


def _moving(knob: Knob) -> State:
    """Return what changes when a knob is turned."""
    return {"value": knob.value, "text": knob.parameter.worded(knob.value), "norm": norm_of(knob)}


def difference(before: State, after: State) -> State:
    """Return what `after` has that `before` lacks, so that ``merged(before, difference)`` is `after`.

    Returns
    -------
    dict
        Each key of the snapshot whose value differs, with its whole new value, except for knobs. If other knobs can be
        turned, ``knobs`` is the whole new list; if only values differ, ``values`` has ``{address: {value, text,
        norm}}`` of those.
    """
    found = {key: value for key, value in after.items() if before.get(key) != value}
    if "knobs" in found:
        pairs = list(zip(before.get("knobs", ()), after["knobs"], strict=False))
        fixed = len(before.get("knobs", ())) == len(after["knobs"]) and all(
            old[key] == new[key] for old, new in pairs for key in new if key not in ("value", "text", "norm")
        )
        if fixed:
            del found["knobs"]
            found["values"] = {
                new["address"]: {key: new[key] for key in ("value", "text", "norm")} for old, new in pairs if old != new
            }
    return found


def merged(before: State, difference: State) -> State:
    """Return the state after a difference, as each surface keeps it; meters are not part of the state."""
    after = before | {key: value for key, value in difference.items() if key not in ("values", "meters")}
    values = difference.get("values")
    if values:
        after["knobs"] = [one | values.get(one["address"], {}) for one in after["knobs"]]
    return after


def metered(meters: Meters, before: Meters | None) -> State:
    """Return meters for a display: levels in dBFS, loads 0 to 1; the load is that between two readings."""
    busy, offered = meters.busy_seconds, meters.offered_seconds
    if before is not None:
        busy, offered = busy - before.busy_seconds, offered - before.offered_seconds
    return {
        "in": [round(level, 2) for level in meters.inputs],
        "out": [round(level, 2) for level in meters.outputs],
        "held_in": [round(level, 2) for level in meters.held_in],
        "held_out": [round(level, 2) for level in meters.held_out],
        "clip_in": meters.clip_in,
        "clip_out": meters.clip_out,
        "load": round(busy / offered if offered > 0.0 else meters.load, 4),
        "load_max": round(meters.load_max, 4),
        "xruns": meters.xruns,
    }


@dataclass(eq=False)
class _Subscriber:
    callback: Callable[[State], object]
    meters: bool
    fresh: bool = True  # has not been called yet


class Feed:
    """Calls subscribers when the state of a stream changes.

    One thread, which exists while there are subscribers, sleeps until `touch` announces a change. Changes that follow
    each other faster than 50 a second are told together, the latest value of each. The thread holds no reference to the
    stream while it sleeps, so that a deleted stream ends.
    """

    def __init__(self, stream: Stream):
        self._stream = weakref.ref(stream)
        self._wake = threading.Condition()
        self._subscribers: list[_Subscriber] = []
        self._touched = self._closed = False
        self._thread: threading.Thread | None = None

    def touch(self) -> None:
        """Announce that something may have changed. [any thread but the audio thread]"""
        if not self._touched:
            with self._wake:
                self._touched = True
                self._wake.notify()

    def subscribe(self, callback: Callable[[State], object], meters: bool = False) -> Unsubscribe:
        """Call ``callback(difference)`` soon with the whole state, then at each change; see `Stream.subscribe`."""
        subscriber = _Subscriber(callback, meters)
        with self._wake:
            if not self._closed:
                self._subscribers.append(subscriber)
                self._touched = True
                self._wake.notify()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="rtfx feed", daemon=True)
                    self._thread.start()
        return lambda: self._drop(subscriber)

    def _drop(self, subscriber: _Subscriber) -> None:
        with self._wake:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)
                self._wake.notify()

    def close(self) -> None:
        """Tell the subscribers that the stream has ended, and end the thread."""
        with self._wake:
            self._closed = self._touched = True
            self._wake.notify()
            thread = self._thread
        if thread:
            await_end(thread, 0.5)

    def _run(self) -> None:
        reader, error_told = _Reader(), ""
        while True:
            with self._wake:
                metering = any(one.meters for one in self._subscribers)
                self._wake.wait_for(
                    lambda: self._touched or not self._subscribers, reader.meters_in if metering else LOOK_SECONDS
                )
                subscribers, closed = list(self._subscribers), self._closed
                self._touched = False
                if not subscribers:
                    self._thread = None
                    return
            stream = self._stream()
            try:
                told, meters = reader.read(stream, metering, closed)
            except Exception as error:  # any error: the thread must survive to tell the next change
                told, meters = {}, {}
                if stream and message_of(error) != error_told:
                    error_told = message_of(error)
                    stream.tell(f"internal error, please report it ({error_told}): the sound goes on")
            for one in subscribers:
                self._call(one, (reader.state if one.fresh else told) | (meters if one.meters else {}), stream)
            if closed or stream is None:
                with self._wake:
                    self._subscribers.clear()
                    self._closed, self._thread = True, None
                return
            del stream  # not held while this sleeps
            time.sleep(REST_SECONDS)

    def _call(self, one: _Subscriber, told: State, stream: Stream | None) -> None:
        """Call one subscriber; one that raises an error is called no more."""
        if not told or one not in self._subscribers:
            return
        one.fresh = False
        try:
            one.callback(told)
        except Exception as error:  # any error: the others must be told too
            self._drop(one)
            if stream is not None:
                stream.tell(f"internal error, please report it ({message_of(error)}): a surface gets no more changes")


class _Reader:
    """Reads the state of a stream again and again."""

    def __init__(self) -> None:
        self.state: State = {}
        self._preset: object = None
        self._described: list[State] = []
        self._meters: Meters | None = None
        self._next_meters = 0.0

    @property
    def meters_in(self) -> float:
        """Seconds until the meters are read again."""
        return max(self._next_meters - time.monotonic(), 0.0)

    def read(self, stream: Stream | None, metering: bool, closed: bool) -> tuple[State, State]:
        """Return (what differs from the state read before, ``{"meters": ...}`` if it is time for them)."""
        after = dict(self.state)
        if stream is not None:
            preset = stream.controller.preset
            if preset is not self._preset:
                self._preset, self._described = preset, [_described(knob) for knob in stream.knobs.values()]
            stream.gather()
            after = _state(stream, self._described)
        after["ended"] = after.get("ended") or closed or stream is None
        told, self.state = difference(self.state, after), after
        if not metering or stream is None or self.meters_in:
            return told, {}
        self._next_meters = time.monotonic() + METER_SECONDS
        before, self._meters = self._meters, stream.meters()
        return told, {"meters": metered(self._meters, before)}
