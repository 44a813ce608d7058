"""A sound card through PortAudio: sounddevice opens the stream, the compiled callback is its callback."""

from __future__ import annotations

import threading

from ..engine.engine import Engine
from ..engine.process import CALLBACK_KERNEL
from ..errors import DeviceError
from .choose import Choice
from .device import ALSA, GONE, MOVED, PLAYING, STALLED, Device, DeviceStream, Watch
from .devices import sample_rates
from .portaudio import OPEN, left_behind, quiet, sounddevice
from .realtime import enable_alsa
from .timeouts import within

OPEN_SECONDS, CLOSE_SECONDS = 5.0, 1.5
LOW_FRAMES = 64  # period of the card that latency "low" requests
ALSA_PERIODS = 3  # PortAudio gives ALSA's buffer four periods, of which three wait to be played


class PortAudioHost(DeviceStream):
    """One open PortAudio stream. [control thread]

    Parameters
    ----------
    block : int
        Frames per callback to request; 0: `latency` decides.
    sample_rate : float
        Hz.
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
        module = self._module = sounddevice()
        source, target = choice.input, choice.output
        assert target is not None
        channels = (int(engine.record["device_inputs"]), int(engine.record["device_outputs"]))
        duplex = source is not None and channels[0] > 0
        ffi = module._ffi
        self.asked_frames = block
        latency = latency or "low"
        if target.host_api == ALSA and (block or latency == "low"):
            # PortAudio cuts a block of its own out of the card's periods and hides them: ask the card for its period.
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

        self._device = source or target  # the device that an error names
        try:
            with quiet():
                self._stream = within(OPEN_SECONDS, build)
        except DeviceError:
            raise
        except Exception as error:
            raise explain(error, self._device, sample_rate) from error
        OPEN[id(self)] = (self, self._stream, engine)
        enable_alsa(module, self._stream, target.host_api)
        reported = self._stream.latency
        both = reported if isinstance(reported, tuple) else (0.0, reported)
        self.input_latency, self.output_latency = (float(seconds) for seconds in both)
        super().__init__(engine, source, target, choice.route, float(self._stream.samplerate))
        self._closed, self._watch = False, Watch(lambda: engine.clock)

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

    def state(self) -> str:
        """Return the device's state: `PLAYING`, `GONE`, `MOVED` to another sample rate, or `STALLED`."""
        if self._closed or not self._stream.active:
            return GONE
        info = self._module._lib.Pa_GetStreamInfo(self._stream._ptr)
        self._rate_now = float(info.sampleRate) if info else self.sample_rate  # some sound systems change it
        if self._rate_now != self.sample_rate:
            return MOVED
        return STALLED if self._watch.stalled else PLAYING

    @property
    def block_frames(self) -> int | None:
        """The largest block, in frames, that the device has requested; None before the first block."""
        return int(self.engine.record["largest_block"]) or None

    def release(self) -> bool:
        """Release the device; return False while it must not be opened again because the stream may still continue."""
        return self.close()

    def close(self, patient: bool = True) -> bool:
        """Close the stream; return whether that worked. Without `patient` it does not wait for a device that hangs.

        A stream that hangs stays open, and the memory that it may still use stays allocated.
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


def explain(error: Exception, device: Device, sample_rate: float) -> DeviceError:
    """Return PortAudio's error about a device at a rate in Hz as one line that says what to do."""
    name = device.label
    code = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
    text = " ".join(str(part) for part in error.args).replace("\n", " ")
    lower = text.lower()
    if "permission" in lower or "not permitted" in lower:
        remedy = "sudo usermod -aG audio $USER, then log in again"
        return DeviceError(f"no permission to open {name}: {remedy}")
    if code == -9985 or "busy" in lower or "device unavailable" in lower:
        return DeviceError(
            f"{name} is busy: another program holds it; close that program, or choose another device: see rtfx devices"
        )
    if code == -9997 or "invalid sample rate" in lower:
        rates = sample_rates(device)
        known = f", it does: {', '.join(map(str, rates))}" if rates else ""
        return DeviceError(f"{name} does not run at {sample_rate:g} Hz{known}: choose another with --rate")
    if code == -9998 or "invalid number of channels" in lower:
        return DeviceError(f"{name} does not have that many channels: see rtfx devices")
    if code == -9996 or "no such device" in lower or "invalid device" in lower:
        return DeviceError(f"{name} is gone: is it still plugged in? See rtfx devices")
    return DeviceError(f"{name} cannot be opened ({text}): try another with --device: see rtfx devices")
