"""Every breakage is noticed: each is applied to a copy of the tree, in which the test that it names must fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from .patches import BREAKAGES, Breakage

ROOT = Path(__file__).parents[2]
WORKERS = 2
FAILED = 1  # pytest's exit code; others mean that a test was not found or could not start
CACHE_FOLDER = "from rtfx.kernels.cache import cache_folder; print(cache_folder())"


def copy_of_the_tree(target: Path) -> Path:
    """Copy the files that tests need, but not those that they write."""
    ignore = shutil.ignore_patterns("__pycache__", "breakages")
    for name in ("rtfx", "tests", "presets", "docs"):
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    (target / "models").symlink_to(ROOT / "models")
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def environment(tree: Path, cache: Path, optimise: bool = False) -> dict[str, str]:
    """Return the environment of a process in a copy. Without optimisation kernels are compiled twice as fast."""
    own = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "RTFX_CACHE_DIR": str(cache)}
    own["NUMBA_OPT"] = "3" if optimise else "0"
    return {name: value for name, value in os.environ.items() if name != "CI"} | own


def run(
    tree: Path, cache: Path, tests: list[str], optimise: bool = False, stop: tuple[str, ...] = ("-x",)
) -> subprocess.CompletedProcess:
    """Run tests in a copy of the tree, up to the first failure."""
    warnings = "ignore:Cannot cache compiled function"  # Numba's of loops that it has not optimised
    command = [sys.executable, "-m", "pytest", *stop, "-q", "-rpfE", "-p", "no:cacheprovider", "-W", warnings, *tests]
    settings = {"cwd": tree, "env": environment(tree, cache, optimise), "capture_output": True, "text": True}
    return subprocess.run(command, timeout=900, **settings)


def seed(tree: Path, cache: Path, compiled: Path) -> None:
    """Copy the compiled kernels to a copy of the tree whose compiled code is unchanged."""
    command = [sys.executable, "-c", CACHE_FOLDER]
    done = subprocess.run(command, cwd=tree, env=environment(tree, cache), capture_output=True, text=True, timeout=60)
    folder = Path(done.stdout.strip())
    if not folder.exists():
        shutil.copytree(next((compiled / "kernels").iterdir()), folder)


def broken(breakage: Breakage, folder: Path, compiled: Path) -> subprocess.CompletedProcess:
    """Return the outcome of the named test in a broken copy."""
    tree = copy_of_the_tree(folder / "tree")
    (place,) = breakage.places(tree)
    text = place.read_text()
    place.write_text(text.replace(breakage.old, breakage.new))
    if breakage.same_code:
        seed(tree, folder / "cache", compiled / str(breakage.optimise))
    try:
        return run(tree, folder / "cache", [breakage.test], breakage.optimise)
    finally:
        shutil.rmtree(folder)


def test_every_text_that_is_broken_stands_once_in_the_package():
    names = [breakage.name for breakage in BREAKAGES]
    assert len(set(names)) == len(names)
    for breakage in BREAKAGES:
        places = breakage.places(ROOT)
        assert len(places) == 1, f"{breakage.name}: {breakage.old!r} stands in {places or 'no file'}"


class Control(NamedTuple):
    """The run of the named tests without a breakage: the caches that it has filled, and its output."""

    caches: Path
    said: str

    def passed(self, test: str) -> bool:
        """Return whether a test has passed, in every case of it."""
        told = re.findall(rf"^(PASSED|FAILED|ERROR) {re.escape(test)}(?=\[| - |$)", self.said, re.MULTILINE)
        return set(told) == {"PASSED"}


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """Run all the named tests without a breakage; a test that fails there proves nothing and is left out."""
    folder = tmp_path_factory.mktemp("sound")
    tree = copy_of_the_tree(folder / "tree")
    with ThreadPoolExecutor(WORKERS) as pool:
        runs = []
        for optimise in (True, False):
            tests = sorted({breakage.test for breakage in BREAKAGES if breakage.optimise == optimise})
            size = -(-len(tests) // WORKERS)  # neighbours share kernels
            for part in (tests[start : start + size] for start in range(0, len(tests), size)):
                runs.append(pool.submit(run, tree, folder / str(optimise), part, optimise, ()))
    return Control(folder, "\n".join(each.result().stdout for each in runs))


@pytest.fixture(scope="module")
def outcomes(control, tmp_path_factory, request):
    """Apply and run all selected breakages, two at a time; each test waits for the outcome of its own."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    selected = {each["breakage"].name for each in parameters if "breakage" in each}
    with ThreadPoolExecutor(WORKERS) as pool:
        work = [(each, tmp_path_factory.mktemp("broken")) for each in BREAKAGES if each.name in selected]
        yield {breakage.name: pool.submit(broken, breakage, folder, control.caches) for breakage, folder in work}


def test_only_what_passes_in_every_case_is_a_control():
    said = (
        "PASSED a.py::one\nPASSED a.py::two[x]\nFAILED a.py::two[y] - no\nPASSED a.py::ones\nERROR a.py::three - no\n"
    )
    control = Control(Path(), said)
    assert [control.passed(f"a.py::{name}") for name in ("one", "two[x]", "two", "three", "four")] == [1, 1, 0, 0, 0]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # s: the first one waits for the control, which compiles
@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_breakage_is_noticed(breakage, control, outcomes):
    assert control.passed(breakage.test), f"{breakage.test} fails without the breakage:\n{control.said[-3000:]}"
    done = outcomes[breakage.name].result()
    said = f"{breakage.test}:\n{done.stdout[-1500:]}{done.stderr[-500:]}"
    crashed = done.returncode < 0
    assert done.returncode == FAILED or crashed, said
    assert crashed or " failed" in done.stdout, said
