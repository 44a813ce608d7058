"""A sound card through PortAudio: sounddevice opens the stream, the compiled callback is its callback."""

from __future__ import annotations

import threading

from ..engine.engine import Engine
from ..engine.process import CALLBACK_KERNEL
from ..errors import DeviceError
from . import device_state
from .choose import Choice
from .device import Device
from .device_state import GONE, MOVED, PLAYING, STALLED, Watch
from .devices import explain
from .realtime import enable_alsa
from .restart_portaudio import OPEN
from .route import ALSA, left_behind, quiet, sounddevice
from .timeouts import within

OPEN_SECONDS = 5.0
CLOSE_SECONDS = 1.5
LOW_FRAMES = 64  # a period of the card that latency "low" asks for
ALSA_PERIODS = 3  # PortAudio makes ALSA's buffer of four, of which three wait to be played


class PortAudioHost:
    """One open PortAudio stream. All methods are for the control thread.

    Parameters
    ----------
    block : int
        Frames per callback to ask for; 0: by `latency`.
    latency : str, float or None
        "low", "high" or seconds; None: low.

    Raises
    ------
    DeviceError
        The device is busy, does not run at the rate, or may not be used.
    """

    def __init__(
        self, engine: Engine, choice: Choice, block: int, sample_rate: float, latency: str | float | None = None
    ):
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
        self.asked_frames = block
        latency = latency or "low"
        if target.host_api == ALSA and (block or latency == "low"):
            # A block of its own is cut out of the card's periods and hides them: the card is asked for its period.
            self.asked_frames = block or LOW_FRAMES
            block, latency = 0, ALSA_PERIODS * self.asked_frames / sample_rate

        def build():
            return module._StreamBase(
                "duplex" if duplex else "output",
                samplerate=sample_rate,
                blocksize=block,
                device=(source.portaudio, target.portaudio) if duplex and source else target.portaudio,
                channels=channels if duplex else channels[1],
                dtype=("float32", "float32") if duplex else "float32",
                latency=latency,
                extra_settings=None,
                callback=ffi.cast("PaStreamCallback *", getattr(engine, "callback", None) or CALLBACK_KERNEL.address),
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
        self.sample_rate = float(self._stream.samplerate)
        self._device, self._closed = _blamed(source, target), False
        self._watch = Watch(lambda: engine.clock)

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
        return STALLED if self._watch.stalled else PLAYING

    @property
    def block_frames(self) -> int | None:
        """The most frames that the device has asked for at once; None before the first."""
        return int(self.engine.record["largest_block"]) or None

    def _rate_now(self) -> float:
        """Return the stream's rate as it is; some sound systems change it."""
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
            return f"{self.name} has not asked for sound for {device_state.STALL_SECONDS:g} s"
        return f"{self.name} has stopped: is it still plugged in?"

    def release(self) -> bool:
        """Give the device up; False as long as it must not be opened again: the stream may still come alive."""
        return self.close()

    def close(self, patient: bool = True) -> bool:
        """Close the stream; return whether that worked. Not `patient`: the device is known not to answer.

        One that hangs is left behind with the memory it may still use.
        """
        if self._closed:
            return id(self) not in left_behind
        self._closed = True

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
