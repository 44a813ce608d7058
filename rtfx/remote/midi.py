"""MIDI: pedal boards and controllers move parameters, run commands and select presets.

Preset n is program n - 1. The map says what other controls do: the set list's, then the user's own files, then what was
learned. One thread looks at the inputs every 2 ms; of several messages of one control that arrive together the last one
counts, and nothing of this touches the audio thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RtfxError, UsageError, message_of, quoted
from ..files import write_file
from ..host.timeouts import await_end
from ..live.commands import COMMANDS
from ..live.feed import State, Unsubscribe
from ..live.knobs import logarithmic, norm_of, nudge, value_at
from ..loading.preset import Knob, Value
from ..rig.controls import TEMPO_BPM
from ..rig.midi_map import HIGHEST, RELATIVE, Mapping, MidiMap, joined, load_file
from ..rig.set_list import Reader
from .midi_parser import CC, CLOCK, CONTINUE, NOTE_OFF, NOTE_ON, PC, START, STOP, Message, Parser
from .midi_ports import Ports, check_wanted

if TYPE_CHECKING:
    from ..live.stream import Stream

POLL_SECONDS = 0.002
PRESSED = 64  # from this value on a switch is on
BANK_HIGH, BANK_LOW = 0, 32  # controllers that choose a bank
PROGRAMS = 128  # in a bank
CATCH = 1.0 / 64.0  # of the range: a control this near to the knob has reached it
STEP_AGAIN_SECONDS = 0.1  # pedals that send nothing when let go: the same value after this time is another step
LEARN_SECONDS = 1.0  # without another message of the control, learning is done
SWEPT = 32  # values between heel and toe that make a pedal of a control
KINDS = {"cc": CC, "note": NOTE_ON, "pc": PC}
TICKS_IN_BEAT = 24
CLOCK_BEATS = 4  # over which the tempo is measured
STEADY_BPM = 0.5
USER_FILE, LEARNED_FILE = "midi.yaml", "midi-learned.yaml"


def user_file(name: str) -> Path:
    """Return the path of a file of the user's settings."""
    import platformdirs

    return Path(platformdirs.user_config_dir("rtfx", appauthor=False)) / name


@dataclass(frozen=True)
class MidiSettings:
    """What the player was started with.

    Parameters
    ----------
    inputs : tuple of str
        Parts of names of inputs; empty: those of the maps, else all.
    file : Path, optional
        A map in place of the user's own file.
    """

    inputs: tuple[str, ...] = ()
    file: Path | None = None

    def read(self, set_list: MidiMap | None) -> MidiMap:
        """Return the map: the user's file, then what was learned, then the set list, of which the last one counts.

        Raises
        ------
        PresetError
            A file has a mistake.
        """
        files = [self.file or user_file(USER_FILE), user_file(LEARNED_FILE)]
        found = [load_file(path, Reader(path, {})) for path in files if path == self.file or path.is_file()]
        return joined([*found, *([set_list] if set_list else [])])


class Clock:
    """Counts MIDI clock: 24 ticks a beat, start and stop."""

    def __init__(self) -> None:
        self.ticks = 0
        self.running = False
        self._times: deque[float] = deque(maxlen=CLOCK_BEATS * TICKS_IN_BEAT + 1)

    def take(self, kind: int, now: float) -> None:
        """Count one message that arrived at `now`, in seconds."""
        if kind == CLOCK:
            self.ticks += 1
            if self._times and now - self._times[-1] > 1.0:
                self._times.clear()
            self._times.append(now)
        elif kind in (START, CONTINUE):
            self.running = True
            self.ticks = 0 if kind == START else self.ticks
        elif kind == STOP:
            self.running = False

    @property
    def bpm(self) -> float | None:
        """Beats a minute over the last `CLOCK_BEATS` at most; None before one was complete."""
        if len(self._times) <= TICKS_IN_BEAT or self._times[-1] <= self._times[0]:
            return None
        return 60.0 * (len(self._times) - 1) / TICKS_IN_BEAT / (self._times[-1] - self._times[0])


@dataclass
class _Control:
    """What was last seen of one control of one device."""

    value: int = -1
    time: float = -1.0
    on: bool = False  # of mode toggle


