"""Files that are written whole or not at all, and names that are free.

A new file is first a ``.part`` file in the same folder, which takes the target's name once it is complete. So a crash,
a full disk or a second process leaves the old file or the new one, never half of one. Where the target is a symbolic
link the file behind it is replaced, not the link; a file that is replaced keeps its permissions.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import lzma
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

STANDARD = "-"  # in place of a file's name: standard input or output
PART = ".part"
NAME_BYTES = 255  # most file systems allow no longer names
SHORTENED_BYTES = 200  # of the target's name in that of its .part file: leaves room for a process and a number
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
DAMAGED_ZIP = (  # what reading a damaged archive raises: zipfile lets through what its parts raise, and lists nothing
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
    NotImplementedError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
_serial = itertools.count()


def oddity(path: str | Path) -> str:
    """Return which kind of file is at `path`, links followed, if it is not ordinary: "a folder", "a named pipe", ...

    "" for an ordinary file and where there is nothing. Opening a pipe or a device may block for ever, and renaming a
    file to the name of one would remove it.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    return "" if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "no ordinary file")


def target_of(path: str | Path) -> Path:
    """Return the file that writing to `path` means: the one behind a symbolic link, which need not exist.

    Raises
    ------
    OSError
        What is there is no ordinary file.
    """
    target = Path(os.path.realpath(path) if os.path.islink(path) else path)
    if found := oddity(target):
        raise OSError(errno.EINVAL, f"{found}, no ordinary file", str(path))
    return target


def part_of(target: Path) -> Path:
    """Return the name of a new ``.part`` file beside a target; it contains the process's number: see `sweep`."""
    return target.with_name(f".{_shortened(target.name)}.{os.getpid()}-{next(_serial)}{PART}")


def sweep(target: Path) -> None:
    """Remove the ``.part`` files beside a target whose processes are no more."""
    begin = f".{_shortened(target.name)}."
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if entry.name.startswith(begin) and entry.name.endswith(PART):
                process = entry.name[len(begin) : -len(PART)].partition("-")[0]
                if process.isdigit() and not _alive(int(process)):
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)


@contextlib.contextmanager
def replacement(path: str | Path, name: str | None = None) -> Iterator[Path]:
    """Yield the path of a file to be written, which takes the place of `path` when the block ends without an error.

    Parameters
    ----------
    name : str, optional
        Of the file until then, where its name matters to a reader; by default that of `part_of`.

    Raises
    ------
    OSError
        `path` is no ordinary file, or cannot be replaced. Whatever was raised, nothing half-written is left.
    """
    target = target_of(path)
    part = target.with_name(name) if name else part_of(target)
    try:
        yield part
        put(part, target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def put(part: Path, target: Path) -> None:
    """Give a complete file the name of its target, and the permissions of the file that it replaces."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copymode(target, part)
    os.replace(part, target)


def distrust(path: str | Path) -> str:
    """Return why a file or folder may be another user's work; "": only this user or the system may write it.

    The rules are those of ssh for its keys: no other user may own the place, or write to it or to a folder above it, in
    which he could exchange it. A sticky folder such as ``/tmp`` is safe: there users can exchange only what they own.
    """
    if not hasattr(os, "getuid"):
        return ""
    whole = place = os.path.realpath(path)
    while True:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            found = os.stat(place)
            if found.st_uid not in (0, os.getuid()):
                return f"{place} belongs to another user, number {found.st_uid}"
            sticky = found.st_mode & stat.S_ISVTX and place != whole
            if found.st_mode & stat.S_IWOTH and not sticky:
                return f"anyone may write to {place}"
            if found.st_mode & stat.S_IWGRP and not sticky and not _only_mine(found.st_gid):
                return f"a group of users may write to {place}"
        if place == os.path.dirname(place):
            return ""
        place = os.path.dirname(place)


def _only_mine(group: int) -> bool:
    """Tell whether a group is the one that some systems make for each user, without any other member."""
    import grp
    import pwd

    try:
        mine, found = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return group == mine.pw_gid and found.gr_name == mine.pw_name and set(found.gr_mem) <= {mine.pw_name}


def read_file(path: str | Path, most: int = -1) -> bytes:
    """Return what is in an ordinary file, its first `most` bytes where that is not negative.

    Raises
    ------
    OSError
        It cannot be read, or is no ordinary file.
    """
    with open(target_of(path), "rb") as file:
        return file.read(most)


def write_file(path: str | Path, content: str | bytes, durable: bool = False) -> None:
    """Write a file in one step; text as UTF-8, its line ends as they are.

    Parameters
    ----------
    durable : bool
        Wait until it is on the disk, so that it outlives a power cut: for files that a user made by hand.

    Raises
    ------
    OSError
        It cannot be written; the old file is as it was.
    UnicodeEncodeError
        The text holds what UTF-8 does not.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacement(path) as part:
        with open(part, "xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())


def free_name(path: Path, mark: str = "-", first: int = 2) -> Path:
    """Return `path` with a mark and the first number, from `first` on, that makes a name not yet used in its folder."""
    for number in itertools.count(first):
        tail = f"{mark}{number}{path.suffix}"
        other = path.with_name(_shortened(path.stem, NAME_BYTES - len(os.fsencode(tail))) + tail)
        if not os.path.lexists(other):
            return other
    raise AssertionError


def _shortened(name: str, most: int = SHORTENED_BYTES) -> str:
    """Return the front of a name, at most `most` bytes on the disk, characters whole."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
