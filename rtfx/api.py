"""The public functions and the class `Model`: models as functions of arrays, file renderers and live streams."""

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
        A path, or the name of a model in the user's folder or among the shipped ones.
    inputs : str, optional
        "channels" or "knobs": how a net with several inputs uses them. It overrides what the file says.
    **knobs : float
        Values of the model's knobs, 0 to 1.

    Returns
    -------
    Model

    Raises
    ------
    RtfxError
        The file does not exist or cannot be used; the message says what was found, what was expected and what to do.
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
        It is read in evaluation mode, as after ``module.eval()``.
    example : torch.Tensor or tuple of them, optional
        Arguments for a call with a batch of 1: audio, (1, features, frames) or (1, frames, features), then knobs.
    knobs : sequence of str, optional
        Names of the knobs: first of the last features of the audio, then of the inputs after the audio.
    sample_rate : float, optional
        The rate the model was made for, in Hz; by default the model runs at the rate of each call or stream.
    name : str, optional
        A name for messages and displays.

    Returns
    -------
    Model

    Raises
    ------
    RtfxError
        rtfx has no layer for an operation of the module, which the message names, or PyTorch is not installed.
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
        Its input has the shape (batch, frames, features); recurrent layers have return_sequences=True.
    knobs : sequence of str, optional
        Names of the knobs, which are the last features of the input; by default those of guitar captures.
    sample_rate : float, optional
        The rate the model was made for, in Hz; by default the model runs at the rate of each call or stream.
    name : str, optional
        A name for messages and displays.

    Returns
    -------
    Model

    Raises
    ------
    RtfxError
        rtfx has no counterpart of a layer, which the message names.
    """
    from .model.read.keras_file import spec_from_keras

    return Model(spec_from_keras(model, knobs, sample_rate, name))


class Model:
    """A neural model as a function of arrays.

    Attributes
    ----------
    spec : ModelSpec
        The architecture and the weights.
    knobs : dict
        Value of each knob by name, 0 to 1. Each call with ``reset=True`` reads them.

    A model may be used from any thread: a lock lets one call run at a time, so each call returns the same result as if
    it were the only one. A pickle or a copy keeps the knobs and the weights it has learned; it starts from rest, and no
    stream plays it.
    """

    def __init__(self, spec: ModelSpec, **knobs: float):
        self._begin(spec, {knob.name: knob.default for knob in spec.knobs})
        for name, value in knobs.items():
            self.set(name, value)

    def _begin(self, spec: ModelSpec, knobs: dict[str, float]) -> None:
        """Start with the weights of the file; set up the state that a copy does not share."""
        self.spec = self._file = spec
        self.knobs = knobs
        self._rig = Rig([self])
        self._lock = threading.Lock()
        self._streams: weakref.WeakKeyDictionary[Stream, list[tuple[str, str]]] = weakref.WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        own = ("_file", "_rig", "_lock", "_streams")
        return {"file": self._file} | {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(state["file"], dict(state["knobs"]))  # a model that has learned keeps the level of its file
        vars(self).update({name: value for name, value in state.items() if name not in ("file", "knobs")})

    def set(self, name: str, value: float) -> None:
        """Set a knob; it takes effect at the next call with ``reset=True``. [any thread]

        Parameters
        ----------
        name : str
            Name of the knob.
        value : float
            0 to 1.

        Raises
        ------
        UsageError
            The model has no such knob, or the value is out of range.
        """
        block = ReadyBlock(self.spec.name or "model", BLOCKS["model"], {}, self.spec)
        if name in {parameter.name for parameter in turned_in(self.spec.name)}:
            raise UsageError(f"{name} of a random net is turned in a rig, or stands in its name: random:KIND?{name}=")
        self.knobs[name] = float(checked(block, name, value))

    def __call__(
        self, x: ArrayLike, sample_rate: float, reset: bool = True, bare: bool = False, cold: bool = False
    ) -> NDArray[np.float32]:
        """Return the model's output for audio; calls of one model run one after the other. [any thread]

        Parameters
        ----------
        x : (n,) or (channels, n)
            Audio as an array, list or torch tensor of any type of number, with full scale at 1. A mono model runs one
            independent instance per channel; a model with several inputs takes as many channels.
        sample_rate : float
            Rate of `x` in Hz. If the model was made for another rate, the audio is converted to that rate and back.
        reset : bool
            Start from rest, prewarmed; False continues with the state of the last call.
        bare : bool
            Run only the function that the model's training code calls forward: no levels and no DC blocker.
        cold : bool
            Do not prewarm: start from the state stored in the file, else from zeros.

        Returns
        -------
        float32 array of the same layout and length
            A model with several outputs returns ``(outputs, n)``.

        Raises
        ------
        UnsupportedInput
            `x` does not hold numbers, or the model does not take this number of channels. More than 32 channels mean
            that the array is probably ``(n, channels)`` and must be transposed.
        UsageError
            The rate is not a number of Hz, or ``reset=False`` at another rate than that of the last call.
        """
        return self._rig(x, sample_rate, reset, bare=bare, cold=cold)

    def reset(self) -> None:
        """Make the next call start from rest, even with ``reset=False``. [any thread]"""
        self._rig.forget()

    def update(self, source: Any) -> None:
        """Replace the weights by others of the same shapes. [any thread]

        Streams that play the model crossfade to the new weights and keep its state; nothing is compiled.

        Parameters
        ----------
        source : Model, ModelSpec, torch module, or mapping of name to tensor or array
            A mapping is a PyTorch state_dict, whose layers are matched in their order, or has the names of `weights`.
            The weights are copied before this returns. If several calls, as in training, come within one fade of 20 ms,
            streams play only the weights of the latest.

        Raises
        ------
        ModelError
            A shape differs from the model's (ShapeMismatch), or a weight is NaN or infinite: the old weights stay.
        UsageError
            `source` has another type.
        """
        with self._lock:
            self.spec = with_weights(self.spec, source)
            for stream, places in list(self._streams.items()):
                for preset, block in places:
                    stream.controller.update(preset, block, self.spec)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """A copy of every array of the model. [any thread]

        Returns
        -------
        dict of str to float64 array
            By names such as ``node3.weight``; `update` accepts the dict.
        """
        return weights_of(self.spec)

    def link_to(self, stream: Stream, preset: str, block: str) -> None:
        """Make `update` also change a block of a stream, as long as the stream exists. [any thread]

        `Rig.play` calls it for every block that was given as a `Model`.

        Parameters
        ----------
        stream : Stream
            It is referred to weakly.
        preset : str
            Name of the preset in the set list.
        block : str
            The block's id.
        """
        with self._lock:
            self._streams.setdefault(stream, []).append((preset, block))

    def save(self, path: str | Path, to: str | None = None) -> Converted:
        """Write the model in a format, load the file, and compare the two. [any thread]

        Parameters
        ----------
        path : str or Path
            The file to write; an existing one is replaced.
        to : str, optional
            "rtfx", "rtneural", "nam", "aidax" or "proteus"; without it the suffix of `path` decides.

        Returns
        -------
        Converted
            `parity` measures the difference between the file and the model; `warnings` lists what the file cannot hold.

        Raises
        ------
        RtfxError
            The format cannot hold a node of the model; the message names the node and the formats that can hold it.
        """
        return convert(self.spec, path, to)

    def _repr_html_(self) -> str:
        return model_table(self.spec, self.knobs)

    def __repr__(self) -> str:
        return f"<rtfx.Model {self.spec.name or self.spec.family}: {self.spec.parameter_count} weights>"
