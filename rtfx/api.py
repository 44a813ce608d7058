"""What users call: models and rigs as functions of arrays, as file renderers and as live streams."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .effects.table import BLOCKS
from .errors import UsageError
from .live.stream import Stream
from .model.load import load as load_spec
from .model.spec import ModelSpec
from .model.update import weights_of, with_weights
from .model.write.save import Converted, convert
from .notebook.html import model_table
from .plan.block import ReadyBlock
from .plan.resolve import checked
from .rig.random_block import turned_in
from .rigs import Rig

__all__ = ["Model", "Rig", "Stream", "from_keras", "from_torch", "load"]


def load(path: str | Path, *, inputs: str | None = None, **knobs: float) -> Model:
    """Return a model by path, by name or as ``random:KIND?key=value``.

    Parameters
    ----------
    path : str or Path
    inputs : str, optional
        "channels" or "knobs": what the inputs of a net are that has several, whatever its file says or is guessed.
    **knobs : float
        Values of the model's knobs, 0 to 1.

    Raises
    ------
    RtfxError
        One line: what was found, what was expected, what to do.
    """
    return Model(load_spec(path, inputs=inputs), **knobs)


def from_torch(
    module: Any,
    example: Any = None,
    knobs: Sequence[str] | None = None,
    sample_rate: float | None = None,
    name: str | None = None,
) -> Model:
    """Return a PyTorch module as a model.

    Parameters
    ----------
    module : torch.nn.Module
        Evaluated as after ``module.eval()``.
    example : torch.Tensor or tuple of them, optional
        What it is called with, with a batch of 1: audio, (1, features, frames) or (1, frames, features), then knobs.
    knobs : sequence of str, optional
        Names of the knobs: the last features of the audio, then the inputs after it.
    sample_rate : float, optional
        Hz; without it the model runs at the stream's.

    Raises
    ------
    RtfxError
        Names the operation that is no layer of rtfx, or says that PyTorch is missing.
    """
    from .model.read.pt2 import spec_from_torch

    return Model(spec_from_torch(module, example, knobs, sample_rate, name))


def from_keras(
    model: Any, knobs: Sequence[str] | None = None, sample_rate: float | None = None, name: str | None = None
) -> Model:
    """Return a Keras 3 model, Sequential or functional, as a model.

    Parameters
    ----------
    model : keras.Model
        Of input shape (batch, frames, features), recurrent layers with return_sequences=True.
    knobs : sequence of str, optional
        Names of the knobs: the last features of the input; without it those of guitar captures.
    sample_rate : float, optional
        Hz; without it the model runs at the stream's.

    Raises
    ------
    RtfxError
        Names the layer that rtfx has none for.
    """
    from .model.read.keras_file import spec_from_keras

    return Model(spec_from_keras(model, knobs, sample_rate, name))


class Model:
    """A neural model as a function of arrays.

    Attributes
    ----------
    spec : ModelSpec
        What the file says.
    knobs : dict
        Values by name; read at each call that resets.

    It may be used from any thread: calls take turns, so that each gets the result that it would have got alone. Pickled
    or copied it keeps its knobs and what it has learned; the copy begins anew, and no stream plays it.
    """

    def __init__(self, spec: ModelSpec, **knobs: float):
        self._begin(spec, {knob.name: knob.default for knob in spec.knobs})
        for name, value in knobs.items():
            self.set(name, value)

    def _begin(self, spec: ModelSpec, knobs: dict[str, float]) -> None:
        """Begin as the file says; set up what no copy shares."""
        self.spec = self._file = spec
        self.knobs = knobs
        self._rig = Rig([self])
        self._lock = threading.Lock()
        self._streams: weakref.WeakKeyDictionary[Stream, list[tuple[int, str]]] = weakref.WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        own = ("_file", "_rig", "_lock", "_streams")
        return {"file": self._file} | {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(state["file"], dict(state["knobs"]))  # a model that has learned keeps the level that its file has
        vars(self).update({name: value for name, value in state.items() if name not in ("file", "knobs")})

    def set(self, name: str, value: float) -> None:
        """Set a knob; raises UsageError for an unknown name or a value out of range."""
        block = ReadyBlock(self.spec.name or "model", BLOCKS["model"], {}, self.spec)
        if name in {parameter.name for parameter in turned_in(self.spec.name)}:
            raise UsageError(f"{name} of a random net is turned in a rig, or stands in its name: random:KIND?{name}=")
        self.knobs[name] = float(checked(block, name, value))

    def __call__(
        self, x: ArrayLike, sample_rate: float, reset: bool = True, bare: bool = False, cold: bool = False
    ) -> NDArray[np.float32]:
        """Return the model's output for audio.

        Parameters
        ----------
        x : (n,) or (channels, n)
            An array, list or torch tensor of any type of number; full scale is 1. A mono model runs one independent
            instance per channel, one of several inputs takes as many channels.
        sample_rate : float
            Hz. Where the model's own rate is known and differs, audio is converted there and back.
        reset : bool
            Begin anew, prewarmed; False continues the last call.
        bare : bool
            The function that the model's training code calls forward, nothing else.
        cold : bool
            No prewarm: start from the state stored in the file, else zeros.

        Returns
        -------
        float32 array, the same layout and length; a model of several outputs gives ``(outputs, n)``.

        Raises
        ------
        UnsupportedInput
            No numbers, channels that the model does not take, or more than 32: ``(n, channels)``, to be transposed.
        UsageError
            A rate that is no number of Hz, or ``reset=False`` at another one than the last call's.
        """
        return self._rig(x, sample_rate, reset, bare=bare, cold=cold)

    def reset(self) -> None:
        """Have the next call begin anew, whatever its `reset` says."""
        self._rig.forget()

    def update(self, source: Any) -> None:
        """Take other weights of the same shapes: at once where it plays, crossfaded, the state kept, nothing compiled.

        Parameters
        ----------
        source : Model, ModelSpec, torch module, or mapping of name to tensor or array
            A mapping is a PyTorch state_dict, whose layers are taken in their order, or one of the kind of `weights`.
            It is copied before this returns. Of many calls, as in training, those that come faster than the fade of
            20 ms are skipped: the latest counts.

        Raises
        ------
        ModelError
            A shape that the model has not (ShapeMismatch), NaN or infinity: the sound goes on with the old weights.
        UsageError
            Something else.
        """
        with self._lock:
            self.spec = with_weights(self.spec, source)
            for stream, places in list(self._streams.items()):
                for preset, block in places:
                    stream.controller.update(preset, block, self.spec)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """A copy of every array of the model, float64, by ``node3.weight``; `update` takes it back."""
        return weights_of(self.spec)

    def heard_in(self, stream: Stream, preset: int, block: str) -> None:
        """Have `update` reach a block of a stream for as long as the stream exists."""
        with self._lock:
            self._streams.setdefault(stream, []).append((preset, block))

    def save(self, path: str | Path, to: str | None = None) -> Converted:
        """Write the model in a format, load what was written, and compare the two.

        Parameters
        ----------
        path : str or Path
            An existing file is replaced.
        to : str, optional
            "rtfx", "rtneural", "nam", "aidax" or "proteus"; without it the suffix of `path` decides.

        Returns
        -------
        Converted : `parity` says how near the file is, `warnings` what it does not say.

        Raises
        ------
        RtfxError
            Names the node that the format has no place for, and the formats that have one.
        """
        return convert(self.spec, path, to)

    def _repr_html_(self) -> str:
        return model_table(self.spec, self.knobs)

    def __repr__(self) -> str:
        return f"<rtfx.Model {self.spec.name or self.spec.family}: {self.spec.parameter_count} weights>"
