"""Takes a capture or an impulse response that a phone sends: a stranger's file, kept only if it can be read."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from ...errors import RtfxError, is_text, one_line, quoted
from ...files import free_name, part_of, write_file
from ...find import user_folder

UPLOAD = "/upload"
MOST_BYTES = 64 << 20
FREE_BYTES = 1 << 30  # that an upload leaves on the disk
LONGEST_NAME = 120  # bytes
LONGEST_SECONDS = 30.0  # of an impulse response
UPLOADED = {"model": (".nam", ".json", ".aidax"), "audio": (".wav", ".flac", ".aiff", ".aif")}
PLACES = {"model": "models", "audio": "models/cabs"}


def take_file(name: str, content: bytes) -> tuple[str, str]:
    """Keep a file in the user's folder if the readers accept it.

    Returns
    -------
    (str, str)
        The name under which it was kept, or "" and why it was not.
    """
    kind = next((kind for kind, suffixes in UPLOADED.items() if name.lower().endswith(suffixes)), "")
    if not kind:
        expected = ", ".join(suffix for suffixes in UPLOADED.values() for suffix in suffixes)
        return "", f"{one_line(quoted(name[:LONGEST_NAME]))} is no capture and no impulse response: expected {expected}"
    bare = PurePosixPath(name.replace("\\", "/")).name.lstrip(".")
    if bare != name or not is_text(name) or len(name.encode()) > LONGEST_NAME or ":" in name or not Path(name).stem:
        return "", f"a file cannot have this name here: expected at most {LONGEST_NAME} bytes without / \\ and :"
    folder = user_folder() / PLACES[kind]
    target = folder / name
    part = part_of(target).with_suffix(target.suffix)  # readers look at the suffix
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < len(content) + FREE_BYTES:
            return "", f"{name}: the player's disk is nearly full"
        write_file(part, content)
        _check(kind, part)
        if target.exists() and target.read_bytes() == content:
            return name, ""
        if target.exists() or target.is_symlink():
            target = free_name(target)
        part.rename(target)
        return target.name, ""
    except (RtfxError, OSError) as error:
        return "", one_line(str(error).replace(str(part), name).replace(part.name, name))
    finally:
        part.unlink(missing_ok=True)


def _check(kind: str, path: Path) -> None:
    """Raise RtfxError if the file cannot be played."""
    if kind == "model":
        from ...model.load import load

        load(path)
    else:
        from ...audio import read_audio

        read_audio(path, seconds=LONGEST_SECONDS)
