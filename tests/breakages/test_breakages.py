"""Every breakage is noticed: each is applied to a copy of the tree, in which the test that it names must fail."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from .patches import BREAKAGES, ROOMS, Breakage
from .reach import ROOT, is_reached, module_of, reached

WORKERS = 3  # one more than cores that CI has: some broken tests wait for what never comes
TOGETHER = 5  # tests of the control in one fork: neighbours share kernels
FAILED = 1  # pytest's exit code; others mean that a test was not found or could not start
WARNINGS = "ignore:Cannot cache compiled function"  # Numba's, of loops that it has not optimised
FORKS = Path(__file__).with_name("forks.py")


class Done(NamedTuple):
    """How a run of pytest ended, and what it said."""

    returncode: int
    stdout: str


class Forks:
    """`WORKERS` processes that run pytest in forks of themselves."""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTHONPATH")}
        command = [sys.executable, str(FORKS)]
        self._all = [subprocess.Popen(command, env=self._environment, **pipes) for _ in range(WORKERS)]
        self._free = queue.SimpleQueue()
        for process in self._all:
            self._free.put(process)

    def run(self, tree: Path, cache: Path, tests: list[str], optimise: bool = False, kernels=()) -> Done:
        """Run tests in a copy of the tree, to which `kernels` that are compiled already are given.

        Without optimisation kernels are compiled twice as fast.
        """
        process = self._free.get()
        said = tree.with_name(f"{cache.name}-{os.urandom(4).hex()}.txt")
        own = {"PYTHONPATH": str(tree), "RTFX_CACHE_DIR": str(cache), "NUMBA_OPT": "3" if optimise else "0"}
        run = {
            "arguments": ["-x", "-q", "-p", "no:cacheprovider", "-W", WARNINGS, *tests],
            "environment": self._environment | own,
            "kernels": [str(kernel) for kernel in kernels],
            "said": str(said),
            "tree": str(tree),
        }
        process.stdin.write(json.dumps(run) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        self._free.put(process)
        return Done(code, said.read_text())

    def close(self):
        for process in self._all:
            process.kill()
            process.communicate()


def copy_of_the_tree(source: Path, target: Path, copy=shutil.copy2) -> Path:
    """Copy what tests need; not what they write."""
    for name in ("rtfx", "tests", "presets", "docs"):
        shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("breakages"), copy_function=copy)
    (target / "models").symlink_to(ROOT / "models")
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def kernels_for(breakage: Breakage, compiled: Path) -> list[Path]:
    """Return what the control has compiled that the breakage leaves as it is."""
    trained = list(compiled.glob("kernels/*/train/*/*"))  # Numba itself notices a change of their files
    if breakage.same_code:
        return [*compiled.glob("kernels/*/*.*"), *trained]
    return [*(kernel for kernel in compiled.glob("kernels/*/*.bin") if not is_reached(kernel, breakage.file)), *trained]


def broken(breakage: Breakage, folder: Path, control: Path, forks: Forks) -> Done:
    """Return the outcome of the named test in a broken copy."""
    tree = copy_of_the_tree(control / "tree", folder / "tree", os.link)
    place = tree / breakage.file
    text = place.read_text()
    place.unlink()
    place.write_text(text.replace(breakage.old, breakage.new))
    for bytecode in (place.parent / "__pycache__").glob(f"{place.stem}.*"):
        bytecode.unlink()
    kernels = kernels_for(breakage, control / f"cache{breakage.optimise}")
    try:
        return forks.run(tree, folder / "cache", [breakage.test], breakage.optimise, kernels)
    finally:
        shutil.rmtree(folder)


def test_every_line_that_is_broken_stands_once_in_the_room_that_breaks_it():
    names = [breakage.name for breakage in BREAKAGES]
    assert len(set(names)) == len(names)
    for room in ROOMS:
        for breakage in room.BREAKAGES:
            found = (ROOT / breakage.file).read_text().count(breakage.old)
            assert found == 1, f"{breakage.name}: {breakage.old!r} stands {found} times in {breakage.file}"
            _, *folders, _ = Path(breakage.file).parts
            expected = folders[0] if folders else "top"
            assert room.__name__.rpartition(".")[2] == expected, f"{breakage.name} belongs to {expected}.py"


def test_a_kernel_is_reached_by_what_its_module_imports_and_by_nothing_else():
    assert module_of("kernels.conv.conv_kernel.conv_inputs1-0123456789.bin") == "rtfx.kernels.conv"
    assert {"rtfx.kernels.conv", "rtfx.kernels.simd", "rtfx.kernels.compile"} <= reached("rtfx.kernels.conv")
    assert {"rtfx.kernels.recurrent", "rtfx.engine.run"}.isdisjoint(reached("rtfx.kernels.conv"))
    assert is_reached(Path("engine.run.run-0123456789.bin"), "rtfx/kernels/rows.py")


@pytest.fixture(scope="module")
def forks():
    with contextlib.closing(Forks()) as forks:
        yield forks


@pytest.fixture(scope="module")
def selected(request) -> list[Breakage]:
    """What this run of pytest is to break."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    return [each["breakage"] for each in parameters if "breakage" in each]


@pytest.fixture(scope="module")
def control(forks, selected, tmp_path_factory):
    """The control: without a breakage the selected tests pass. Returns the folder of its tree and of its kernels."""
    folder = tmp_path_factory.mktemp("sound")
    tree = copy_of_the_tree(ROOT, folder / "tree")
    with ThreadPoolExecutor(WORKERS) as pool:
        runs = []
        for optimise in (True, False):
            tests = sorted({each.test for each in selected if each.optimise == optimise})
            parts = [tests[n : n + TOGETHER] for n in range(0, len(tests), TOGETHER)]
            runs += [pool.submit(forks.run, tree, folder / f"cache{optimise}", part, optimise) for part in parts]
    for done in (run.result() for run in runs):
        assert done.returncode == 0, done.stdout[-3000:]
    return folder


@pytest.fixture(scope="module")
def outcomes(control, forks, selected, tmp_path_factory):
    """Break and run all that were selected, some at a time; each test waits for its own."""
    with ThreadPoolExecutor(WORKERS) as pool:
        work = [(each, tmp_path_factory.mktemp("broken")) for each in selected]
        yield {breakage.name: pool.submit(broken, breakage, folder, control, forks) for breakage, folder in work}


@pytest.mark.timeout(1800)  # s: the first one waits for the control, which compiles
@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_breakage_is_noticed(breakage, outcomes):
    done = outcomes[breakage.name].result()
    said = f"{breakage.test}:\n{done.stdout[-2000:]}"
    crashed = done.returncode < 0
    assert done.returncode == FAILED or crashed, said
    assert crashed or " failed" in done.stdout, said
