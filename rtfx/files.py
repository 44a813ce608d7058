"""Writes files completely or not at all, and finds unused names.

A new file is written as a ``.part`` file in the same folder, which is renamed to the target once it is complete. So a
crash, a full disk or a second process leaves the old file or the new one, never a part of one. If the target is a
symbolic link, its target file is replaced, not the link. The new file gets the permissions of the old one.
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

STANDARD = "-"  # as a file name: standard input or output
PART = ".part"
NAME_BYTES = 255  # longest name on most file systems
SHORTENED_BYTES = 200  # of the target's name in a .part file's name, which adds a process id and a number
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
SYSTEM_FOLDERS = ("/proc/", "/sys/")  # the kernel answers there: some "ordinary" files, as /proc/kmsg, block for ever
DAMAGED_ZIP = (  # errors of a damaged archive; zipfile does not document them
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
    NotImplementedError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
_serial = itertools.count()


def oddity(path: str | Path) -> str:
    """Return the kind of a file that is not ordinary, such as "a folder" or "a named pipe"; links are followed.

    Return "" for an ordinary file and if there is none. Opening a pipe or a device may block for ever, and renaming a
    file to its name would remove it.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode):
        return "a file of the system" if os.path.realpath(path).startswith(SYSTEM_FOLDERS) else ""
    return KINDS.get(stat.S_IFMT(mode), "no ordinary file")


def target_of(path: str | Path) -> Path:
    """Return the file to write for `path`: the target if it is a symbolic link. The file need not exist.

    Raises
    ------
    OSError
        `path` exists and is not an ordinary file.
    """
    target = Path(os.path.realpath(path) if os.path.islink(path) else path)
    if found := oddity(target):
        raise OSError(errno.EINVAL, f"{found}, no ordinary file", str(path))
    return target


def part_of(target: Path) -> Path:
    """Return a new ``.part`` file name beside a target; it contains the process id, which `sweep` reads."""
    return target.with_name(f".{_shortened(target.name)}.{os.getpid()}-{next(_serial)}{PART}")


def sweep(target: Path) -> None:
    """Remove the ``.part`` files beside a target whose processes have ended."""
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
    """Yield the path of a new file, which replaces `path` if the ``with`` block ends without an error.

    Parameters
    ----------
    name : str, optional
        Name of the new file until then, for code that depends on the name; by default that of `part_of`.

    Raises
    ------
    OSError
        `path` is not an ordinary file, or cannot be replaced. After any error the new file is removed.
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
    """Rename a complete file to its target, with the permissions of the file that it replaces."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copymode(target, part)
    os.replace(part, target)


def distrust(path: str | Path) -> str:
    """Return why another user may have written a file or folder; "" if only this user or the system may write it.

    The rules are those of ssh for its keys: no other user may own the file, or write to it or to a folder above it, as
    that allows replacing it. A sticky folder such as ``/tmp`` is safe: there users can replace only their own files.
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
    """Return whether a group is this user's private group, which some systems create, without other members."""
    import grp
    import pwd

    try:
        mine, found = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return group == mine.pw_gid and found.gr_name == mine.pw_name and set(found.gr_mem) <= {mine.pw_name}


def read_file(path: str | Path, most: int = -1) -> bytes:
    """Return the content of an ordinary file; at most its first `most` bytes, unless `most` is negative.

    Raises
    ------
    OSError
        The file cannot be read, or is not an ordinary file.
    """
    with open(target_of(path), "rb") as file:
        return file.read(most)


def write_file(path: str | Path, content: str | bytes, durable: bool = False) -> None:
    """Write a file in one step; text is encoded as UTF-8 and its line ends are kept.

    Parameters
    ----------
    durable : bool
        Wait until it is on the disk, so that a power cut does not lose it: for files that a user wrote.

    Raises
    ------
    OSError
        The file cannot be written; the old file has not changed.
    UnicodeEncodeError
        UTF-8 cannot encode the text.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacement(path) as part:
        with open(part, "xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())


def free_name(path: Path, mark: str = "-", first: int = 2) -> Path:
    """Return `path` with `mark` and the first number, from `first` on, that gives an unused name in its folder."""
    for number in itertools.count(first):
        tail = f"{mark}{number}{path.suffix}"
        other = path.with_name(_shortened(path.stem, NAME_BYTES - len(os.fsencode(tail))) + tail)
        if not os.path.lexists(other):
            return other
    raise AssertionError


def _shortened(name: str, most: int = SHORTENED_BYTES) -> str:
    """Return the start of a name, at most `most` bytes long and without cut characters."""
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
