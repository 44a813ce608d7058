"""Fixtures for all tests: the folder of shared model files, and settings that no user's files can change."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail instead of skip where CI is set and the shared files are there: a skipped golden test proves nothing."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") and SHARED.is_dir():
        report.outcome = "failed"
        report.longrepr = f"skipped, though CI demands that every test runs: {report.longrepr}"
