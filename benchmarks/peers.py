"""Other programs timed in turns with rtfx: the same model in PyTorch or ONNX Runtime, or any command."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rtfx.bench import Player
from rtfx.errors import UsageError
from rtfx.model.spec import ModelSpec

COMMAND = "command"  # the name of the command in the table
COMMAND_SECONDS = 120
CALLS = 128  # calls of a Python function in one run: each takes microseconds
AGREES_DB = -80.0  # of the peak: far above float32 rounding, far below any other function

Process = Callable[[np.ndarray], np.ndarray]  # (inputs, block) -> (outputs, block), the next block of a stream


@dataclass(frozen=True)
class Kind:
    """A library that plays models: its module here, its packages and its name."""

    module: str
    packages: tuple[str, ...]


KINDS = {"torch": Kind("torch_peer", ("torch",)), "onnxruntime": Kind("onnx_peer", ("onnx", "onnxruntime"))}


def check_installed(name: str) -> None:
    """Raise if a peer is unknown, or a package of it not installed.

    Raises
    ------
    UsageError
        The message lists the known peers, or names the extra to install.
    """
    if name not in KINDS:
        raise UsageError(f"--against {name!r}: expected {' or '.join(KINDS)}")
    for package in KINDS[name].packages:
        if importlib.util.find_spec(package) is None:
            packages = " ".join(KINDS[name].packages)
            raise UsageError(f"--against {name}: {package} is not installed: pip install {packages}")


def stream(name: str, spec: ModelSpec, block: int, sample_rate: float) -> Process:
    """Return a function by which the other library plays the model block by block: stored state, knobs at defaults.

    Raises
    ------
    UnsupportedArchitecture
        A node that the other library cannot play.
    """
    return importlib.import_module(f".{KINDS[name].module}", __package__).stream(spec, block, sample_rate)


def played(process: Process, x: np.ndarray, block: int) -> np.ndarray:
    """Return a stream's output for the whole blocks of `x`, (inputs, frames)."""
    count = x.shape[1] // block
    return np.concatenate([process(x[:, block * i : block * (i + 1)]).copy() for i in range(count)], axis=1)


def difference_db(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference of two signals relative to the peak of the first, in dB."""
    peak = max(float(np.abs(one).max()), 1e-30)
    error = float(np.abs(one.astype(np.float64) - other).max()) / peak
    return float(20.0 * np.log10(max(error, 1e-12)))


class CallPlayer(Player):
    """A function of Python, called block by block.

    Parameters
    ----------
    process : callable
        (inputs, block) float32 -> (outputs, block): the next block; it keeps its own state.
    x : (inputs, frames) float32
    block : int
    """

    def __init__(self, process: Callable[[np.ndarray], np.ndarray], x: np.ndarray, block: int):
        super().__init__()
        self.process = process
        count = min(x.shape[1] // block, CALLS)
        self.blocks = [np.ascontiguousarray(x[:, block * i : block * (i + 1)]) for i in range(count)]
        self.frames = count * block

    def run(self) -> np.ndarray:
        times = np.zeros(len(self.blocks), np.int64)
        for i, part in enumerate(self.blocks):
            begin = time.perf_counter_ns()
            self.process(part)
            times[i] = time.perf_counter_ns() - begin
        return times


class CommandPlayer(Player):
    """Another program; its first word on standard output is its ns per sample."""

    frames = 1

    def __init__(self, command: str, model: str, block: int):
        super().__init__()
        self.line = [part.format(model=model, block=block) for part in shlex.split(command)]

    def run(self) -> np.ndarray:
        line = shlex.join(self.line)
        try:
            done = subprocess.run(self.line, capture_output=True, text=True, timeout=COMMAND_SECONDS)
            return np.array([float(done.stdout.split()[0])])
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"--against-command {line}: {error}") from error
        except (ValueError, IndexError) as error:
            said = (done.stdout or done.stderr).strip().splitlines()[:1]
            raise UsageError(
                f"--against-command {line}: printed {said}, expected its ns per sample as the first word"
            ) from error

    def turn(self, seconds: float) -> None:
        self.best = min(self.best, float(self.run()[0]))
