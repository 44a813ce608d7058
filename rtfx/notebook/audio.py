"""Audio that a notebook shows as a player: samples and their rate, embedded as WAV."""

from __future__ import annotations

import base64
import io
import wave
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..engine.engine import Engine
from ..host.render import planar

EMBED_SECONDS = 60.0  # the last of longer audio: a minute of mono is 8 MB of text in the notebook


@dataclass(frozen=True, eq=False)
class Audio:
    """Samples and their rate.

    Parameters
    ----------
    samples : (n,) or (channels, n)
        Full scale is 1; kept as float32.
    sample_rate : float
        Hz.

    Raises
    ------
    UnsupportedInput
        More than 32 channels, or no numbers.
    """

    samples: Any
    sample_rate: float

    def __post_init__(self) -> None:
        audio = planar(self.samples)
        object.__setattr__(self, "samples", audio[0] if np.ndim(self.samples) == 1 else audio)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.samples, dtype) if copy or dtype else np.asarray(self.samples)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(np.shape(self.samples)[-1] / self.sample_rate)

    def wav(self) -> bytes:
        """Return a WAV file of 16 bits; beyond full scale it clips."""
        audio = np.atleast_2d(self.samples)
        data = np.round(np.clip(np.nan_to_num(audio), -1.0, 1.0) * 32767.0).astype("<i2")
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(audio.shape[0])
            writer.setsampwidth(2)
            writer.setframerate(round(self.sample_rate))
            writer.writeframes(np.ascontiguousarray(data.T).tobytes())
        return file.getvalue()

    def _repr_html_(self) -> str:
        last = round(EMBED_SECONDS * self.sample_rate)
        text = base64.b64encode(Audio(np.atleast_2d(self.samples)[:, -last:], self.sample_rate).wav()).decode()
        return f'<audio controls src="data:audio/wav;base64,{text}"></audio>'

    def __repr__(self) -> str:
        channels = np.atleast_2d(self.samples).shape[0]
        return f"<rtfx.Audio {self.seconds:.2f} s, {channels} channels at {self.sample_rate:g} Hz>"


def played(engine: Engine, frames: int | None) -> Audio:
    """Return at most the last minute of the audio that an engine has played; `frames` is the stream's length."""
    rings, rate = engine.rings, float(engine.record["sample_rate"])
    if rings is None:
        return Audio(np.zeros((int(engine.record["outputs"]), 0), np.float32), rate)
    last = rings.head if frames is None else min(rings.head, frames)
    _, samples = rings.read(rings.wet, max(last - round(EMBED_SECONDS * rate), 0), last)
    return Audio(np.ascontiguousarray(samples.T), rate)
