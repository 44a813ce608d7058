"""The surfaces that a player opens beside its terminal: the socket of ``rtfx send``, OSC and MIDI."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import DeviceError

if TYPE_CHECKING:
    from ..live.stream import Stream
    from .address import Address
    from .midi import MidiSettings


@dataclass(frozen=True)
class Surfaces:
    """Which surfaces a player opens.

    Parameters
    ----------
    name : str
        The player's name, by which ``rtfx send --name`` finds it.
    osc : Address, optional
        Where to listen for OSC.
    midi : MidiSettings, optional
        Which MIDI inputs to open; without it those of a set list that has a ``midi`` section.
    """

    name: str
    osc: Address | None = None
    midi: MidiSettings | None = None
    _subscribers: OrderedDict[tuple[str, int], None] = field(default_factory=OrderedDict, compare=False, repr=False)

    def open(self, stream: Stream) -> None:
        """Start the surfaces of a stream; they end with it.

        A player without a socket still plays: what is wrong is told.

        Raises
        ------
        RtfxError
            A surface that was asked for cannot be opened.
        """
        from .socket import CommandSocket

        try:
            stream.accompany(CommandSocket(stream, self.name))
        except DeviceError as error:
            stream.tell(f"rtfx send cannot reach this player: {error}")
        if self.osc is not None:
            from .osc import Osc

            stream.accompany(osc := Osc(stream, self.osc, self._subscribers))
            stream.notes = (*stream.notes, f"OSC: {osc.host}, UDP port {osc.port}")
        if self.midi is not None or stream.set_list.midi is not None:
            from .midi import Midi, MidiSettings

            stream.accompany(Midi(stream, self.midi or MidiSettings(), stream.set_list.midi))
