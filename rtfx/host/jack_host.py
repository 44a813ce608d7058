"""A stream on JACK or PipeWire: a client whose ports are connected to exactly those of the chosen devices.

The server calls the engine once per period, so the block size is the period.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import Any

import numpy as np

from ..engine.process import CALLBACK_KERNEL, call_callback
from ..errors import DeviceError
from ..kernels.kernel import Loop
from ..kernels.memory import call_process, records
from ..kernels.rows import gather_row, scatter_row
from ..plan.arena import MAX_CHANNELS
from .choose import Choice
from .device import GONE, MOVED, PLAYING, STALLED, DeviceStream, Watch
from .jack import (
    AUDIO,
    CAPTURE,
    IS_INPUT,
    IS_OUTPUT,
    JACK_ROUTE,
    NAME,
    PLAYBACK,
    Client,
    jack_runs,
    pipewire_runs,
)
from .jack_devices import RATE, jack_devices
from .timeouts import within

LOW_FRAMES, HIGH_FRAMES = 64, 1024  # periods that latency "low" and "high" ask for
SMALLEST, LARGEST = 16, 8192  # frames of a period; a longer period is processed in pieces
OPEN_SECONDS, CLOSE_SECONDS = 5.0, 1.5
SETTLE_SECONDS, STEADY_SECONDS = 2.0, 0.25  # longest wait for a stable period; time without a change
ENDING_TRIES, ENDING_SECONDS = 4, 0.1
LOOK_SECONDS = 0.2  # between two checks of the device's ports
XRUN_FLAGS = 2 | 4  # PortAudio's: input overflow, output underflow
OPEN: dict[int, Any] = {}  # hosts by id, until the server no longer uses their memory

SHARED = np.dtype(
    [
        # set before the client is activated
        ("get_buffer", np.int64),  # jack_port_get_buffer
        ("callback", np.int64),
        ("engine", np.int64),
        ("source", np.int64),  # interleaved frames for the callback, and from it
        ("target", np.int64),
        ("inputs", np.int64),
        ("outputs", np.int64),
        ("in_ports", np.int64, MAX_CHANNELS),
        ("out_ports", np.int64, MAX_CHANNELS),
        # process thread
        ("period", np.int64),  # frames of the last call
        ("told_xruns", np.int64),
        # the server's other threads
        ("xruns", np.int64),
        ("ended", np.int64),
    ],
    align=True,
)


def process(frames, shared):
    """Pass one period to the callback, interleaved; JACK's process callback. [audio thread]"""
    s = records(shared, 1, SHARED)[0]
    total = np.int64(frames)
    s.period = total
    flags = np.int64(0)
    if s.xruns != s.told_xruns:
        s.told_xruns = s.xruns
        flags = np.int64(XRUN_FLAGS)
    first = np.int64(0)
    while first < total:
        count = min(total - first, LARGEST)
        for channel in range(s.inputs):
            row = call_process(s.get_buffer, s.in_ports[channel], total, 0, 0) + 4 * first
            scatter_row(s.source + 4 * channel, row, s.inputs, count)
        call_callback(s.callback, s.source if s.inputs > 0 else np.int64(0), s.target, count, flags, s.engine)
        for channel in range(s.outputs):
            row = call_process(s.get_buffer, s.out_ports[channel], total, 0, 0) + 4 * first
            gather_row(row, s.target + 4 * channel, s.outputs, count)
        flags = np.int64(0)
        first += count
    return 0


def count_xrun(shared):
    """Count a lost period; JACK's xrun callback. [a thread of the server's library]"""
    records(shared, 1, SHARED)[0].xruns += 1
    return 0


def note_end(shared):
    """Note that the server has ended or closed the connection; JACK's shutdown callback. [a thread of its library]"""
    records(shared, 1, SHARED)[0].ended = 1
    return 0


PROCESS = Loop(process, "intc(uint32, int64)")
COUNT_XRUN = Loop(count_xrun, "intc(int64)")
NOTE_END = Loop(note_end, "intc(int64)")
KERNELS = (PROCESS, COUNT_XRUN, NOTE_END)


def frames_for(latency: str | float | None, sample_rate: float) -> int:
    """Return the period, in frames, for a latency (low, high or seconds), which is two periods; 0 for None."""
    if latency is None:
        return 0
    if isinstance(latency, str):
        return HIGH_FRAMES if latency == "high" else LOW_FRAMES
    frames = int(latency * sample_rate / 2.0)
    return min(max(1 << max(frames.bit_length() - 1, 0), SMALLEST), LARGEST)


