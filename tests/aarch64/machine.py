"""A folder with Python and rtfx's dependencies for AArch64, which QEMU runs in user mode.

Nothing is installed: packages of the other architecture are downloaded, by `apt-get` with lists of its own and by
`pip`, and unpacked into a folder. Needs Debian, and qemu-user-static.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("python3", "libstdc++6")
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


class Machine:
    """Runs Python for AArch64; `folder` holds its files.

    Raises
    ------
    subprocess.CalledProcessError
        A package cannot be downloaded.
    """

    def __init__(self, folder: Path):
        self.root, self.site, self.cache = folder / "root", folder / "site", folder / "cache"
        _unpack_packages(folder / "apt", self.root)
        (self.python,) = (
            path for path in (self.root / "usr/bin").iterdir() if re.fullmatch(r"python3\.\d+", path.name)
        )
        _unpack_wheels(folder / "wheels", self.site, self.python.name.removeprefix("python"))

    def run(self, *words: str, seconds: float) -> subprocess.CompletedProcess:
        """Run ``python WORDS`` with rtfx on its path."""
        own = {"PYTHONPATH": f"{ROOT}:{self.site}", "PYTHONDONTWRITEBYTECODE": "1", "RTFX_CACHE_DIR": str(self.cache)}
        lowered = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE")
        environment = {name: value for name, value in os.environ.items() if name not in lowered} | own
        command = ["qemu-aarch64-static", "-L", str(self.root), str(self.python), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)


def _unpack_packages(apt: Path, root: Path) -> None:
    """Download Debian's packages, and all that they need, as if nothing were installed."""
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
        "Dir::Cache": apt / "cache",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
    }
    command = ["apt-get", "-qq", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]
    _say(*command, "update")
    _say(*command, "install", "--yes", "--no-install-recommends", "--download-only", *PACKAGES)
    root.mkdir()
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        _say("dpkg-deb", "-x", package, root)


def _unpack_wheels(wheels: Path, site: Path, version: str) -> None:
    """Download what rtfx depends on."""
    needed = [line.replace(" ", "") for line in requires("rtfx") or () if "extra ==" not in line]
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    which = ["--only-binary=:all:", "--implementation", "cp", "--python-version", version, *platforms]
    _say(sys.executable, "-m", "pip", "download", "--quiet", *which, "--dest", wheels, *needed)
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(site)


def _say(*command: object) -> None:
    """Run a command; its output goes to the output of the test."""
    subprocess.run([str(word) for word in command], check=True, timeout=600)