class Midi:
    """The MIDI inputs of a stream; `Stream.accompany` starts and ends it.

    Attributes
    ----------
    map : MidiMap
        What the controls do.
    clock : Clock
    received : int
        Number of messages.
    """

    def __init__(self, stream: Stream, settings: MidiSettings, set_list: MidiMap | None = None):
        self._stream = stream
        self.map = settings.read(set_list)
        wanted = settings.inputs or self.map.inputs
        self._wanted = tuple(name for name in wanted if name != "all")
        self.ports = Ports(self._wanted, bool(self.map.feedback), stream.tell)
        self.clock = Clock()
        self.received = 0
        self._parsers: dict[str, Parser] = {}
        self._controls: dict[tuple[str, int, int, int], _Control] = {}
        self._caught: dict[Mapping, tuple[Value | None, float]] = {}  # the value set last, the control's place
        self._banks: dict[tuple[str, int], list[int]] = {}
        self._absent: set[str] = set()
        self._learner: _Learner | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._unsubscribe: Unsubscribe = lambda: None
        self._thread = threading.Thread(target=self._run, name="rtfx midi", daemon=True)

    # --- life ---

    def start(self) -> None:
        """Open the inputs and listen."""
        self.ports.start()
        missing = check_wanted(self._wanted, list(self.ports.inputs))
        if missing:
            self._stream.tell(missing)
        self._stream.midi = self
        if self.map.feedback:
            self._unsubscribe = self._stream.subscribe(self._send_back)
        self._thread.start()

    def close(self) -> None:
        """Close the inputs."""
        self._over.set()
        self._unsubscribe()
        if self._thread.is_alive():
            await_end(self._thread, 0.5)
        self.ports.close()

    def state(self) -> State:
        """Return what a surface shows: open inputs, what is being learned, and the map."""
        learner = self._learner
        return {
            "inputs": list(self.ports.inputs),
            "learning": learner.target if learner else "",
            "map": [{"control": one.control} | one.written() for one in self.map.mappings],
        }

    def _run(self) -> None:
        told = ""
        while not self._over.wait(POLL_SECONDS):
            try:
                for name, messages in self._arrived().items():
                    self.take(name, messages)
            except Exception as error:  # any error: the next message must still be taken
                if message_of(error) != told:
                    told = message_of(error)
                    self._stream.tell(f"internal error, please report it ({told}): MIDI goes on")
            learner = self._learner
            if learner and learner.done(time.monotonic()):
                self._keep(learner)

    def _arrived(self) -> dict[str, list[Message]]:
        """Return the messages that have arrived from each input."""
        found: dict[str, list[Message]] = {}
        for name, data in self.ports.fetch():
            found.setdefault(name, []).extend(self._parsers.setdefault(name, Parser()).feed(data))
        return found

    # --- what arrives ---

    def take(self, device: str, messages: Sequence[Message]) -> None:
        """Act on messages of one device, in their order; of a parameter only the last value is set."""
        values: dict[str, Value] = {}
        now = time.monotonic()
        for message in messages:
            self.received += 1
            kind, data = message.kind, message.data
            if kind >= CLOCK:
                self.clock.take(kind, now)
                if kind == CLOCK and self.map.clock is not False and not self.clock.ticks % TICKS_IN_BEAT:
                    self._follow_clock()
                continue
            if kind not in (CC, NOTE_ON, NOTE_OFF, PC):
                continue
            value = data[1] if kind in (CC, NOTE_ON) else 0 if kind == NOTE_OFF else HIGHEST
            family = NOTE_ON if kind == NOTE_OFF else kind
            if self._learner and kind != NOTE_OFF:
                self._learner.hear(device, message, value, now)
                continue
            control = self._controls.setdefault((device, message.channel, family, data[0]), _Control())
            mappings = [one for one in self.map.mappings if _fits(one, device, message.channel, family, data[0])]
            for mapping in mappings:
                if mapping.to and mapping.mode not in ("toggle", "momentary"):
                    self._move(mapping, value, values)
                else:
                    values = self._apply(values)
                    self._switch(mapping, control, value, now)
            control.value, control.time = value, now
            if not mappings:
                values = self._program(device, message, values)
        self._apply(values)

    def _follow_clock(self) -> None:
        """Set the tempo of a preset that has one to that of MIDI clock; small differences are those of its arrival."""
        knob, bpm = self._stream.knobs.get(TEMPO_BPM), self.clock.bpm
        if knob is None or bpm is None or abs(bpm - float(knob.value)) <= STEADY_BPM:
            return
        low, high = knob.parameter.minimum, knob.parameter.maximum
        self._apply({TEMPO_BPM: min(max(round(bpm, 1), low), high)})

    def _apply(self, values: dict[str, Value]) -> dict[str, Value]:
        """Set values by address; return an empty dict for the next ones. Undo does not go back through pedals."""
        for address, value in values.items():
            try:
                self._stream.set_many({address: value}, remember=False)
            except RtfxError as error:
                self._stream.tell(str(error))
        return {}

    def _knob(self, address: str) -> Knob | None:
        """Return a knob of the current preset; presets without it are told once."""
        try:
            return self._stream.find(address)
        except UsageError as error:
            key = f"{self._stream.preset} {address}"
            if key not in self._absent:
                self._absent.add(key)
                self._stream.tell(f"MIDI: {error}")
            return None

    def _move(self, mapping: Mapping, value: int, values: dict[str, Value]) -> None:
        """Note the value of a parameter that a control moves to."""
        knob = self._knob(mapping.to)
        if knob is None:
            return
        if mapping.mode in RELATIVE:
            self._apply(values)
            values.clear()
            nudge(self._stream, knob, steps_of(mapping.mode, value))
            return
        found = value_of(mapping, knob, value)
        if mapping.takeover and not self._reached(mapping, knob, found):
            return
        self._caught[mapping] = found, _norm(knob, found)
        values[knob.address] = found

    def _reached(self, mapping: Mapping, knob: Knob, value: Value) -> bool:
        """Return whether a control moves a knob, or must first reach its value, which something else has set."""
        place, present = _norm(knob, value), norm_of(knob)
        last, before = self._caught.get(mapping, (None, place))
        if last == knob.value or present is None:
            return True
        self._caught[mapping] = last, place
        passed = (before - present) * (place - present) <= 0.0
        return passed or abs(place - present) <= CATCH

    def _switch(self, mapping: Mapping, control: _Control, value: int, now: float) -> None:
        """Act on a switch that was pressed or let go."""
        pressed = value >= PRESSED if mapping.kind == "cc" else value > 0
        was = control.value >= PRESSED if mapping.kind == "cc" else control.value > 0
        if mapping.kind == "pc":
            was = False
        if pressed and was and value == control.value and now - control.time > STEP_AGAIN_SECONDS:
            was = False  # it sends nothing when it is let go
        if pressed == was:
            return
        if mapping.to and (mapping.mode == "momentary" or pressed):
            knob = self._knob(mapping.to)
            if knob is None:
                return
            low, high = value_of(mapping, knob, mapping.low), value_of(mapping, knob, mapping.high)
            on = pressed if mapping.mode == "momentary" else knob.value != high
            self._apply({knob.address: high if on else low})
        line = (mapping.do if pressed else mapping.release) if mapping.do else ""
        if line:
            self._do(line)

    def _do(self, line: str) -> None:
        """Run a command; one that waits for a disk runs on a thread of its own."""
        command = COMMANDS.get(line.partition(" ")[0])
        if command and not command.alone:
            threading.Thread(target=self._run_line, args=(line,), name="rtfx midi command", daemon=True).start()
        else:
            self._run_line(line)

    def _run_line(self, line: str) -> None:
        try:
            text = self._stream.do(line)
            if text and line.partition(" ")[0] in ("save", "take"):
                self._stream.tell(text)
        except RtfxError as error:
            self._stream.tell(f"MIDI: {error}")

    def _program(self, device: str, message: Message, values: dict[str, Value]) -> dict[str, Value]:
        """Select a preset or note a bank, if the message does that."""
        bank = self._banks.setdefault((device, message.channel), [0, 0])
        if message.kind == CC and message.data[0] in (BANK_HIGH, BANK_LOW):
            bank[message.data[0] == BANK_LOW] = message.data[1]
        elif message.kind == PC and self.map.programs is not False:
            values = self._apply(values)
            high, low = bank  # some boards send the bank in one of the two only
            place = (high * PROGRAMS + low if high and low else high or low) * PROGRAMS + message.data[0]
            self._do(f"preset {place + 1}")
        return values

    # --- learning ---

    def learn(self, target: str) -> str:
        """Map the next control that moves to a parameter or a command; return a line to show.

        Parameters
        ----------
        target : str
            The address of a parameter, or a command. "off" ends learning.
        """
        if target == "off":
            self._learner = None
            return "nothing is learned"
        if target.partition(" ")[0] not in COMMANDS:
            target = self._stream.find(target).address
        self._learner = _Learner(target)
        self._stream.feed.touch()
        return f"move the control for {target}; a pedal from heel to toe"

    def forget(self, target: str) -> str:
        """Remove what was learned for a parameter or a command; return a line to show."""
        with self._lock:
            learned = self._learned()
            gone = [one for one in learned if target in (one.to, one.do)]
            if not gone:
                raise UsageError(f"no control was learned for {quoted(target)}")
            self._write([one for one in learned if one not in gone])
            self.map = replace(self.map, mappings=tuple(one for one in self.map.mappings if one not in gone))
        self._stream.feed.touch()
        return f"forgotten: {', '.join(one.control for one in gone)}"

    def _keep(self, learner: _Learner) -> None:
        """Add what was learned to the map, and to the user's file."""
        self._learner = None
        mapping = learner.mapping(None if learner.is_command else self._stream.find(learner.target))
        with self._lock:
            learned = joined([MidiMap(tuple(self._learned())), MidiMap((mapping,))]).mappings
            self.map = joined([self.map, MidiMap((mapping,))])
            line = f"{mapping.control}: {learner.target}"
            try:
                self._write(learned)
            except (RtfxError, OSError) as error:
                line += f", until the player ends: it cannot be saved ({error})"
        self._stream.tell(line)

    def _learned(self) -> Sequence[Mapping]:
        path = user_file(LEARNED_FILE)
        return load_file(path, Reader(path, {})).mappings if path.is_file() else ()

    def _write(self, mappings: Sequence[Mapping]) -> None:
        import yaml  # type: ignore[import-untyped]

        path = user_file(LEARNED_FILE)
        if not mappings:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        listed = yaml.safe_dump({"map": [one.written() for one in mappings]}, sort_keys=False, default_flow_style=None)
        write_file(path, f"# written by rtfx when a control is learned; your own lines go into {USER_FILE}\n{listed}")

    # --- what is sent back ---

    def _send_back(self, difference: State) -> None:
        """Send the values of mapped parameters to the boards, for lights and motor faders. [the stream's feed]"""
        knobs = self._stream.knobs
        changed = difference.get("values", {}).keys() | {one["address"] for one in difference.get("knobs", ())}
        for mapping in self.map.mappings:
            address = mapping.to or mapping.do.removeprefix("toggle ")
            knob = knobs.get(f"{address}.on") or knobs.get(address)
            if mapping.kind != "pc" and knob is not None and knob.address in changed and mapping.mode not in RELATIVE:
                self._send(mapping, mapping.sent(place_of(mapping, knob)))
            for word in ("mute", "bypass"):
                if mapping.do.partition(" ")[0] == word and word in difference:
                    self._send(mapping, HIGHEST if difference[word] else 0)
        if "preset" in difference and self.map.programs is not False and difference["preset"] <= PROGRAMS:
            self.ports.send([PC, difference["preset"] - 1])

    def _send(self, mapping: Mapping, value: int) -> None:
        status = CC if mapping.kind == "cc" else NOTE_ON
        controls = list(self._controls.items())

        def wanted(name: str) -> bool:
            """Whether this is the mapping's device, and it has not sent this value itself."""
            seen = [
                each.value
                for (device, _, kind, number), each in controls
                if (kind, number) == (status, mapping.number) and _same_board(device, name)
            ]
            return mapping.device.casefold() in name.casefold() and seen != [value]

        self.ports.send([status | (mapping.channel or 1) - 1, mapping.number, value], wanted)