class JackHost(DeviceStream):
    """A client of JACK or PipeWire, connected to the ports of the chosen devices. All methods: control thread.

    Parameters
    ----------
    block : int
        The period to request, in frames; 0: `latency` decides.
    latency : str, float or None
        "low", "high", or the seconds for input and output together. None: low on PipeWire, where each client requests
        its own; on JACK the present period, which the person who started the server has chosen.
    name : str
        The client's name; a second client of this name gets a number.

    Raises
    ------
    DeviceError
        The server is gone, or does not run at the rate.
    """

    def __init__(
        self,
        engine: Any,
        choice: Choice,
        block: int,
        sample_rate: float,
        latency: str | float | None = None,
        name: str = NAME,
    ):
        source, target = choice.input, choice.output
        assert target is not None
        super().__init__(engine, source, target, choice.route, sample_rate)
        self._source, self._target, self._closed = source, target, False
        if target.sample_rate != sample_rate:
            other = f"it does: {target.sample_rate:g}: choose another with --rate"
            raise DeviceError(f"{target.name} does not run at {sample_rate:g} Hz, {other}")
        asked = block or frames_for(latency, sample_rate)
        by_user = not asked and any(name in os.environ for name in ("PIPEWIRE_LATENCY", "PIPEWIRE_QUANTUM"))
        settings = {} if by_user else {"PIPEWIRE_LATENCY": f"{asked or LOW_FRAMES}/{round(sample_rate)}"}
        self.client = Client(name, settings)
        self._by_jack = self.client.route == JACK_ROUTE
        self.asked_frames = asked or (0 if self._by_jack or by_user else LOW_FRAMES)
        try:
            self._share()
        except BaseException:
            self.client.close()
            raise
        # JACK has one period for all clients. On PipeWire the smallest latency of all clients counts; -b sets a period.
        self._period_before = self.client.block
        if asked and asked != self._period_before and (block or self._by_jack):
            within(OPEN_SECONDS, self.client.ask_for_block, asked)
        self._watch = Watch(lambda: engine.clock)
        self._missing, self._looked = "", 0.0
        self._latencies: tuple[int | None, int | None] = (None, None)
        self._asking = threading.Lock()  # held during calls of the library, so that the client is not closed meanwhile
        OPEN[id(self)] = self

    def _share(self) -> None:
        """Register the ports, and fill the record that the callbacks read."""
        engine, library, client = self.engine, self.client.library, self.client.handle
        inputs = int(engine.record["device_inputs"]) if self._source else 0
        outputs = int(engine.record["device_outputs"])
        self._frames = [np.zeros((LARGEST, max(channels, 1)), np.float32) for channels in (inputs, outputs)]
        for frames in self._frames:
            frames[:] = 0.0  # written here, so that the audio thread has no page fault
        self._memory = np.zeros(1, SHARED)
        shared = self._shared = self._memory[0]
        shared["get_buffer"] = ctypes.cast(library.jack_port_get_buffer, ctypes.c_void_p).value
        shared["callback"] = getattr(engine, "callback", None) or CALLBACK_KERNEL.address
        shared["engine"] = engine.address
        shared["source"], shared["target"] = (frames.ctypes.data for frames in self._frames)
        shared["inputs"], shared["outputs"] = inputs, outputs
        for side, flag, count in (("in", IS_INPUT, inputs), ("out", IS_OUTPUT, outputs)):
            for channel in range(count):
                port = library.jack_port_register(client, f"{side}_{channel + 1}".encode(), AUDIO, flag, 0)
                if not port:
                    raise DeviceError(
                        f"{self.route} refuses {inputs + outputs} more ports: close a program that uses sound"
                    )
                shared[f"{side}_ports"][channel] = port
        place = self._memory.ctypes.data
        library.jack_set_process_callback(client, PROCESS.address, place)
        library.jack_set_xrun_callback(client, COUNT_XRUN.address, place)
        library.jack_on_shutdown(client, NOTE_END.address, place)
        self._input_ports = self._source.input_ports[:inputs] if self._source else ()
        self._output_ports = self._target.output_ports[:outputs]

    def start(self) -> None:
        """Start the client, connect it, and wait until its period is the requested one, or no longer changes."""
        try:
            within(OPEN_SECONDS, self._connect)
        except DeviceError:
            self.close(patient=False)
            raise
        self._settle()

    def _connect(self) -> None:
        library, name = self.client.library, self.client.name
        if library.jack_activate(self.client.handle):
            raise DeviceError(f"{self.route} does not let {name} play: restart it")
        pairs = [(there, f"{name}:in_{n + 1}") for n, there in enumerate(self._input_ports)]
        pairs += [(f"{name}:out_{n + 1}", there) for n, there in enumerate(self._output_ports)]
        for output, into in pairs:
            if not self.client.connect(output, into):
                raise DeviceError(f"{self.route} does not connect {output} to {into}: is the device still there?")

    def connect_loop(self, out_channel: int, in_channel: int) -> bool:
        """Connect an output to an input inside the server, channels from 1; return whether that worked.

        PipeWire connects no client to itself; there the connection uses the monitor of the device that plays.
        """
        output = f"{self.client.name}:out_{out_channel}"
        if not self._by_jack:
            monitors = [d.input_ports for d in jack_devices() if d.key == f"{self._target.key}.monitor"]
            if not monitors or out_channel > len(monitors[0]):
                return False
            output = monitors[0][out_channel - 1]
        return self.client.connect(output, f"{self.client.name}:in_{in_channel}")

    def _settle(self) -> None:
        deadline, steady, period = time.monotonic() + SETTLE_SECONDS, time.monotonic(), 0
        while time.monotonic() < deadline:
            if self.block_frames != period:
                period, steady = self.block_frames or 0, time.monotonic()
            if period and (period == self.asked_frames or time.monotonic() - steady > STEADY_SECONDS):
                return
            time.sleep(0.005)

    @property
    def block_frames(self) -> int | None:
        """The frames of the server's last period; None before the first."""
        return int(self._shared["period"]) or None

    @property
    def input_latency(self) -> float | None:
        """Seconds from the input jack to the period that holds the sound, as the driver states; None: unknown."""
        if not self._input_ports:
            return 0.0
        frames = self._reported()[0]
        # the driver's number includes one period, which is reported separately as the block
        return None if frames is None else max(frames - (self.block_frames or 0), 0) / self.sample_rate

    @property
    def output_latency(self) -> float | None:
        """Seconds from a period to the output jack, as the driver states; None: unknown."""
        frames = self._reported()[1]
        return None if frames is None else frames / self.sample_rate

    def _reported(self) -> tuple[int | None, int | None]:
        """Return the latency in frames of input and output that the driver states; after `close`, the last values."""
        with self._asking:
            if not self._closed and not self._shared["ended"]:
                inward = self.client.latency(self._input_ports[0], CAPTURE) if self._input_ports else 0
                self._latencies = (inward, self.client.latency(self._output_ports[0], PLAYBACK))
        return self._latencies

    def state(self) -> str:
        """Return the device's state: `PLAYING`, `GONE`, `MOVED` to another sample rate, or `STALLED`."""
        with self._asking:
            if self._closed or self._shared["ended"]:
                return GONE
            if time.monotonic() - self._looked > LOOK_SECONDS:
                ports = (*self._input_ports, *self._output_ports)
                self._missing = next((port for port in ports if not self.client.has(port)), "")
                self._looked, self._rate_now = time.monotonic(), self.client.sample_rate
        if self._missing:
            return GONE
        if self._rate_now != self.sample_rate:
            RATE.note(self._rate_now)
            return MOVED
        return STALLED if self._watch.stalled else PLAYING

    def _why_gone(self) -> str:
        """Return a line that says why the device is gone: its port, its server or the connection has ended."""
        if self._missing:
            return f"{self.name} has stopped: {self._missing} is not there any more: is it still plugged in?"
        runs, server = (jack_runs, "the JACK server") if self._by_jack else (pipewire_runs, "PipeWire")
        for _ in range(ENDING_TRIES):  # the server notifies its clients before it has ended
            if not runs():
                return f"{self.name} has stopped: {server} has ended"
            time.sleep(ENDING_SECONDS)
        return f"{self.name} has stopped: {self.route} has closed the connection"

    def release(self) -> bool:
        """Release the device; return False while it must not be opened again because the stream may still continue."""
        state = self.state()
        if state == STALLED and self._by_jack:  # the whole server hangs, and may continue
            return False
        return self.close() or bool(self._shared["ended"])

    def close(self, patient: bool = True) -> bool:
        """Close the client; return whether that worked. Without `patient` it does not wait for a server that hangs.

        If the server does not answer, the client stays open, and the memory that its callbacks use stays allocated.
        """
        if not self._closed:
            self._reported()
            with self._asking:
                self._closed = True
            threading.Thread(target=self._close, name="rtfx close", daemon=True).start()
            deadline = time.monotonic() + (CLOSE_SECONDS if patient else 0.1)
            while id(self) in OPEN and time.monotonic() < deadline:
                time.sleep(0.002)
        return id(self) not in OPEN

    def _close(self) -> None:
        try:
            if not self._shared["ended"]:
                self.client.library.jack_deactivate(self.client.handle)
                if self._by_jack and self.client.block == self.asked_frames != self._period_before:
                    self.client.ask_for_block(self._period_before)  # the period before this client changed it
            self.client.close()
        finally:
            OPEN.pop(id(self), None)
