"""A sound card through PortAudio: sounddevice opens the stream, the compiled callback is its callback."""

from __future__ import annotations

import threading
import time

from ..engine.engine import Engine
from ..engine.process import CALLBACK_KERNEL
from ..errors import DeviceError
from .choose import Choice
from .devices import Device, explain
from .patience import within
from .realtime import enable_alsa
from .renew import OPEN
from .route import JACK, jack_runs, left_behind, prepare, quiet, sounddevice

OPEN_SECONDS = 5.0
CLOSE_SECONDS = 1.5
STALL_SECONDS, FIRST_BLOCK_SECONDS = 3.0, 10.0  # without a block; Bluetooth takes its time to begin
ENDING_TRIES, ENDING_SECONDS = 4, 0.1
UNWATCHED_SECONDS = 0.5  # nobody looked: the process was suspended, and so was its sound
PLAYING, GONE, MOVED, STALLED = "playing", "gone", "moved", "stalled"


class PortAudioHost:
    """One open PortAudio stream. All methods are for the control thread.

    Parameters
    ----------
    block : int
        Frames per callback; 0 lets the device choose, which is the lowest latency: any other value adds a block.
    latency : str or float
        "low", "high" or seconds.

    Raises
    ------
    DeviceError
        The device is busy, does not run at the rate, or may not be used.
    """

    def __init__(self, engine: Engine, choice: Choice, block: int, sample_rate: float, latency: str | float = "low"):
        module = sounddevice()
        self.engine, self.route, self._module = engine, choice.route, module
        source, target = choice.input, choice.output
        assert target is not None
        self.input_name, self.output_name = source.name if source else "none", target.name
        self.name = (
            self.output_name if source is None or source.index == target.index else f"{source.name} > {target.name}"
        )
        channels = (int(engine.record["device_inputs"]), int(engine.record["device_outputs"]))
        duplex = source is not None and channels[0] > 0
        ffi = module._ffi

        def build():
            return module._StreamBase(
                "duplex" if duplex else "output",
                samplerate=sample_rate,
                blocksize=block,
                device=(source.index, target.index) if duplex and source else target.index,
                channels=channels if duplex else channels[1],
                dtype=("float32", "float32") if duplex else "float32",
                latency=latency,
                extra_settings=None,
                callback=ffi.cast("PaStreamCallback *", CALLBACK_KERNEL.address),
                finished_callback=None,
                clip_off=True,
                dither_off=True,
                never_drop_input=None,
                prime_output_buffers_using_stream_callback=None,
                userdata=ffi.cast("void *", engine.address),
                wrap_callback=None,
            )

        try:
            with quiet():
                self._stream = within(OPEN_SECONDS, build)
        except DeviceError:
            raise
        except Exception as error:
            raise explain(error, _blamed(source, target), sample_rate) from error
        OPEN[id(self)] = (self, self._stream, engine)
        enable_alsa(module, self._stream, target.host_api)
        reported = self._stream.latency
        both = reported if isinstance(reported, tuple) else (0.0, reported)
        self.input_latency, self.output_latency = (float(seconds) for seconds in both)
        self.block = block
        self.sample_rate = float(self._stream.samplerate)
        self._target, self._device = target, _blamed(source, target)
        self._closed = False
        self._first = engine.clock
        self._seen = (self._first, time.monotonic(), time.monotonic())  # clock, when it moved, when it was looked at

    def start(self) -> None:
        """Start the stream."""
        try:
            within(OPEN_SECONDS, self._stream.start)
        except DeviceError:
            left_behind.add(id(self))
            raise
        except Exception as error:
            self.close()
            raise explain(error, self._device, self.sample_rate) from error

    @property
    def active(self) -> bool:
        """False when the device has gone, has another rate, or has asked for nothing for seconds."""
        return self.state() == PLAYING

    def state(self) -> str:
        """Return how the device is: `PLAYING`, `GONE`, `MOVED` to another sample rate, or `STALLED`."""
        if self._closed or not self._stream.active:
            return GONE
        if self._rate_now() != self.sample_rate:
            return MOVED
        clock, moved, looked = self._seen
        now, clock_now = time.monotonic(), self.engine.clock
        if clock_now != clock or now - looked > UNWATCHED_SECONDS:
            moved = now
        self._seen = (clock_now, moved, now)
        return STALLED if now - moved > (STALL_SECONDS if clock_now > self._first else FIRST_BLOCK_SECONDS) else PLAYING

    def _rate_now(self) -> float:
        """Return the stream's rate as it is; a JACK server may change it, and PipeWire does."""
        info = self._module._lib.Pa_GetStreamInfo(self._stream._ptr)
        return float(info.sampleRate) if info else self.sample_rate

    def trouble(self) -> str:
        """Return in a line why there is no sound, "" while there is."""
        state = self.state()
        if state == PLAYING:
            return ""
        if state == MOVED:
            return f"{self.name}: its sample rate has changed from {self.sample_rate:g} to {self._rate_now():g} Hz"
        if state == STALLED:
            return f"{self.name} has not asked for sound for {STALL_SECONDS:g} s"
        if self._target.host_api != JACK:
            return f"{self.name} has stopped: is it still plugged in?"
        for _ in range(ENDING_TRIES if prepare() == "jack" else 0):  # its clients hear of its end before it has ended
            if not jack_runs():
                return f"{self.name} has stopped: the JACK server has ended"
            time.sleep(ENDING_SECONDS)
        return f"{self.name} has stopped: {self.route} has closed the connection"

    def release(self) -> bool:
        """Give the device up; False as long as it must not be opened again: the stream may still come alive."""
        if self._target.host_api == JACK and self.state() == STALLED:
            return False
        dead = self._target.host_api == JACK and self.state() == GONE
        return self.close() or dead

    def close(self, patient: bool = True) -> bool:
        """Close the stream; return whether that worked. Not `patient`: the device is known not to answer.

        One that hangs is left behind with the memory it may still use, and one whose JACK server has died is not even
        tried: PortAudio would wait for ten minutes and then abort the process.
        """
        if self._closed:
            return id(self) not in left_behind
        dead, self._closed = self._target.host_api == JACK and self.state() in (GONE, STALLED), True
        if dead:
            left_behind.add(id(self))
            return False

        def close():
            try:
                self._stream.close(ignore_errors=True)
            finally:
                OPEN.pop(id(self), None)
                left_behind.discard(id(self))

        left_behind.add(id(self))
        closer = threading.Thread(target=close, name="rtfx close", daemon=True)
        closer.start()
        closer.join(CLOSE_SECONDS if patient else 0.1)
        return id(self) not in left_behind


def _blamed(source: Device | None, target: Device) -> Device:
    return target if source is None else source
