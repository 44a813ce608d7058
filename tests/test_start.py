"""The time of a start and the memory of a rig: the figures are printed, and fail only far above the goal."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MODELS = ("klon", "ronn-42", "stack")  # a recurrent net, convolutions, and the most kernels
FAR_BEYOND = 10.0  # times the goal: a busy machine is slow, but not that slow
MEMORY_GOAL_MB = 40.0
# Both processes compile an empty function, so that the difference is what a rig adds to Numba itself.
EMPTY = """
import numba
numba.cfunc("int64()")(lambda: 0)

def private_mb():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024

"""
RIG = """
import rtfx
with rtfx.Rig([rtfx.load("klon.json")]).play(device="null", seconds=30) as stream:
    stream.wait(1.0)
    assert stream.stats.blocks > 100
    print(private_mb())
"""


@pytest.fixture
def figure(capsys):
    """Print a figure beside its goal, past pytest's capture, and fail far beyond the goal."""

    def tell(what: str, value: float, goal: float, unit: str, bound: float, note: str = "") -> None:
        with capsys.disabled():
            print(f"\n  figure: {what}: {value:.2f} {unit} (goal {goal:g} {unit}){note}", file=sys.stderr)
        assert value < bound, f"{what}: {value:.2f} {unit}, far beyond the goal of {goal:g} {unit}"

    return tell


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """A cache folder that the tests of this file fill."""
    return tmp_path_factory.mktemp("cache")


def seconds_of(arguments: list[str], cache: Path, tries: int) -> float:
    """The best wall time of a command from the start of the process to its end."""
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        environment = os.environ | {"RTFX_CACHE_DIR": str(cache)}
        subprocess.run([sys.executable, "-m", "rtfx", *arguments], env=environment, check=True, capture_output=True)
        best = min(best, time.perf_counter() - start)
    return best


def first_sound(model: str, cache: Path) -> tuple[float, str]:
    """Seconds from the start of the process to a running stream, and the output on standard error."""
    command = [sys.executable, "-m", "rtfx", "play", "--model", model, "--device", "null", "--headless", "--json"]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, "--seconds", "0.1"],
        env=os.environ | {"RTFX_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        said, seconds = "", float("nan")
        for line in process.stderr:
            said += line
            if "playing on" in line:  # printed once the stream runs
                seconds = time.perf_counter() - start
        out = process.stdout.read()
    assert process.returncode == 0, said
    assert json.loads(out)["frames"] > 0
    return seconds, said


def test_help(figure, cache):
    figure("--help", seconds_of(["--help"], cache, 5), 0.2, "s", 0.2 * FAR_BEYOND)


def test_info(figure, cache):
    figure("info klon.json", seconds_of(["info", "klon.json"], cache, 3), 0.3, "s", 0.3 * FAR_BEYOND)


@pytest.mark.parametrize("model", MODELS)
def test_cold_compilation_of_shipped_models(figure, tmp_path, model):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, said = first_sound(f"{model}.json", tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "compiling" in said, "a start that takes seconds must say why"
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    note = f", {processor:.2f} s of processor time"  # what it takes on an idle machine
    figure(f"play {model}.json to first sound, nothing compiled", seconds, 10, "s", 10 * FAR_BEYOND, note)


def test_play_to_first_sound(figure, cache):
    first_sound("klon.json", cache)
    tries = [first_sound("klon.json", cache) for _ in range(3)]
    assert not any("compiling" in said for _, said in tries)
    figure("play klon.json to first sound", min(seconds for seconds, _ in tries), 2, "s", 2 * FAR_BEYOND)


def private_mb(code: str, cache: Path) -> float:
    """Private memory of a fresh process, in MB, as `code` prints it."""
    done = subprocess.run(
        [sys.executable, "-c", EMPTY + code],
        env=os.environ | {"RTFX_CACHE_DIR": str(cache)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="memory is read from Linux's /proc")
def test_memory_of_a_playing_rig(figure, cache):
    private_mb(RIG, cache)  # fills the cache: compiling is not playing
    empty = min(private_mb("print(private_mb())", cache) for _ in range(2))
    playing = min(private_mb(RIG, cache) for _ in range(2))
    assert empty > 5, "an interpreter with Numba has more"
    figure("a playing rig adds", playing - empty, MEMORY_GOAL_MB, "MB", MEMORY_GOAL_MB)
