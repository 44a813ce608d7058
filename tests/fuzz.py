"""Loads mutated model files, and lists those that gave neither a checked spec nor an RtfxError of one line.

``python -m tests.fuzz --mutants 20000 --seed 2`` runs by hand; a test runs fewer in a process of their own, whose
memory is limited. Files are mutated as bytes and as JSON, in archives too; two of three mutants of JSON have one
change, some have many.
"""

from __future__ import annotations

import argparse
import collections
import copy
import io
import json
import resource
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from rtfx.errors import RtfxError
from rtfx.find import MODEL_SUFFIXES
from rtfx.model.describe import describe
from rtfx.model.load import load
from rtfx.model.reference import evaluate

from .conftest import SHARED
from .test_families import FILES

EXPORTS = Path(__file__).parent / "model" / "exports"
DESCRIBED = {"layers": [{"type": "conv1d", "prefix": "c."}, {"type": "linear", "prefix": "l."}]}
SMALL = 20_000  # bytes
LARGE_SHARE = 0.05  # of mutants from larger files
MEMORY = 1 << 30  # bytes above what the process has at its start
SECONDS = 10  # of processor time: a loader that takes longer hangs
PROBED_MACS = 200_000  # models up to this size also compute four frames
LONGEST_MESSAGE = 1200
NASTY = [
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 4096, 65537, 2**31 - 1, 2**31, 2**63, -(2**63), 10**20, 10**400, 0.5,
    -0.0, 1e-320, 1e308, -1e39, float("nan"), float("inf"), "", "0", "nan", "tanh", "LSTM", "WaveNet", "\ud800",
    "\x00\n", "a" * 5000, [], {}, [[]], [{}], [None], {"": None}, [0] * 1000, [[[[[[[[]]]]]]]], {"a": {"b": {"c": []}}},
]  # fmt: skip


class TooSlow(BaseException):
    """A load that has used more than `SECONDS`."""


def sources() -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Return (suffix, content) of small and of large files: the shared ones, else those that the tests make."""
    found = [(".nam", json.dumps(content).encode()) for content, _, _ in FILES.values()]
    found += [(path.suffix, path.read_bytes()) for path in sorted(EXPORTS.glob("*.pt2"))]
    found.append((".safetensors", safetensors()))
    if SHARED.is_dir():
        found += [
            (path.suffix, path.read_bytes())
            for path in sorted((SHARED / "models").rglob("*"))
            if path.suffix in MODEL_SUFFIXES
        ]
    small = [each for each in found if len(each[1]) <= SMALL]
    return small, [each for each in found if len(each[1]) > SMALL] or small


def safetensors() -> bytes:
    """Return weights as `DESCRIBED` describes them."""
    shapes = {"c.weight": [4, 1, 3], "c.bias": [4], "l.weight": [1, 4], "l.bias": [1]}
    header, body = {}, b""
    for name, shape in shapes.items():
        content = np.full(shape, 0.25, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    return _tensors(header, body)


def _tensors(header, body) -> bytes:
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + body


def places(data, path=()):
    """Return the paths to all values, of long lists the first and last two."""
    found = [path] if path else []
    items = list(data.items()) if isinstance(data, dict) else []
    if isinstance(data, list):
        items = list(enumerate(data))
        items = items if len(items) <= 8 else items[:2] + items[-2:]
    for key, value in items:
        found += places(value, (*path, key))
    return found


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


def change(data, rng):
    """Change one value of JSON in place."""
    found = places(data)
    if not found:
        return
    *parents, key = pick(rng, found)
    holder = data
    for parent in parents:
        holder = holder[parent]
    value = holder[key]
    kind = pick(
        rng, ["nasty", "nasty", "nudge", "nudge", "remove", "repeat", "move", "resize", "wrap", "text", "rename"]
    )
    if kind == "nudge" and isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15:
        holder[key] = pick(
            rng,
            [value + 1, value - 1, value * 2, -value, value * 1000, value / 3, int(value)],
        )
    elif kind == "remove":
        del holder[key]
    elif kind == "repeat" and isinstance(holder, list):
        holder.insert(int(rng.integers(len(holder) + 1)), copy.deepcopy(value))
    elif kind == "move":
        *others, last = pick(rng, found)
        other = data
        for parent in others:
            other = other[parent]
        holder[key], other[last] = copy.deepcopy(other[last]), copy.deepcopy(value)
    elif kind == "resize" and isinstance(value, list):
        holder[key] = pick(rng, [value[:-1], value + value[:1], value[: len(value) // 2], value * 2, [value]])
    elif kind == "wrap":
        holder[key] = pick(rng, [[value], {"a": value}, [[value]]])
    elif kind == "text" and not isinstance(value, (list, dict)):
        holder[key] = str(value)[:200]
    elif kind == "rename" and isinstance(holder, dict):
        holder[pick(rng, ["", key + "_", "config", "layers", "weights", key.upper()])] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(pick(rng, NASTY))


def damage(content: bytes, rng, other: bytes) -> bytes:
    """Return bytes with some of them changed, cut out, repeated or taken from another file."""
    data = bytearray(content)
    kind = pick(rng, ["flip", "flip", "cut", "end", "repeat", "splice", "digit", "deep"])
    at = int(rng.integers(len(data)))
    until = min(at + int(rng.integers(1, 200)), len(data))
    if kind == "flip":
        for place in rng.integers(0, len(data), int(rng.integers(1, 8))):
            data[place] = int(rng.integers(256))
    elif kind == "cut":
        del data[at:until]
    elif kind == "end":
        del data[at:]
    elif kind == "repeat":
        data[at:at] = data[at:until] * int(rng.integers(1, 50))
    elif kind == "splice":
        data[at:until] = other[at : at + int(rng.integers(1, 400))]
    elif kind == "deep":
        data[at:until] = pick(rng, [b"[", b'{"a":']) * int(rng.integers(1, 3000))
    else:
        digits = [place for place in range(at, until) if chr(data[place]).isdigit()]
        for place in digits:
            data[place] = ord(pick(rng, "0123456789e-."))
    return bytes(data)


def damage_archive(content: bytes, rng, other: bytes) -> bytes:
    """Return an archive of which one member was changed, as JSON or bytes, or left out."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(written, "w") as changed:
        names = archive.namelist()
        target = pick(rng, [name for name in names if name.endswith(".json")] if rng.random() < 0.7 else names)
        for name in names:
            member = archive.read(name)
            if name == target and name.endswith(".json") and rng.random() < 0.9:
                data = json.loads(member)
                for _ in range(int(rng.integers(1, 4))):
                    change(data, rng)
                member = json.dumps(data).encode("utf-8", "surrogatepass")
            elif name == target and rng.random() < 0.2:
                continue
            elif name == target and member:
                member = damage(member, rng, other)
            changed.writestr(name, member)
    return written.getvalue()