@dataclass
class _Learner:
    """Listens for the control that the player moves."""

    target: str
    first: Message | None = None
    device: str = ""
    values: tuple[int, ...] = ()
    last: float = 0.0

    @property
    def is_command(self) -> bool:
        return self.target.partition(" ")[0] in COMMANDS

    def hear(self, device: str, message: Message, value: int, now: float) -> None:
        """Note a message; the first one decides which control it is."""
        if self.first is None and not (message.kind == CC and message.data[0] in (BANK_HIGH, BANK_LOW)):
            self.first, self.device = message, device
        if self.first and (device, *message[:2], message.data[0]) == (self.device, *self.first[:2], self.first.data[0]):
            self.values, self.last = (*self.values[-1000:], value), now

    def done(self, now: float) -> bool:
        """Return whether the control has come to rest."""
        return self.first is not None and now - self.last >= LEARN_SECONDS

    def mapping(self, knob: Knob | None) -> Mapping:
        """Return what was learned: for a pedal with its ends, for a switch with its mode."""
        assert self.first is not None
        kind = next(name for name, status in KINDS.items() if status == self.first.kind)
        found = Mapping(kind, self.first.data[0], self.first.channel)
        if knob is None:
            return replace(found, do=self.target)
        low, high = min(self.values), max(self.values)
        swept = len(set(self.values)) > 3 and high - low >= SWEPT
        if swept:
            return replace(found, to=knob.address, low=low, high=high)
        mode = "" if kind == "cc" and not {low, high} <= {0, HIGHEST} else "toggle"
        return replace(found, to=knob.address, mode=mode)


