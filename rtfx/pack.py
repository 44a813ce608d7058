"""One file for a whole set list: the YAML, its models and responses, in a ZIP archive with a digest of each.

::

    gig.rtfx
      rtfx.json     {"version": 1, "set_list": "gig.yaml", "files": {"gig.yaml": SHA-256, "amp.nam": SHA-256, ...}}
      gig.yaml      as it was written
      amp.nam, cabs/open.wav, ...    under the names that the set list uses, so that it finds them beside itself
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from .effects.table import BLOCKS
from .errors import PresetError
from .files import read_file, replacement, write_file
from .find import find_preset, user_cache
from .loading.files import path_of
from .rig.set_list import load_set_list

SUFFIX = ".rtfx"
CONTENTS = "rtfx.json"
VERSION = 1
LARGEST = 1 << 30  # bytes, unpacked, of all files together
MOST_FILES = 4096
USED = re.compile(r"\buse:\s*['\"]?([^\s,'\"}]+\.ya?ml)", re.IGNORECASE)  # containers in files of their own


def pack(name: str | Path, target: str | Path) -> list[str]:
    """Write a set list and all files that it names to one archive; return the names of the files in it.

    Parameters
    ----------
    name : str or Path
        The set list: a path, or a name as for ``rtfx play``.
    target : str or Path
        The archive, by custom with the suffix ``.rtfx``; an older one is replaced when the new one is complete.

    Raises
    ------
    RtfxError
        The set list has a mistake, a file is missing, or one is named by a path that leads out of its folder.
    """
    path = find_preset(name)
    set_list = load_set_list(path, BLOCKS)
    text = read_file(path)
    files: dict[str, bytes] = {path.name: text}
    for used in USED.findall(text.decode("utf-8", "replace")):
        files[_inside(used, path)] = read_file(path.parent / used)
    chains = (set_list.before, set_list.after, *(preset.chain for preset in set_list.presets))
    for block in (block for chain in chains for block in chain):
        found = path_of(block)
        if found is not None:
            files[_stored(block.file, found, path)] = read_file(found)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    about = {"version": VERSION, "set_list": path.name, "files": digests}
    target = Path(target)
    with replacement(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CONTENTS, json.dumps(about, indent=1))
        for each, content in files.items():
            archive.writestr(each, content)
    return list(files)


def _stored(written: Any, found: Path, set_list: Path) -> str:
    """Return the name of a file in the archive: that by which the set list finds it beside itself."""
    folder = set_list.parent.resolve()
    if isinstance(written, Path):
        real = written if written.is_absolute() else Path.cwd() / written
        for base in (set_list.parent.absolute(), folder):
            if real.absolute().is_relative_to(base):
                return _inside(real.absolute().relative_to(base).as_posix(), set_list)
    name = str(written)
    suffix = "" if PurePosixPath(name).suffix.lower() == found.suffix.lower() else found.suffix
    return _inside(name + suffix, set_list)


def _inside(name: str, set_list: Path) -> str:
    """Return a relative name that stays in a folder, or raise PresetError."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name or not parts.parts:
        raise PresetError(
            f"{set_list}: names {name}, which is outside its folder: move the file beside it, and name it there"
        )
    return parts.as_posix()


def unpack(name: str | Path) -> Path:
    """Return the path of the set list of an archive, unpacked into the user's cache; it is unpacked once.

    Raises
    ------
    PresetError
        It is no archive of ``rtfx pack``, a file in it is damaged or would leave its folder, or it is too large.
    """
    path = Path(name)
    try:
        digest = hashlib.sha256(read_file(path)).hexdigest()
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(CONTENTS))
            listed = _listed(about, archive, path)
            folder = user_cache() / "packs" / digest[:32]
            done = folder / CONTENTS
            if not done.is_file():
                for each, wanted in listed.items():
                    content = archive.read(each)
                    if hashlib.sha256(content).hexdigest() != wanted:
                        raise PresetError(f"{path}: {each} is damaged, expected what was packed: get the file again")
                    place = folder / each
                    place.parent.mkdir(parents=True, exist_ok=True)
                    write_file(place, content)
                write_file(done, json.dumps(about))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise PresetError(f"{path}: cannot be unpacked ({error}), expected a file of rtfx pack") from None
    return folder / about["set_list"]


def _listed(about: Any, archive: zipfile.ZipFile, path: Path) -> Mapping[str, str]:
    """Return the files that an archive says it holds, once their names and sizes are known to be harmless."""
    listed = about.get("files") if isinstance(about, dict) else None
    if not isinstance(listed, dict) or about.get("version") != VERSION or about.get("set_list") not in listed:
        raise PresetError(f"{path}: is no archive of this version of rtfx, expected one that rtfx pack wrote")
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    if len(listed) > MOST_FILES or sum(sizes.get(each, 0) for each in listed) > LARGEST:
        raise PresetError(f"{path}: holds too much, expected at most {MOST_FILES} files and {LARGEST >> 20} MiB")
    for each in listed:
        if not isinstance(each, str) or _inside(each, path) != each or each == CONTENTS:
            raise PresetError(f"{path}: {each!r} is no name of a file in a set list's folder")
    return listed
