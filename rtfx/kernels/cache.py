"""Machine code on disk: one file for each kernel, in a folder named by processor, versions and sources."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ..errors import advise
from ..files import distrust, read_file, write_file
from ..find import user_cache
from .processor import features, model

DIGEST_BYTES = hashlib.sha256().digest_size
# folders with compiled code or with memory layouts that it uses: a change in any of their files makes the cache stale
COMPILED_FOLDERS = ("kernels", "effects", "plan", "engine", "host")


@cache
def sources_hash() -> str:
    """Return a hash of every source file that is compiled."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for folder in COMPILED_FOLDERS:
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def cache_folder() -> Path:
    """The folder of compiled kernels; the name gives processor, compiler versions and hash of the sources."""
    # the name of a processor is not enough: a virtual machine can hide some of its features
    tag = hashlib.sha256(",".join(sorted(features())).encode()).hexdigest()[:6]
    versions = "-".join(f"{name}{version(name)}" for name in ("numba", "llvmlite"))
    versions += f"-python{sys.version_info.major}.{sys.version_info.minor}"
    return _own(Path("kernels") / f"{model()}-{tag}-{versions}-{sources_hash()}")


def _own(inside: Path) -> Path:
    """Return a folder in the user's cache, or in a new private folder if other users could write to the cache."""
    folder = user_cache() / inside
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    reason = distrust(folder)
    if not reason:
        return folder
    private = Path(tempfile.gettempdir()) / f"rtfx-{os.getuid()}"
    with contextlib.suppress(OSError):
        (private / inside).mkdir(mode=0o700, parents=True, exist_ok=True)
    if distrust(private / inside) or not os.access(private / inside, os.W_OK):
        private = Path(tempfile.mkdtemp(prefix="rtfx-"))
    os.environ["RTFX_CACHE_DIR"] = str(private)  # so that processes started from here use the same folder
    advise(
        f"the kernel cache is not used, as {reason}: compiling into {private}; set RTFX_CACHE_DIR to a folder of your "
        "own that only you may write to"
    )
    return private / inside


def cache_file(kernel) -> Path:
    """The file that holds the compiled kernel."""
    return cache_folder() / f"{kernel.name[:80]}-{kernel.key[:10]}.bin"


def read_code(kernel) -> bytes | None:
    """Return the kernel's machine code; None if the file is absent or damaged, so that the kernel is compiled again.

    A file holds a digest of the kernel's key and its code, then the code. The digest is checked because damaged code
    could crash the process.
    """
    data, path = b"", cache_file(kernel)
    with contextlib.suppress(OSError):
        data = b"" if distrust(path) else read_file(path)
    digest, code = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
    return code if digest == _digest(kernel, code) else None


def write_code(kernel, code: bytes) -> None:
    """Write the kernel's machine code to the cache; if the disk is full or read-only, the next start compiles again."""
    path = cache_file(kernel)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, _digest(kernel, code) + code)


def _digest(kernel, code: bytes) -> bytes:
    return hashlib.sha256(kernel.key.encode() + code).digest()
