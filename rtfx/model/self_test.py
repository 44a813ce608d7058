"""The self-test in a model file: an input with the output that its exporter saw, or a loudness that its trainer saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ShapeMismatch
from ..find import find_model
from .load import parse
from .read import aidax
from .spec import ModelSpec
from .values import tensor

BATCH_TOLERANCE = 1e-5  # AIDA-X's own, full scale being 1
LOUDNESS_TOLERANCE_DB = 0.001  # a net without recurrence is within 0.00002 dB of what the trainer stored
LOUDNESS_TOLERANCE_RECURRENT_DB = 0.5  # the trainer starts from another state: up to 0.3 dB were seen


@dataclass(frozen=True, eq=False)
class BatchTest:
    """What a file says that its net answers.

    Parameters
    ----------
    spec : ModelSpec
        The file's model with gains of 1, to be run from zero state with its knobs at 0.
    x, y : (frames,) float64
        Input and expected output.
    """

    spec: ModelSpec
    x: np.ndarray
    y: np.ndarray


def batch_test(name: str | Path, spec: ModelSpec) -> BatchTest | None:
    """Return the test in the AIDA-X file `name`, whose model is `spec`; None where there is none.

    Raises
    ------
    ModelError
        Batches that are no numbers, or of different lengths.
    """
    if spec.family != "aidax" or spec.inputs > 1:  # the batches are of one channel
        return None
    path = find_model(name)
    data: dict[str, Any] = parse(path)
    if not (data.get("input_batch") and data.get("output_batch")):
        return None
    x, y = (tensor(data[key], f"{path}: {key}", axes=1) for key in ("input_batch", "output_batch"))
    if x.shape != y.shape:
        raise ShapeMismatch(f"{path}: input_batch has {x.size} samples, output_batch {y.size}, expected as many")
    return BatchTest(aidax.read({**data, "in_gain": 0.0, "out_gain": 0.0}, path), x, y)


def loudness_tolerance_db(spec: ModelSpec) -> float:
    """Return how far the loudness in a NAM file may be from what its model gives, in dB."""
    return LOUDNESS_TOLERANCE_RECURRENT_DB if spec.recurrent else LOUDNESS_TOLERANCE_DB
