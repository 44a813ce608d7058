"""What an HDF5 file holds, read by h5py in another process with limits of memory and time."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import NotAModelFile, ResourceLimit
from ..limits import FILE_BYTES, WEIGHTS

SECONDS = 60.0  # by the clock, should the processor be busy with other things
SUFFIXES = (".h5", ".hdf5")
CONFIG = b"model_config"  # the attribute of a saved model; the library writes names as they are
PROCESS = Path(__file__).with_name("hdf5_process.py")


class Stored(NamedTuple):
    """Arrays (float64) by path, and the attributes that Keras keeps, by the path of what has them ("" the file)."""

    arrays: dict[str, np.ndarray]
    attributes: dict[str, dict[str, Any]]


def holds_model(path: Path) -> bool:
    """Tell a model that Keras saved from other HDF5 files, which hold measurements or weights alone, unopened."""
    try:
        return path.stat().st_size <= FILE_BYTES and CONFIG in path.read_bytes()
    except OSError:
        return False


def read_hdf5(path: Path) -> Stored:
    """Return what is in a file of at most `limits.FILE_BYTES`.

    Raises
    ------
    ModelError
        h5py is not installed, or the file is damaged or too large.
    """
    if importlib.util.find_spec("h5py") is None:
        raise NotAModelFile("a Keras model, read by h5py, which is not installed: pip install 'rtfx[keras]'")
    size = path.stat().st_size
    if size > FILE_BYTES:
        raise ResourceLimit(f"{size} bytes, at most {FILE_BYTES}: is this a model file?")
    command = [sys.executable, "-I", str(PROCESS), str(path.absolute()), str(8 * WEIGHTS)]
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=alone, check=False)
    except subprocess.TimeoutExpired as error:
        raise ResourceLimit(f"reading took more than {SECONDS:g} s: fetch or export it again") from error
    except OSError as error:
        raise NotAModelFile(f"a Keras model; h5py cannot be started: {error.strerror or error}") from error
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"ended by {done.returncode}"]
        raise NotAModelFile(f"the HDF5 file cannot be read ({why[0][:120]}): fetch or export it again")
    with np.load(BytesIO(done.stdout), allow_pickle=False) as found:
        index = json.loads(found["index"].item())
        arrays = {name: found[str(i)] for i, name in enumerate(index["names"])}
    return Stored(arrays, index["attributes"])