def damage_tensors(content: bytes, rng) -> bytes:
    """Return a safetensors file whose header was changed."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    for _ in range(int(rng.integers(1, 3))):
        change(header, rng)
    return _tensors(header, content[end:])


def mutant(rng, small, large) -> tuple[str, bytes]:
    """Return a suffix and the content of a mutated file."""
    suffix, content = pick(rng, large if rng.random() < LARGE_SHARE else small)
    if rng.random() < 0.3:
        return suffix, damage(content, rng, pick(rng, small)[1])
    if suffix == ".pt2":
        return suffix, damage_archive(content, rng, pick(rng, small)[1])
    if suffix == ".safetensors":
        return suffix, damage_tensors(content, rng)
    try:
        data = json.loads(content)
    except ValueError:  # some of the shared files are no JSON
        return suffix, damage(content, rng, pick(rng, small)[1])
    for _ in range(1 if rng.random() < 0.67 else int(rng.integers(2, 12))):
        change(data, rng)
    return suffix, json.dumps(data).encode("utf-8", "surrogatepass")


def outcome(path: Path) -> str:
    """Load a file and return "spec", or the name of the RtfxError; raise whatever must not happen."""
    try:
        spec = load(path)
    except RtfxError as error:
        message = str(error)
        assert message.isprintable() and len(message) <= LONGEST_MESSAGE and str(path) in message, message[:2000]
        return type(error).__name__
    json.dumps(describe(spec, path))
    if spec.macs_per_sample <= PROBED_MACS:
        with np.errstate(all="ignore"):
            y = evaluate(spec, np.zeros((spec.inputs, 4)), sample_rate=48000.0, cold=True)
        assert y.shape == (spec.outputs, 4)
    return "spec"


def run(mutants: int, seed: int, keep: Path | None = None) -> dict:
    """Return figures about `mutants` loads: counts by outcome, the slowest in seconds, the peak in MB, what failed.

    Files that failed are kept in the folder `keep`.
    """
    rng = np.random.default_rng(seed)
    small, large = sources()
    counts: collections.Counter[str] = collections.Counter()
    slowest, failures = 0.0, []

    def too_slow(number, frame):
        raise TooSlow

    handler = signal.signal(signal.SIGVTALRM, too_slow)
    with tempfile.TemporaryDirectory() as folder:
        base = _limit_memory()
        (Path(folder) / "described.arch.json").write_text(json.dumps(DESCRIBED))
        for index in range(mutants):
            suffix, content = mutant(rng, small, large)
            path = Path(folder) / f"{'described' if suffix == '.safetensors' else 'mutant'}{suffix}"
            path.write_bytes(content)
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            start = time.process_time()
            try:
                counts[outcome(path)] += 1
            except (Exception, TooSlow) as error:
                failures.append({"index": index, "error": f"{type(error).__name__}: {error}"[:500]})
                if keep is not None:
                    (keep / f"rtfx-fuzz-{seed}-{index}{suffix}").write_bytes(content)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            slowest = max(slowest, time.process_time() - start)
    signal.signal(signal.SIGVTALRM, handler)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "mutants": mutants,
        "outcomes": dict(counts.most_common()),
        "slowest_s": round(slowest, 3),
        "peak_mb": round(peak),
        "base_mb": round(base),
        "failures": failures,
    }


def _limit_memory() -> float:
    """Limit this process to `MEMORY` more than it uses now; return its present use in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the files that failed")
    arguments = parser.parse_args()
    figures = run(arguments.mutants, arguments.seed, arguments.keep)
    print(json.dumps(figures))
    sys.exit(bool(figures["failures"]))


if __name__ == "__main__":
    main()
