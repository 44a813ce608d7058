"""OSC over UDP: an address for every parameter and command, and the state sent to those who subscribe."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, RtfxError, UsageError, message_of
from ..host.timeouts import await_end
from ..live.commands import COMMANDS, SWITCH
from ..live.feed import State, Unsubscribe, merged
from ..live.knobs import norm_of, value_at
from .address import LOOPBACK, Address, is_loopback

if TYPE_CHECKING:
    from ..live.stream import Stream
    from ..loading.preset import Value

PORT = 9000
ROOT = "rtfx"
MOST_SUBSCRIBERS = 8
LONGEST_DATAGRAM = 65536  # bytes
BUNDLE_BYTES = 1200  # a bundle fits into one packet of a network
AT_ONCE = 256  # datagrams that are read before they are applied: of those to one parameter the last one counts
BUNDLE_HEAD = b"#bundle\x00\x00\x00\x00\x00\x00\x00\x00\x01"  # to be taken at once

# What is taken, and what is sent: (address, arguments, what it does) for the reference.
TAKEN = (
    ("/rtfx/BLOCK/PARAMETER", "number or word", "sets a parameter in its own unit; without arguments it is sent back"),
    ("/rtfx/BLOCK/PARAMETER/norm", "0 to 1", "sets it by its place in the range"),
    ("/rtfx/in_gain_db, /rtfx/out_gain_db", "dB", "the gains, also with /norm"),
    ("/rtfx/COMMAND", "its arguments", "runs a command: /rtfx/preset 2, /rtfx/preset lead, /rtfx/nudge amp.drive 1"),
    ("/rtfx/COMMAND/WORD", "", "the same with words in the address: /rtfx/preset/next, /rtfx/toggle/delay"),
    ("/rtfx/mute, /rtfx/bypass", "1 or 0", "on or off; without arguments the other one"),
    ("/rtfx/subscribe", "[host] [port]", "sends state and meters to you, by default to the port that you send from"),
    ("/rtfx/unsubscribe", "[host] [port]", "ends that"),
)
SENT = (
    ("/rtfx/BLOCK/PARAMETER", "number or word", "its value, after a change whoever made it"),
    ("/rtfx/BLOCK/PARAMETER/norm", "0 to 1", "the same as a place in its range"),
    ("/rtfx/preset", "number", "the current preset, from 1"),
    ("/rtfx/preset/name, /rtfx/preset/next/name", "text", "its name, and that of the next one"),
    ("/rtfx/presets, /rtfx/scenes", "texts", "all names"),
    ("/rtfx/scene, /rtfx/slot, /rtfx/knob", "text", "the scene, the slot and the knob that were chosen"),
    ("/rtfx/mute, /rtfx/bypass, /rtfx/recording", "0 or 1", "whether it is on"),
    ("/rtfx/undo, /rtfx/redo, /rtfx/changed, /rtfx/ended", "0 or 1", "whether there is something to undo, and so on"),
    ("/rtfx/message, /rtfx/trouble, /rtfx/error", "text", "the last line; why there is no sound; what was refused"),
    ("/rtfx/meter/in, /rtfx/meter/out", "dBFS of each channel", "the peaks, ten times a second"),
    ("/rtfx/load, /rtfx/xruns", "0 to 1; number", "ten times a second"),
)

Target = tuple[str, int]


class Osc:
    """Listens for OSC, and sends the state to subscribers; `Stream.accompany` starts and ends it.

    A button sends 1 when it is pressed and 0 when it is let go. So 0 alone does nothing where a command is complete
    without it, as in ``/rtfx/next 0``; ``/rtfx/mute`` and ``/rtfx/bypass`` take it as off.

    Parameters
    ----------
    where : Address
        Without a host only this machine reaches it.
    subscribers : OrderedDict, optional
        Those of a stream that this one follows, whose device came back at another rate; it is kept up to date.

    Attributes
    ----------
    ignored : int
        Number of datagrams and messages that had no meaning.

    Raises
    ------
    DeviceError
        The port is taken, or the address is none of this machine's.
    """

    def __init__(self, stream: Stream, where: Address, subscribers: OrderedDict[Target, None] | None = None):
        self._stream, self._anywhere = stream, bool(where.host)
        self.ignored = 0
        host, port = where.host or LOOPBACK, where.port or PORT
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise DeviceError(f"--osc: no address for {host} ({error}): expected HOST:PORT") from None
        try:
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise DeviceError(f"--osc: {host}:{port} cannot be used ({error.strerror}): name another port") from None
        self.host, self.port = self._socket.getsockname()[:2]
        self._lock = threading.Lock()
        self._subscribers: OrderedDict[Target, None] = OrderedDict() if subscribers is None else subscribers
        self._unsubscribe: Unsubscribe = lambda: None
        self._state: State = {}
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="rtfx osc", daemon=True)
        _quieten()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._serve()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._unsubscribe()
        with contextlib.suppress(OSError):  # wakes the thread: closing the socket would not
            self._socket.sendto(b"/", ({"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.host, self.host), self.port))
        if self._thread.is_alive():
            await_end(self._thread, 0.5)
        self._socket.close()

    # --- what arrives ---

    def _run(self) -> None:
        while not self._closed:
            arrived = []
            with contextlib.suppress(OSError):  # a subscriber has gone: Linux tells at the next read
                arrived.append(self._socket.recvfrom(LONGEST_DATAGRAM))
                while len(arrived) < AT_ONCE:
                    arrived.append(self._socket.recvfrom(LONGEST_DATAGRAM, socket.MSG_DONTWAIT))
            if not self._closed:
                self._take(arrived)

    def _take(self, arrived: Iterable[tuple[bytes, Any]]) -> None:
        """Apply datagrams in their order, of several to the same parameter only the last."""
        from pythonosc.osc_packet import OscPacket

        values: dict[str, Value] = {}
        for datagram, sender in arrived:
            try:
                messages = [each.message for each in OscPacket(datagram).messages]
            except Exception:  # any error: the library raises many on what is no OSC
                self.ignored += 1
                continue
            for message in messages:
                try:
                    if message.params and (set_ := self._parameter(message.address, message.params)):
                        values[set_[0]] = set_[1]
                        continue
                    values = self._apply(values)
                    self._do(message.address, message.params, sender[:2])
                except RtfxError as error:
                    self.ignored += 1
                    self._refuse(str(error))
                except Exception as error:  # any error: the sound and the next message go on
                    self.ignored += 1
                    self._refuse(f"internal error, please report it ({message_of(error)})")
        self._apply(values)

    def _apply(self, values: dict[str, Value]) -> dict[str, Value]:
        """Set values by address; return an empty dict for the next ones."""
        for address, value in values.items():
            try:
                self._stream.set_many({address: value})
            except RtfxError as error:
                self.ignored += 1
                self._refuse(str(error))
        return {}

    def _parameter(self, path: str, arguments: list[Any]) -> tuple[str, Value] | None:
        """Return (address, value) if a path is that of a parameter, else None."""
        words = _words(path)
        norm = words[-1:] == ["norm"]
        address = ".".join(words[:-1] if norm else words)
        knob = self._stream.knobs.get(address)
        if knob is None:
            return None
        value = arguments[0]
        if isinstance(value, bool):
            value = float(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{path} is {value}, expected a number")
        if not isinstance(value, int | float | str) or len(arguments) > 1:
            raise UsageError(f"{path}: expected one number or word")
        if norm and isinstance(value, str):
            raise UsageError(f"{path}: expected a number from 0 to 1")
        return address, value_at(knob.parameter, float(value)) if norm else knob.check(value)

    def _do(self, path: str, arguments: list[Any], sender: Target) -> None:
        words = _words(path)
        if words in (["subscribe"], ["unsubscribe"]):
            self._subscribe(self._target(arguments, sender), words == ["subscribe"])
            return
        address = ".".join(words[:-1] if words[-1:] == ["norm"] else words)
        if address in self._stream.knobs:  # without arguments: it asks for the value
            self._answer(path, address, words[-1:] == ["norm"], sender)
            return
        line = line_of(words, arguments)
        if line:
            self._stream.do(line)

    # --- what is sent ---

    def _target(self, arguments: list[Any], sender: Target) -> Target:
        """Return where to send to; only a host that the user has opened the port for may name another one."""
        numbers = [each for each in arguments if isinstance(each, int | float) or str(each).isdecimal()]
        hosts = [str(each) for each in arguments if each not in numbers]
        port = int(numbers[0]) if numbers else sender[1]
        host = sender[0]
        if hosts and hosts[0] != host:
            found = Address.of("/rtfx/subscribe", hosts[0]).host
            same = is_loopback(host) and (found == "localhost" or is_loopback(found))
            if not same and not self._anywhere:
                raise UsageError(f"/rtfx/subscribe names {hosts[0]}, expected your own address, or none")
            host = host if same else found
        if not 1 <= port <= 65535 or len(numbers) > 1 or len(hosts) > 1:
            raise UsageError("/rtfx/subscribe: expected a host and a port, a port, or nothing")
        return host, port

    def _subscribe(self, target: Target, on: bool) -> None:
        with self._lock:
            self._subscribers.pop(target, None)
            if on:
                self._subscribers[target] = None
                while len(self._subscribers) > MOST_SUBSCRIBERS:
                    self._subscribers.popitem(last=False)
        self._serve()

    def _serve(self) -> None:
        """Subscribe to the stream anew, so that the whole state is sent, if anybody is to be told."""
        self._unsubscribe()
        self._unsubscribe = self._stream.subscribe(self._tell, meters=True) if self._subscribers else lambda: None

    def _tell(self, difference: State) -> None:
        """Send what has changed to all subscribers. [the stream's feed]"""
        self._state = merged(self._state, difference)
        self._send(messages_of(self._state, difference), list(self._subscribers))

    def _answer(self, path: str, address: str, norm: bool, sender: Target) -> None:
        """Send a value to the one who asked, if that is this machine or a subscriber: others may be forged."""
        if not is_loopback(sender[0]) and sender[0] not in {host for host, _ in self._subscribers}:
            raise UsageError(f"{path}: expected a value; who asks must subscribe first")
        knob = self._stream.knobs[address]
        self._send([(path, [norm_of(knob) if norm else knob.value])], [sender])

    def _refuse(self, reason: str) -> None:
        """Tell subscribers what was wrong; nobody else, as a forged sender must not be answered."""
        self._send([(f"/{ROOT}/error", [reason])], list(self._subscribers))

    def _send(self, messages: list[tuple[str, list[Any]]], targets: list[Target]) -> None:
        if not targets:
            return
        for datagram in datagrams(messages):
            for target in targets:
                with contextlib.suppress(OSError):  # it has gone, or its network has
                    self._socket.sendto(datagram, target)


def line_of(words: list[str], arguments: list[Any]) -> str:
    """Return the command that an address and its arguments are; "" for a button that was let go.

    Parameters
    ----------
    words : list of str
        The parts of the address behind ``/rtfx``.
    """
    if not words or words[0] not in COMMANDS:
        raise UsageError(f"no address /{'/'.join([ROOT, *words])}, expected /{ROOT}/BLOCK/PARAMETER or a command")
    command = COMMANDS[words[0]]
    button = len(arguments) == 1 and isinstance(arguments[0], bool | int | float)
    pressed = button and bool(arguments[0])
    if button and (len(words) > 1 or not command.arguments):
        return " ".join(words) if pressed else ""
    if button and all(word in command.arguments for word in SWITCH):
        return f"{words[0]} {'on' if pressed else 'off'}"
    return " ".join([*words, *(_text(each) for each in arguments)])


def _text(argument: Any) -> str:
    """Return an argument as text: whole numbers without a point, as commands expect them."""
    if isinstance(argument, float) and argument.is_integer():
        return str(int(argument))
    return " ".join(str(argument).split())


def _words(path: str) -> list[str]:
    """Return the parts of an address behind ``/rtfx``."""
    first, *words = path.strip("/").split("/")
    if first != ROOT or not words:
        raise UsageError(f"no address {path}, expected /{ROOT}/...")
    return words


def messages_of(state: State, difference: State) -> list[tuple[str, list[Any]]]:
    """Return the messages, as (address, arguments), that tell a difference of the state."""
    found: list[tuple[str, list[Any]]] = []
    for key in ("preset", "scene", "slot", "knob"):
        found += [(f"/{ROOT}/{key}", [difference[key]])] if key in difference else []
    for key in ("mute", "bypass", "undo", "redo", "changed", "recording", "ended"):
        found += [(f"/{ROOT}/{key}", [int(difference[key])])] if key in difference else []
    if "preset" in difference or "presets" in difference:
        found.append((f"/{ROOT}/preset/name", [state["preset_name"]]))
        names = [one["name"] for one in state["presets"]]
        found.append((f"/{ROOT}/preset/next/name", [names[state["preset"] % len(names)]]))
    if "presets" in difference:
        found.append((f"/{ROOT}/presets", [one["name"] for one in difference["presets"]]))
    if "scenes" in difference:
        found.append((f"/{ROOT}/scenes", list(difference["scenes"])))
    if "message" in difference:
        found.append((f"/{ROOT}/message", [difference["message"]["text"]]))
    if "status" in difference:
        found.append((f"/{ROOT}/trouble", [difference["status"]["trouble"]]))
    values = {knob["address"]: knob for knob in difference.get("knobs", ())} | difference.get("values", {})
    for address, knob in values.items():
        path = f"/{ROOT}/{address.replace('.', '/')}"
        found.append((path, [knob["value"]]))
        found += [(f"{path}/norm", [float(knob["norm"])])] if knob["norm"] is not None else []
    meters = difference.get("meters")
    if meters:
        found += [(f"/{ROOT}/meter/in", meters["in"]), (f"/{ROOT}/meter/out", meters["out"])]
        found += [(f"/{ROOT}/load", [float(meters["load"])]), (f"/{ROOT}/xruns", [meters["xruns"]])]
    return found


def datagrams(messages: Iterable[tuple[str, list[Any]]]) -> Iterable[bytes]:
    """Yield messages as datagrams: one alone, several as bundles that fit into a packet."""
    from pythonosc.osc_message_builder import OscMessageBuilder

    parts: list[bytes] = []
    for path, arguments in messages:
        builder = OscMessageBuilder(path)
        for argument in arguments:
            builder.add_arg(argument)
        part = builder.build().dgram
        if parts and sum(map(len, parts)) + 4 * len(parts) + len(part) > BUNDLE_BYTES:
            yield _bundle(parts)
            parts = []
        parts.append(part)
    if parts:
        yield _bundle(parts)


def _bundle(parts: list[bytes]) -> bytes:
    if len(parts) == 1:
        return parts[0]
    return BUNDLE_HEAD + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _quieten() -> None:
    """Keep the library from printing a line for each argument of an unknown type."""
    root = logging.getLogger()
    if _no_osc not in root.filters:
        root.addFilter(_no_osc)


def _no_osc(record: logging.LogRecord) -> bool:
    return not record.module.startswith("osc_")
