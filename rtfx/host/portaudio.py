"""A sound card through PortAudio: sounddevice opens the stream, the compiled callback is its callback."""

from __future__ import annotations

import threading

from ..engine.engine import Engine
from ..engine.process import CALLBACK_KERNEL
from .choose import Choice
from .devices import Device, explain
from .realtime import enable_alsa
from .route import quiet, sounddevice

CLOSE_SECONDS = 2.0  # closing a stream whose JACK server has died never returns: it is left to a daemon thread
_OPEN: dict[int, tuple] = {}  # streams by id, with the memory they use: kept until they are closed


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
        self.engine, self.route = engine, choice.route
        source, target = choice.input, choice.output
        assert target is not None
        self.input_name, self.output_name = source.name if source else "none", target.name
        self.name = (
            self.output_name if source is None or source.index == target.index else f"{source.name} > {target.name}"
        )
        channels = (int(engine.record["device_inputs"]), int(engine.record["device_outputs"]))
        duplex = source is not None and channels[0] > 0
        ffi = module._ffi
        try:
            with quiet():
                self._stream = module._StreamBase(
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
        except Exception as error:
            raise explain(error, _blamed(source, target), sample_rate) from error
        _OPEN[id(self)] = (self._stream, engine)
        enable_alsa(module, self._stream, target.host_api)
        reported = self._stream.latency
        self.latency_seconds = float(sum(reported)) if isinstance(reported, tuple) else float(reported)
        self.block = block
        self.sample_rate = self._stream.samplerate
        self._device = _blamed(source, target)

    def start(self) -> None:
        """Start the stream."""
        try:
            self._stream.start()
        except Exception as error:
            self.close()
            raise explain(error, self._device, self.sample_rate) from error

    @property
    def active(self) -> bool:
        """False when the device has gone."""
        return bool(self._stream.active)

    def close(self) -> None:
        """Close the stream; a close that hangs is left behind after two seconds with the memory it may still use."""

        def close():
            try:
                self._stream.close(ignore_errors=True)
            finally:
                _OPEN.pop(id(self), None)

        closer = threading.Thread(target=close, name="rtfx close", daemon=True)
        closer.start()
        closer.join(CLOSE_SECONDS)


def _blamed(source: Device | None, target: Device) -> Device:
    return target if source is None else source
