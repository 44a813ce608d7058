"""A training on disk, in one file beside the model: what an interrupted run goes on from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError, UsageError, reason_of
from ..files import DAMAGED_ZIP, read_file, replacement
from .fit import Checkpoint, Report

SUFFIX = ".rtfx-train"


def sidecar_of(model: Path) -> Path:
    """Return where the training of a model is kept."""
    return model.with_suffix(SUFFIX)


def save(path: Path, checkpoint: Checkpoint, about: Mapping[str, Any]) -> None:
    """Write a checkpoint, and what it is the training of, in one step.

    Raises
    ------
    ModelError
        It cannot be written.
    """
    said = {"about": dict(about), "reports": [dataclasses.asdict(report) for report in checkpoint.reports]}
    tensors = {f"learner/{name}": value for name, value in checkpoint.learner.items()}
    tensors |= {f"best/{name}": value for name, value in checkpoint.best.items()}
    try:
        with replacement(path) as part, open(part, "xb") as file:
            np.savez(file, said=np.array(json.dumps(said)), **tensors)  # type: ignore[arg-type]
    except OSError as error:
        raise ModelError(f"{path}: the training cannot be kept: {reason_of(error)}") from error


def restore(path: Path, about: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint of the training that `about` describes.

    Raises
    ------
    UsageError
        There is none, it is damaged, or it is of another training: names what differs.
    """
    try:
        with np.load(BytesIO(read_file(path)), allow_pickle=False) as file:
            tensors = {name: file[name] for name in file.files}
            said = json.loads(str(tensors.pop("said")))
            reports, known = [Report(**report) for report in said["reports"]], dict(said["about"])
    except FileNotFoundError:
        raise UsageError(f"{path}: no such training to go on with; leave --resume out to begin one") from None
    except (*DAMAGED_ZIP, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"{path} is no training of this version ({error}): leave --resume out to begin anew"
        ) from error
    for key, value in about.items():
        if known.get(key) != value:
            raise UsageError(
                f"{path} is a training with {key} {known.get(key)!r}, not {value!r}: say the same, or leave "
                "--resume out to begin anew"
            )
    parts: dict[str, dict[str, np.ndarray]] = {"learner": {}, "best": {}}
    for name, value in tensors.items():
        part, _, key = name.partition("/")
        parts.setdefault(part, {})[key] = value
    return Checkpoint(parts["learner"], parts["best"], reports)
