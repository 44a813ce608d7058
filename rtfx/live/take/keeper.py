"""Keeps the last minute of a stream so that it can be played again: what was heard, what happened, the state before."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...engine.engine import Engine, Life
from ...engine.layout import GLIDES, LOG_BLOCK, LOG_GLIDE, LOG_RIG, LOG_TABLE, LOG_WAIT
from ...engine.snapshot import Snapshot, snapshot
from ...host.timeouts import await_end

TAKE_SECONDS = 60.0
SNAPSHOT_SECONDS = 3.0
SPARE_SECONDS = 2.5  # of the rings: what fills up while a take is copied out of them
POLL_SECONDS = 0.2
LARGE_BYTES = 4e6  # a state beyond it is copied half as often
HUGE_BYTES = 32e6  # a state beyond it is not copied again: a dozen of them are kept
WEIGHT_BYTES = 64e6  # of weights that models were given while they played; the oldest are let go
RING_SECONDS = TAKE_SECONDS + 2.0 * SNAPSHOT_SECONDS + SPARE_SECONDS


class Event(NamedTuple):
    """Something the audio thread took up at a stream frame; `rig` is a publication's number where one is meant."""

    frame: int
    kind: int
    rig: int
    value: Any  # frames of a callback, (gain, target), values by block, or whether the rig that waits continues


@dataclass
class Window:
    """A part of a stream.

    Parameters
    ----------
    start : int
        Stream frame of the first one.
    state : Snapshot or None
        Before it.
    values : dict
        Number of a rig to its values before it.
    lives : dict
        Number of a rig to what is remembered of it.
    fault : str
        Why it cannot be played again exactly, empty if it can.
    """

    start: int
    dry: np.ndarray
    wet: np.ndarray
    state: Snapshot | None
    events: list[Event]
    values: dict[int, list[dict]]
    playing: int
    lives: dict[int, Life]
    fault: str


class Keeper:
    """Follows an engine's log and copies its state every few seconds. All methods are for control threads."""

    def __init__(self, engine: Engine):
        assert engine.rings is not None
        self.engine, self._rings = engine, engine.rings
        self._rate = float(engine.record["sample_rate"])
        self._lock = threading.Lock()
        self._states: deque[Snapshot] = deque()
        self._events: deque[Event] = deque()
        self._values: dict[int, list[dict]] = {}  # of each rig, before the events
        self._playing = 0  # the rig taken last, before the events
        self._logged = 0
        self._gap = -1  # no window may begin before this frame
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx keeper", daemon=True)

    def start(self) -> None:
        """Begin; before the audio does, so that the first frame can be played again."""
        self._states.append(snapshot(self.engine, still=True))
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        await_end(self._thread, 2.0)

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        """Follow the log; copy the state when it is time."""
        self._rings.prepare()
        # Read before the log: what is published or freed from now on may leave there what is not seen this time.
        numbers = range(1, self.engine.published + 1)
        held = {int(rig.record["number"]) for rig in list(self.engine.rigs.values())}
        with self._lock:
            self._follow()
            size = self._states[-1].size
            seconds = SNAPSHOT_SECONDS * (1.0 if size < LARGE_BYTES else 2.0)
            if size < HUGE_BYTES and self._rings.head >= self._states[-1].frame + seconds * self._rate:
                state = snapshot(self.engine)
                self._states.extend([state] if state else [])
            alive = self._forget()
        self.engine.forget(numbers, held | alive)
        self._shed()

    def _shed(self) -> None:
        """Let go of the oldest weights that were given to models, once they take more memory than is granted them."""
        room, seen = WEIGHT_BYTES, set()
        for number, life in sorted(self.engine.lives.copy().items(), reverse=True):
            if life.weights is not None and life.origin and life.origin.learned and id(life.weights) not in seen:
                seen.add(id(life.weights))
                room -= life.weights.nbytes
                if room < 0.0 and number in self.engine.lives:
                    self.engine.lives[number] = life._replace(weights=None)

    def _follow(self) -> None:
        first, records = self._rings.log(self._logged)
        if first > self._logged and len(records):
            self._gap = int(records[0]["frame"])
        self._logged = first + len(records)
        for record in records:
            kind, number = int(record["kind"]), int(record["rig"])
            value: Any = None
            if kind == LOG_BLOCK:
                value = int(record["number"])
            elif kind == LOG_WAIT:
                value = int(record["number"]) > 1
            elif kind == LOG_GLIDE:
                value = (GLIDES[int(record["number"])], float(record["value"]))
            elif kind == LOG_TABLE:
                life = self.engine.lives.get(number)
                value = dict(life.published).get(int(record["number"])) if life else None
            self._events.append(Event(int(record["frame"]), kind, number, value))

    def _forget(self) -> set[int]:
        """Drop the states that no window can begin with, and the events before the first; return the rigs left."""
        oldest = self._rings.head - self._rings.frames + round(SPARE_SECONDS * self._rate)
        while len(self._states) > 1 and (self._states[0].frame < oldest or self._states[0].frame < self._gap):
            self._states.popleft()
        first = self._states[0].frame if self._states else oldest
        while self._events and self._events[0].frame < first:
            self._playing = _apply(self._events.popleft(), self._values, self._playing)
        alive = {number for state in self._states for number in state.arenas} | {e.rig for e in self._events}
        self._values = {number: v for number, v in self._values.items() if number in alive}
        return alive

    def window(self, seconds: float = TAKE_SECONDS) -> Window:
        """Return the last `seconds`, and as much more as brings its start to a state that was copied."""
        with self._lock:
            last = self._rings.head
            self._follow()
            wanted = max(last - round(seconds * self._rate), 0)
            oldest = max(last - self._rings.frames + round(SPARE_SECONDS * self._rate / 2.0), self._gap, 0)
            states = [state for state in self._states if oldest <= state.frame <= last]
            state = max((s for s in states if s.frame <= wanted), key=lambda s: s.frame, default=None)
            state = state or min(states, key=lambda s: s.frame, default=None)
            if state is not None and state.frame > wanted + SNAPSHOT_SECONDS * self._rate:
                state = None  # better all of the audio than an exact part of it
            start = state.frame if state else max(wanted, oldest)
            start, dry = self._rings.read(self._rings.dry, start, last)
            _, wet = self._rings.read(self._rings.wet, start, last)
            before = [event for event in self._events if event.frame < start]
            events = [event for event in self._events if start <= event.frame < last]
            values = dict(self._values)
            playing = self._playing
            lives = dict(self.engine.lives)
            for event in before:
                playing = _apply(event, values, playing)
        return Window(start, dry, wet, state, events, values, playing, lives, _fault(state, events, lives))


def _fault(state: Snapshot | None, events: list[Event], lives: dict[int, Life]) -> str:
    if state is None:
        return "the engine's state at its start is not known: it was too large, or had no pause long enough"
    numbers = list(state.arenas) + [event.rig for event in events if event.kind == LOG_RIG]
    if any(number not in lives or lives[number].origin is None for number in numbers):
        return "a rig in it is not known"
    if any(lives[number].origin.learned and lives[number].weights is None for number in numbers):
        return f"a model was given more new weights in it than are kept, {WEIGHT_BYTES / 1e6:g} MB"
    if any(event.kind == LOG_TABLE and event.value is None for event in events):
        return "parameters were turned faster than could be noted"
    return ""


def _apply(event: Event, values: dict[int, list[dict]], playing: int) -> int:
    """Note an event that lies before a window: values in `values`; return the number of the rig taken last."""
    if event.kind == LOG_TABLE and event.value is not None:
        values[event.rig] = event.value
    return event.rig if event.kind == LOG_RIG else playing
