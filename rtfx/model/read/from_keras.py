"""Turns a Keras 3 model into a model: Sequential or functional, by its config and its layers' weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ModelError, UnsupportedArchitecture, UsageError
from ..spec import ModelSpec
from .keras_graph import spec_from_config


def spec_from_keras(
    model: Any, knobs: Sequence[str] | None = None, sample_rate: float | None = None, name: str | None = None
) -> ModelSpec:
    """Return the model that a Keras model of shape (batch, frames, features) is.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names the layer that rtfx has none for.
    UsageError
        No Keras model.
    """
    if not callable(getattr(model, "get_config", None)) or not hasattr(model, "layers"):
        raise UsageError(f"expected a Keras model, found {type(model).__name__}")
    try:
        config, width = model.get_config(), int(model.input_shape[-1])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        raise UnsupportedArchitecture(f"not understood ({type(error).__name__}: {error})") from error
    return spec_from_config(config, _weights(model), width, knobs, sample_rate, name or str(model.name))


def _weights(model: Any) -> dict[str, Any]:
    """Return the tensors of every layer by its name, those of a model inside in a dict of their own."""
    return {
        layer.name: _weights(layer)
        if hasattr(layer, "layers")
        else [np.asarray(w, np.float64) for w in layer.get_weights()]
        for layer in model.layers
    }
