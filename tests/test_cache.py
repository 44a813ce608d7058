"""The kernel cache on disk: a second start compiles nothing, and no state of the cache can change a sound."""

import ctypes
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
REPORT = """
import json
from rtfx.kernels import cache
from rtfx.kernels.kernel import REGISTRY
slow = {kernel.name for kernel in REGISTRY.values() if not kernel.from_cache}
print(json.dumps({
    "where": cache.__file__, "folder": str(cache.cache_folder()), "announced": sorted(compiled),
    "compiled": sorted(slow), "kernels": sorted({kernel.name for kernel in REGISTRY.values()}), "result": result,
}))
"""
PLAY = """
import numpy as np
import rtfx
from rtfx.kernels.kernel import Loop, compilation_listener

compiled = []
with compilation_listener(compiled.append):
    x = np.random.default_rng(1).normal(0, 0.1, 2000).astype(np.float32)
    result = rtfx.load("random:tcn?seed=3&layers=2")(x, 48000).tolist()
"""
COUNT = """
from rtfx.kernels.kernel import Loop, compilation_listener

def double(x):
    return 2 * x

def square(x):
    return x * x

def cube(x):
    return x * x * x

def fourth(x):
    return x * x * x * x

def fifth(x):
    return x * x * x * x * x

def sixth(x):
    return x * x * x * x * x * x

compiled = []
with compilation_listener(compiled.append):
    functions = [double, square, cube, fourth, fifth, sixth]
    result = [Loop(function, "int64(int64)")(7) for function in functions]
"""
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # root's rights to write and to read everywhere
LIBC = ctypes.CDLL(None)


def obey_permissions() -> None:
    """Have permissions hold for root too, from the next program on; for other users nothing changes."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def copy_package(parent: Path) -> Path:
    shutil.copytree(ROOT / "rtfx", parent / "rtfx", ignore=shutil.ignore_patterns("__pycache__"))
    (parent / "models").mkdir()
    for name in ("riff.flac", "guitars.flac"):  # levels are measured on them
        shutil.copy(ROOT / "models" / name, parent / "models")
    return parent


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The parent folder of a copy of the package: editing the sources while the tests run changes nothing here."""
    return copy_package(tmp_path_factory.mktemp("package"))


def start(code: str, cache: Path, package: Path) -> dict:
    """Run `code` in a fresh process and report what it compiled and computed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + REPORT],
        env=os.environ | {"RTFX_CACHE_DIR": str(cache), "PYTHONPATH": str(package)},
        cwd=package,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=obey_permissions if sys.platform == "linux" else None,
    )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr}"
    report = json.loads(done.stdout)
    assert Path(report["where"]).is_relative_to(package)
    return report


@pytest.fixture(scope="module")
def played(tmp_path_factory, package):
    """The report of a rig's first start, and the cache that it filled."""
    cache = tmp_path_factory.mktemp("cache") / "rtfx"
    return start(PLAY, cache, package), cache


@pytest.fixture(scope="module")
def first_count(tmp_path_factory, package):
    """The report of a first start with six small kernels, and the cache that it filled."""
    cache = tmp_path_factory.mktemp("counted") / "rtfx"
    return start(COUNT, cache, package), cache


@pytest.fixture
def counted(first_count, tmp_path):
    """The same with a cache of one's own."""
    report, cache = first_count
    return report, shutil.copytree(cache, tmp_path / "rtfx")


def kernel_files(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.bin"))


def test_the_first_start_compiles_all_and_says_so(played):
    report, cache = played
    assert report["announced"] == report["compiled"] == report["kernels"]
    assert len(report["kernels"]) == len(kernel_files(cache)) > 5


def test_the_second_start_compiles_nothing(played, package):
    report, cache = played
    again = start(PLAY, cache, package)
    assert again["compiled"] == again["announced"] == []
    assert 5 < len(again["kernels"]) and set(again["kernels"]) <= set(report["kernels"])
    assert again["result"] == report["result"]


def test_a_changed_tile_misses_and_an_unchanged_copy_hits(played, tmp_path, package):
    report, cache = played
    copy = copy_package(tmp_path)
    assert start(PLAY, cache, copy)["compiled"] == []
    with (copy / "rtfx/kernels/conv.py").open("a") as source:
        source.write("\nCHANGED = 1\n")
    changed = start(PLAY, cache, copy)
    assert changed["folder"] != report["folder"]
    assert changed["compiled"] == changed["kernels"] == report["kernels"]
    assert changed["result"] == report["result"]


DAMAGE = {
    "empty": lambda data, other: b"",
    "truncated": lambda data, other: data[: len(data) // 2],
    "noise": lambda data, other: bytes(range(256)) * 40,
    "another pickle": lambda data, other: pickle.dumps(42),
    "another kernel": lambda data, other: other,  # without a check: the other's sound, or a crash
    "flipped bit": lambda data, other: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    ),
}


def test_a_corrupt_file_costs_a_compilation_never_correctness(counted, package):
    """Each of the files in another way."""
    report, cache = counted
    assert report["result"] == [14, 49, 343, 2401, 16807, 117649]
    files = kernel_files(cache)
    whole = [path.read_bytes() for path in files]
    for damage, path, data, other in zip(DAMAGE, files, whole, whole[1:] + whole[:1], strict=True):
        path.write_bytes(DAMAGE[damage](data, other))
    mended = start(COUNT, cache, package)
    assert mended["result"] == report["result"]
    assert mended["announced"] == mended["compiled"] == report["kernels"]
    assert start(COUNT, cache, package)["compiled"] == [], "the damaged files were not replaced"


def test_a_deleted_folder_costs_a_compilation(counted, package):
    report, cache = counted
    shutil.rmtree(cache)
    again = start(COUNT, cache, package)
    assert again["compiled"] == report["kernels"] and again["result"] == report["result"]


@pytest.mark.parametrize(
    ("mode", "code"), [(stat.S_IRUSR | stat.S_IXUSR, PLAY), (0, COUNT)], ids=["read-only", "unreadable"]
)
def test_an_unusable_folder_only_costs_time(played, first_count, tmp_path, package, mode, code):
    report, _ = played if code == PLAY else first_count
    cache = tmp_path / "rtfx"
    cache.mkdir()
    cache.chmod(mode)
    try:
        again = start(code, cache, package)
    finally:
        cache.chmod(stat.S_IRWXU)
    assert again["compiled"] == again["kernels"] and again["result"] == report["result"]
    assert not kernel_files(cache)


def test_a_file_in_place_of_the_folder_only_costs_time(counted, tmp_path, package):
    report, _ = counted
    (tmp_path / "file").write_text("not a folder")
    again = start(COUNT, tmp_path / "file" / "cache", package)
    assert again["compiled"] == report["kernels"] and again["result"] == report["result"]


def test_a_read_only_folder_that_is_filled_is_used(counted, package):
    report, cache = counted
    folders = [cache, *(path for path in cache.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        again = start(COUNT, cache, package)
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)
    assert again["compiled"] == [] and again["result"] == report["result"]
