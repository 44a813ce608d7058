"""MIDI inputs and outputs by name, which come and go while they are used.

Messages are fetched from queues that the MIDI library fills. Its other way, a callback, would run Python on the thread
of its JACK client, and all clients of JACK, the sound among them, would wait for that.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import DeviceError, quoted
from ..host.jack import jack_runs, running
from ..host.timeouts import await_end

SCAN_SECONDS = 1.5  # between looks for devices
QUEUE = 16384  # messages that wait for the next look
NO_DEVICES = ("Midi Through", "rtfx")  # ports that are no devices: a loop of ALSA, and our own
CLIENT = "rtfx midi"
ALSA_SEQUENCER = "/dev/snd/seq"


def backend() -> int:
    """Return the number of the system that MIDI goes through: ALSA, else JACK if it runs; -1 if there is none.

    PipeWire shows ALSA's devices again as JACK's, so that only one of the two is asked.
    """
    import rtmidi  # type: ignore[import-untyped]

    compiled = rtmidi.get_compiled_api()
    if not sys.platform.startswith("linux"):
        return int(next((api for api in compiled if api != rtmidi.API_RTMIDI_DUMMY), -1))
    if rtmidi.API_LINUX_ALSA in compiled and os.path.exists(ALSA_SEQUENCER):
        return int(rtmidi.API_LINUX_ALSA)
    return int(rtmidi.API_UNIX_JACK) if rtmidi.API_UNIX_JACK in compiled and jack_runs() else -1


def is_wanted(port: str, wanted: Sequence[str]) -> bool:
    """Return whether a port's name has one of the wanted parts; without any, whether it is a device."""
    if wanted:
        return any(part.casefold() in port.casefold() for part in wanted)
    return not port.startswith(NO_DEVICES)


class Ports:
    """Keeps the wanted inputs open, and the outputs of the same devices, on a thread that looks for them.

    Parameters
    ----------
    wanted : sequence of str
        Parts of names; empty: all devices.
    outputs : bool
        Also open outputs.
    tell : callable
        Called with a line of text when a device comes or goes.

    Attributes
    ----------
    inputs, outputs : dict
        The open ports by name. A port that is closed while another thread uses it would crash the process; `fetch` and
        `send` keep that from happening.
    """

    def __init__(self, wanted: Sequence[str] = (), outputs: bool = False, tell: Callable[[str], object] = print):
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self._wanted, self._with_outputs, self._tell = tuple(wanted), outputs, tell
        self._scanners: dict[str, Any] = {}
        self._backend = -1
        self._server: frozenset = frozenset()
        self._lock = threading.Lock()  # held while ports are used, and while they are replaced
        self._over = threading.Event()
        self._looked = threading.Event()
        self._failed = ""
        self._thread = threading.Thread(target=self._run, name="rtfx midi ports", daemon=True)

    def start(self) -> None:
        """Look for devices from now on; the first look is over when this returns, unless it takes long."""
        try:
            import rtmidi  # noqa: F401 - tells at once if it is missing
        except ImportError as error:
            raise DeviceError(f"MIDI needs the package python-rtmidi ({error}): pip install --upgrade rtfx") from None
        self._thread.start()
        self._looked.wait(2.0)

    def close(self) -> None:
        """Close all ports."""
        self._over.set()
        if self._thread.is_alive():
            await_end(self._thread, 1.0)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._look()
                self._failed = ""
            except Exception as error:  # any error of the library: devices must still be found at the next look
                if str(error) != self._failed:
                    self._failed = str(error)
                    self._tell(f"MIDI: {error}")
            self._looked.set()
            self._over.wait(SCAN_SECONDS)
        self._drop_all()

    def fetch(self) -> list[tuple[str, list[int]]]:
        """Return (name of the input, bytes) of all messages that have arrived, in their order."""
        found = []
        with self._lock:
            for name, port in self.inputs.items():
                while (message := port.get_message()) is not None:
                    found.append((name, message[0]))
        return found

    def send(self, message: list[int], wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Send a message to the outputs whose name `wanted` accepts."""
        with self._lock:
            for name, port in self.outputs.items():
                if wanted(name):
                    port.send_message(message)

    def _look(self) -> None:
        """Open what has come, and close what has gone."""
        now = backend()
        server = running() if now >= 0 else frozenset()  # one that has died and is back is another one
        if (now, server) != (self._backend, self._server):
            self._drop_all()
            self._backend, self._server = now, server
        if now < 0:
            return
        self._match("input")
        if self._with_outputs:
            self._match("output")

    def _match(self, kind: str) -> None:
        """Open the wanted ports of a kind that are there and not open yet, and close those that have gone."""
        if kind not in self._scanners:
            self._scanners[kind] = self._made(kind)
        found = self._scanners[kind].get_ports()
        before = self.inputs if kind == "input" else self.outputs
        after = {name: port for name, port in before.items() if name in found}
        for place, name in enumerate(found):
            if name not in after and is_wanted(name, self._wanted):
                port = self._made(kind)
                with contextlib.suppress(Exception):  # it has gone since: the next look tells
                    port.open_port(place, kind)
                    after[name] = port
        self._replace(kind, after)

    def _replace(self, kind: str, after: dict[str, Any]) -> None:
        """Use other ports from now on, and close those that are no longer among them."""
        with self._lock:
            before = self.inputs if kind == "input" else self.outputs
            if kind == "input":
                self.inputs = after
            else:
                self.outputs = after
        for name, port in before.items():
            if name not in after:
                with contextlib.suppress(Exception):  # its server may have ended
                    port.delete()
        if kind == "input" and not self._over.is_set():
            for name in before.keys() - after.keys():
                self._tell(f"MIDI: {name} has gone: it is used again when it is back")
            for name in after.keys() - before.keys():
                self._tell(f"MIDI: {name}")

    def _made(self, kind: str) -> Any:
        import rtmidi

        if kind == "output":
            return rtmidi.MidiOut(self._backend, name=CLIENT)
        port = rtmidi.MidiIn(self._backend, name=CLIENT, queue_size_limit=QUEUE)
        port.ignore_types(sysex=True, timing=False, active_sense=True)
        return port

    def _drop_all(self) -> None:
        for kind in ("input", "output"):
            self._replace(kind, {})
        scanners, self._scanners = self._scanners, {}
        for port in scanners.values():
            with contextlib.suppress(Exception):
                port.delete()


def devices(kind: str = "input") -> list[str]:
    """Return the names of all MIDI inputs, or outputs.

    Raises
    ------
    DeviceError
        There is no MIDI on this machine.
    """
    import rtmidi

    system = backend()
    if system < 0:
        raise DeviceError(
            "there is no MIDI here: neither ALSA's sequencer nor JACK runs: plug a device in, or start JACK"
        )
    scanner = (rtmidi.MidiOut if kind == "output" else rtmidi.MidiIn)(system, name=CLIENT)
    try:
        return [str(name) for name in scanner.get_ports()]
    finally:
        scanner.delete()


def check_wanted(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Return a line about wanted devices that are not there; "" if all are."""
    missing = [name for name in wanted if not any(is_wanted(port, [name]) for port in found)]
    if not missing:
        return ""
    there = ", ".join(found) or "none"
    return f"MIDI: no input is named {', '.join(map(quoted, missing))} (those there: {there}): it is awaited"
