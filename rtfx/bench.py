"""Times models through the engine, in turns, so that other load on the machine affects all of them equally.

Each turn is a short run, and the result of a candidate is its best run: other programs rarely disturb a run of a
millisecond, but always a run of seconds. The result also lists the kernel of each layer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from .api import Model, load
from .effects.table import BLOCKS
from .engine.offline import Offline
from .engine.timing import measured_peak, time_blocks, time_run
from .errors import RtfxError, UsageError
from .kernels import elementwise
from .kernels.activations import CODES
from .kernels.kernel import Kernel
from .kernels.layer import FOLDED, IDENTITY, MATRIX, ROWS
from .kernels.recurrent import EXPONENTIAL, EXPONENTIAL_TABLE, GRU, LSTM, RATIONAL, TABLE
from .model.parity import guitar_like
from .model.spec import SIZE, ModelSpec
from .plan.chain import Plan
from .rigs import Rig

CHUNK_FRAMES = 8192
ROUNDS = 5
USUAL_RATE = 48000.0  # Hz, for a model that states no rate

ACTIVATIONS = {code: name for name, (code, _) in CODES.items()}
OPERATIONS = ACTIVATIONS | {
    0: "copy",
    elementwise.AFFINE: "affine",
    elementwise.PRELU: "prelu",
    elementwise.ADD: "add",
    elementwise.GAIN: "gain",
    elementwise.SOFTMAX: "softmax",
    elementwise.MUL: "mul",
}
MATHS = {
    RATIONAL: "rational",
    EXPONENTIAL: "exponential",
    TABLE: "table",
    EXPONENTIAL_TABLE: "exponential table",
}
WORDS = {
    "activation": ACTIVATIONS,
    "gate": {1 + code: name or "linear" for code, name in ACTIVATIONS.items()},
    "operation": OPERATIONS,
    "cell": {LSTM: "lstm", GRU: "gru"},
    "maths": MATHS,
    "residual": {IDENTITY: "residual", MATRIX: "residual by a matrix"},
    "head": {ROWS: "head", FOLDED: "head folded"},
}
TILE = ("lanes", "vectors", "group")
CODED = ("operation", "cell")  # fields in which 0 is a code and does not mean "unused"
SILENT = ("head_first", "exposed")


class Player(ABC):
    """Something that plays the same frames again and again.

    Attributes
    ----------
    frames : int
        Frames of one run.
    best : float
        Nanoseconds per frame of the best run so far.
    times : list of arrays
        Nanoseconds of each block, for all runs.
    """

    frames: int

    def __init__(self) -> None:
        self.best = np.inf
        self.times: list[np.ndarray] = []

    @abstractmethod
    def run(self) -> np.ndarray:
        """Play `frames` frames; return the nanoseconds of each block."""

    def turn(self, seconds: float) -> None:
        """Run for about `seconds`, at least once, after one run that only warms the caches."""
        self.run()
        spent = 0.0
        while True:
            times = self.run()
            total = float(times.sum())
            spent += total
            self.best = min(self.best, total / self.frames)
            self.times.append(times)
            if spent >= seconds * 1e9:
                return


class EnginePlayer(Player):
    """Plays a plan block by block as live: once without a clock per block for `best`, once with it for `times`.

    Parameters
    ----------
    player : Offline
    x : (inputs, frames) float32
    """

    def __init__(self, player: Offline, x: np.ndarray):
        super().__init__()
        self.player, self.x = player, np.ascontiguousarray(x.T, np.float32)
        self.y = np.zeros((len(self.x), player.plan.outputs), np.float32)
        self.frames = len(self.x) // player.block * player.block

    def run(self) -> np.ndarray:
        work = self.player.engine.address, self.x, self.y, self.player.block
        self.best = min(self.best, time_run(*work) / self.frames)
        return time_blocks(*work)


def in_turns(players: Sequence[Player], rounds: int, seconds: float = 0.0) -> None:
    """Give every player a turn of about `seconds` in every round."""
    for _ in range(rounds):
        for player in players:
            player.turn(seconds)


@dataclass(frozen=True)
class Row:
    """The times of one model at one block size, in ns; times of blocks are for a whole block.

    `ns_per_sample` is from the best run; `percent_of_peak` is relative to the highest measured rate of multiply-adds of
    the core; `empty_p999_ns` is the time of the clock alone. `layers` lists the kernel of each layer.
    """

    model: str
    block: int
    sample_rate: float
    ns_per_sample: float
    realtime_x: float
    percent_of_peak: float
    median_ns: float
    p99_ns: float
    p999_ns: float
    empty_p999_ns: float
    compile_s: float
    kernels: list[str]
    plan: str
    layers: list[str]


@dataclass
class Candidate:
    """A model at one block size, ready to be timed; `others` take turns with it; all play the input `clip`."""

    model: str
    spec: ModelSpec
    plan: Plan
    engine: EnginePlayer
    clip: np.ndarray
    others: dict[str, Player] = field(default_factory=dict)


def bench(
    models: Sequence[tuple[str, Model]],
    blocks: Sequence[int],
    sample_rate: float | None = None,
    seconds: float = 1.0,
) -> list[Row]:
    """Return one row per model and block size.

    Parameters
    ----------
    models : sequence of (name, Model)
        The engine plays one instance of each, with gains, meters and limiter, without cabinet and DC blocker.
    blocks : sequence of int
        Frames per callback.
    sample_rate : float, optional
        Hz; by default the model's own rate.
    seconds : float
        Approximate time spent on each row.

    Raises
    ------
    UsageError
        A block is longer than a run.
    """
    check_blocks(blocks)
    return timed([candidate(name, model, block, sample_rate) for name, model in models for block in blocks], seconds)


def candidate(name: str, model: Model, block: int, sample_rate: float | None = None) -> Candidate:
    """Return a model ready to be timed; parameters as for `bench`."""
    rate = sample_rate or own_rate(model)
    plan = Rig([model]).plan(rate, model.spec.inputs, bare=True)
    sizes = [knob.default for knob in model.spec.knobs if knob.name == SIZE]
    spec = model.spec.at_size(sizes[0]) if sizes else model.spec
    clip = guitar_like(spec.inputs, CHUNK_FRAMES, rate).astype(np.float32)
    return Candidate(name, spec, plan, EnginePlayer(Offline(plan, block=block), clip), clip)


@dataclass(frozen=True)
class EffectRow:
    """What an effect costs, beyond a chain without blocks.

    Attributes
    ----------
    effect : str
    block : int
        Frames per callback.
    channels : int
        Of the input.
    sample_rate : float
        Hz.
    ns_per_frame : float
        In the best round, all channels together.
    percent_of_core : float
        Share of the time that a frame lasts.
    p99_ns : float
        99 % of the callbacks, the engine's share included, took no longer.
    latency_frames : int
    """

    effect: str
    block: int
    channels: int
    sample_rate: float
    ns_per_frame: float
    percent_of_core: float
    p99_ns: float
    latency_frames: int


def bench_effects(
    blocks: Sequence[int], sample_rate: float | None = None, seconds: float = 1.0, channels: Sequence[int] = (1, 2)
) -> list[EffectRow]:
    """Return a row for each effect that needs no file, block size and number of channels.

    All parameters have their defaults; an effect that would do nothing there has all its gains at 3 dB.

    Parameters
    ----------
    blocks : sequence of int
        Frames per callback.
    sample_rate : float, optional
        Hz; by default 48 kHz.
    seconds : float
        Approximate time spent on each row.
    channels : sequence of int

    Raises
    ------
    UsageError
        A block is longer than a run.
    """
    check_blocks(blocks)
    rate = sample_rate or USUAL_RATE
    chains: dict[str, list] = {"": []}
    for name, effect in BLOCKS.items():
        if effect.kernel is not None and not effect.file:
            idle = effect.idle(effect.complete({}))
            gains = {each.name: 3.0 for each in effect.parameters if idle and each.unit == "dB"}
            chains[name] = [{"type": name, **gains}]
    players = {}
    for width in channels:
        clip = guitar_like(width, CHUNK_FRAMES, rate).astype(np.float32)
        for name, chain in chains.items():
            plan = Rig(chain).plan(rate, width)
            for block in blocks:
                players[name, block, width] = EnginePlayer(Offline(plan, block=block), clip)
    in_turns(list(players.values()), ROUNDS, seconds / ROUNDS)
    rows = []
    for (name, block, width), player in players.items():
        if not name:
            continue
        own = max(player.best - players["", block, width].best, 0.0)
        p99 = float(np.quantile(np.concatenate(player.times), 0.99))
        share, late = 100.0 * own * 1e-9 * rate, player.player.plan.latency_frames
        rows.append(EffectRow(name, block, width, rate, own, share, p99, late))
    return rows


def timed(candidates: Sequence[Candidate], seconds: float) -> list[Row]:
    """Run all candidates and their `others` for about `seconds` each; return a row for each candidate."""
    x = np.zeros((CHUNK_FRAMES, 1), np.float32)
    empty = np.concatenate([time_blocks(0, x, x, 16) for _ in range(20)])
    peak = measured_peak()
    in_turns([player for c in candidates for player in (c.engine, *c.others.values())], ROUNDS, seconds / ROUNDS)
    return [_row(each, peak, empty) for each in candidates]


def check_blocks(blocks: Sequence[int]) -> None:
    """Raise if a block does not fit a run.

    Raises
    ------
    UsageError
        The message says which sizes fit.
    """
    if not all(0 < block <= CHUNK_FRAMES for block in blocks):
        raise UsageError(f"--block {','.join(map(str, blocks))}: expected 1 to {CHUNK_FRAMES} frames")


def _row(candidate: Candidate, peak: float, empty: np.ndarray) -> Row:
    engine, plan = candidate.engine, candidate.plan
    median, p99, p999 = np.quantile(np.concatenate(engine.times), (0.5, 0.99, 0.999))
    return Row(
        model=candidate.model,
        block=engine.player.block,
        sample_rate=plan.sample_rate,
        ns_per_sample=engine.best,
        realtime_x=1e9 / plan.sample_rate / engine.best,
        percent_of_peak=100.0 * candidate.spec.macs_per_sample / (engine.best * 1e-9) / peak,
        median_ns=float(median),
        p99_ns=float(p99),
        p999_ns=float(p999),
        empty_p999_ns=float(np.quantile(empty, 0.999)),
        compile_s=sum(kernel.compile_seconds for kernel in plan.kernels),
        kernels=sorted(kernel.name for kernel in plan.kernels),
        plan=plan.digest,
        layers=chosen(plan),
    )


def own_rate(model: Model) -> float:
    """Return the rate, in Hz, at which a model is measured by default."""
    return model.spec.sample_rate or USUAL_RATE


def readable(names: Sequence[str]) -> tuple[list[tuple[str, Model]], list[RtfxError]]:
    """Return (name, Model) of each model that loads, and the errors of the others."""
    models: list[tuple[str, Model]] = []
    errors: list[RtfxError] = []
    for name in names:
        try:
            models.append((name, load(name)))
        except RtfxError as error:
            errors.append(error)
    return models, errors


def chosen(plan: Plan) -> list[str]:
    """Return one line for each group of successive layers that share a kernel, in the order of their calls."""
    runs = [(kernel, len(list(same))) for kernel, same in groupby(plan.calls)]
    return [f"{count} x {described(kernel)}" for kernel, count in runs]


def described(kernel: Kernel) -> str:
    """Return a description of a kernel: its operation, shape, tile and numerical class."""
    shape = dict(kernel.shape)
    tile = "x".join(str(shape.pop(name)) for name in TILE if name in shape)
    maths = WORDS["maths"].get(shape.pop("maths", -1))
    words = [_word(name, value) for name, value in shape.items() if name in CODED or value and name not in SILENT]
    parts = [" ".join([kernel.name.split(".")[1], ", ".join(words)])]
    parts += [f"tile {tile}"] if tile else []
    parts += [f"gates: {maths}"] if maths else []
    return "; ".join(parts)


def _word(name: str, value: int) -> str:
    known = WORDS.get(name, {}).get(value)
    return f"{name.replace('_', ' ')} {value}" if known is None else known
