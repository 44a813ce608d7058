"""Every breakage is noticed: each is applied to a copy of the tree, in which the test that it names must fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtfx.kernels.jit import cache_folder

from .patches import BREAKAGES, Breakage

ROOT = Path(__file__).parents[2]
WORKERS = 2
FAILED = 1  # pytest's exit code; others mean that a test was not found or could not start
CACHE_FOLDER = "from rtfx.kernels.jit import cache_folder; print(cache_folder())"


def copy_of_the_tree(target: Path) -> Path:
    """Copy what tests need; not what they write."""
    ignore = shutil.ignore_patterns("__pycache__", "breakages")
    for name in ("rtfx", "tests", "presets"):
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    (target / "models").symlink_to(ROOT / "models")
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def run(tree: Path, cache: Path | None, *tests: str) -> subprocess.CompletedProcess:
    """Run tests in a copy of the tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"}
    environment.pop("CI", None)
    if cache:
        environment["RTFX_CACHE_DIR"] = str(cache)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=300)


def seed(tree: Path, cache: Path) -> None:
    """Give a copy whose compiled code is unchanged the kernels that are compiled already."""
    environment = os.environ | {"PYTHONPATH": str(tree), "RTFX_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", CACHE_FOLDER]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=60)
    folder = Path(done.stdout.strip())
    if not folder.exists():
        shutil.copytree(cache_folder(), folder)


def broken(breakage: Breakage, folder: Path) -> subprocess.CompletedProcess:
    """Return the outcome of the named test in a broken copy."""
    tree = copy_of_the_tree(folder / "tree")
    place = tree / breakage.file
    text = place.read_text()
    assert text.count(breakage.old) == 1, f"{breakage.old!r} stands {text.count(breakage.old)} times in {breakage.file}"
    place.write_text(text.replace(breakage.old, breakage.new))
    if breakage.same_code:
        seed(tree, folder / "cache")
    try:
        return run(tree, folder / "cache", breakage.test)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The control: without a breakage all the named tests pass."""
    tree = copy_of_the_tree(tmp_path_factory.mktemp("sound") / "tree")
    done = run(tree, None, *sorted({breakage.test for breakage in BREAKAGES}))
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture(scope="module")
def outcomes(sound, tmp_path_factory):
    with ThreadPoolExecutor(WORKERS) as pool:
        folders = [tmp_path_factory.mktemp("broken") for _ in BREAKAGES]
        futures = {b.name: pool.submit(broken, b, folder) for b, folder in zip(BREAKAGES, folders, strict=True)}
        yield futures


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_breakage_is_noticed(breakage, outcomes):
    done = outcomes[breakage.name].result()
    crashed = done.returncode < 0
    assert done.returncode == FAILED or crashed, f"{breakage.test} did not fail:\n{done.stdout[-1500:]}{done.stderr[-500:]}"
    assert crashed or " failed" in done.stdout, done.stdout[-1500:]