def _fits(mapping: Mapping, device: str, channel: int, family: int, number: int) -> bool:
    return (
        KINDS[mapping.kind] == family
        and mapping.number == number
        and mapping.channel in (None, channel)
        and mapping.device.casefold() in device.casefold()
    )


def _same_board(source: str, target: str) -> bool:
    """Return whether an input and an output are those of one device: the client's name comes first."""
    return source.partition(":")[0] == target.partition(":")[0]


def steps_of(mode: str, value: int) -> int:
    """Return by how many steps an endless encoder was turned, positive to the right.

    Parameters
    ----------
    mode : str
        "twos": 1 to 63 right, 127 to 65 left; "offset": from 64; "sign": the highest bit of seven means left.
    """
    if mode == "offset":
        return value - 64
    if mode == "sign":
        return -(value & 0x3F) if value & 0x40 else value
    return value - 128 if value >= 64 else value


def value_of(mapping: Mapping, knob: Knob, value: int) -> Value:
    """Return the value of a parameter where a control stands."""
    place, parameter = mapping.place(value), knob.parameter
    if mapping.start is None and mapping.end is None:
        return value_at(parameter, place)
    if parameter.choices:
        first, last = (
            parameter.choices.index(str(end)) if str(end) in parameter.choices else default
            for end, default in ((mapping.start, 0), (mapping.end, len(parameter.choices) - 1))
        )
        return parameter.choices[round(first + place * (last - first))]
    low, high = _ends(mapping, knob)
    if logarithmic(parameter) and low > 0.0 and high > 0.0:
        found = low * (high / low) ** place
    else:
        found = low + place * (high - low)
    found = min(max(found, parameter.minimum), parameter.maximum)
    return float(round(found)) if parameter.whole or parameter.kind == "switch" else found


def _ends(mapping: Mapping, knob: Knob) -> tuple[float, float]:
    """Return the values of a number at heel and toe."""
    parameter = knob.parameter
    ends = []
    for end, default in ((mapping.start, parameter.minimum), (mapping.end, parameter.maximum)):
        checked = default if end is None else knob.check(end)
        ends.append(float(default if isinstance(checked, str) else checked))
    return ends[0], ends[1]


def place_of(mapping: Mapping, knob: Knob) -> float:
    """Return where a control stands if a parameter has its present value: the inverse of `value_of`, 0 to 1."""
    place = norm_of(knob)
    if place is None:
        return 0.0
    if (mapping.start is None and mapping.end is None) or knob.parameter.choices:
        return place
    low, high = (_norm(knob, end) for end in _ends(mapping, knob))
    return min(max((place - low) / (high - low), 0.0), 1.0) if high != low else 0.0


def _norm(knob: Knob, value: Any) -> float:
    """Return the place of another value of a knob in its range."""
    return norm_of(Knob(knob.address, knob.parameter, {knob.parameter.name: value})) or 0.0
