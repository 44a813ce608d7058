"""Reads MIDI messages from bytes as they arrive: in pieces, with running status, with real-time bytes between."""

from __future__ import annotations

from typing import NamedTuple

NOTE_OFF, NOTE_ON, CC, PC, BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0
CLOCK, START, CONTINUE, STOP = 0xF8, 0xFA, 0xFB, 0xFC
SYSEX, SYSEX_END, REAL_TIME = 0xF0, 0xF7, 0xF8
DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2, 0xF1: 1, 0xF2: 2, 0xF3: 1}
NAMES = {NOTE_OFF: "note off", NOTE_ON: "note", 0xA0: "pressure of note", CC: "CC", PC: "PC", 0xD0: "pressure"}
NAMES |= {BEND: "bend", CLOCK: "clock", START: "start", CONTINUE: "continue", STOP: "stop"}


class Message(NamedTuple):
    """One message.

    Parameters
    ----------
    kind : int
        Its status byte without the channel, such as `CC` or `CLOCK`.
    channel : int
        1 to 16; 0 for messages of the whole system.
    data : tuple of int
        Up to two values from 0 to 127.
    """

    kind: int
    channel: int
    data: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f", channel {self.channel}" if self.channel else ""
        if self.kind == BEND:
            return f"bend {self.data[0] + 128 * self.data[1]}{where}"
        words = [NAMES.get(self.kind, hex(self.kind)), *map(str, self.data[:1])]
        return " ".join(words + [f"value {value}" for value in self.data[1:]]) + where


class Parser:
    """Makes messages of bytes; what is incomplete waits for the next bytes, what makes no sense is dropped."""

    def __init__(self) -> None:
        self._status = 0
        self._data: list[int] = []
        self._in_sysex = False

    def feed(self, data: bytes | list[int]) -> list[Message]:
        """Return the messages that these bytes complete."""
        found = []
        for byte in data:
            if byte >= REAL_TIME:  # may stand anywhere, also inside another message
                found.append(Message(byte, 0))
            elif byte >= 0x80:
                self._in_sysex = byte == SYSEX
                self._status = byte if self._needs(byte) else 0
                self._data = []
            elif self._status and not self._in_sysex:
                self._data.append(byte)
                if len(self._data) == self._needs(self._status):
                    found.append(self._message())
        return found

    @staticmethod
    def _needs(status: int) -> int:
        return DATA_BYTES.get(status if status >= SYSEX else status & 0xF0, 0)

    def _message(self) -> Message:
        status, data = self._status, tuple(self._data)
        self._data = []
        if status >= SYSEX:
            self._status = 0  # only messages of a channel may follow without their status
            return Message(status, 0, data)
        kind = status & 0xF0
        if kind == NOTE_ON and not data[1]:
            kind = NOTE_OFF
        return Message(kind, (status & 0x0F) + 1, data)
