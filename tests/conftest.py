"""Fixtures for all tests: shared model files, settings that no user's files can change, and shared bytecode."""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
BYTECODE = "RTFX_TEST_BYTECODE"  # environment variable: the folder that workers of pytest-xdist share


def pytest_configure(config):
    """Let the processes that tests start share their bytecode, where the environment forbids it beside the sources.

    Python would compile the package anew in each of some hundred processes, which takes longer than most of them.
    """
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return
    if BYTECODE not in os.environ:
        os.environ[BYTECODE] = tempfile.mkdtemp(prefix="rtfx-bytecode-")
        config.add_cleanup(partial(shutil.rmtree, os.environ[BYTECODE], ignore_errors=True))
        config.add_cleanup(partial(os.environ.pop, BYTECODE))
    if not config.getoption("numprocesses", None):  # else its workers, which come here too, run the tests
        del os.environ["PYTHONDONTWRITEBYTECODE"]
        os.environ["PYTHONPYCACHEPREFIX"] = os.environ[BYTECODE]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the project, with ``models`` and ``reference``; the test is skipped without it."""
    if not (SHARED / "models").is_dir():
        pytest.skip("no folder 'shared' with model files beside the project")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def no_files_of_the_user(tmp_path_factory):
    """Tests and their processes use no models, channels or devices of the user who runs them."""
    home = tmp_path_factory.mktemp("user")
    os.environ |= {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA")}


@pytest.fixture(scope="session", autouse=True)
def compilers_stay():
    """Helpers that compile kernels wait for the next test: to start one takes longer than to compile most kernels."""
    from rtfx.kernels import compile_workers

    compile_workers.IDLE_SECONDS = 60.0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail instead of skip where CI is set and the shared files are there: a skipped golden test proves nothing."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") and SHARED.is_dir():
        report.outcome = "failed"
        report.longrepr = f"skipped, though CI demands that every test runs: {report.longrepr}"
