"""Finds models, presets and audio files: as a path, in the user's folder, or among the shipped files."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from .errors import AudioFileError, NotAModelFile, PresetError, RtfxError, closest, quoted, same_accents, same_name
from .files import oddity

MODEL_SUFFIXES = (".json", ".nam", ".aidax", ".pt2", ".onnx", ".safetensors", ".keras")
PRESET_SUFFIXES = (".yaml", ".yml")
AUDIO_SUFFIXES = (".wav", ".flac", ".aiff", ".aif")
AUDIO_FOLDERS = ("models", "models/cabs", "audio")


def shipped() -> Path:
    """Return the folder of the shipped ``models`` and ``presets``: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "data"
    return inside if inside.is_dir() else package.parent


def user_folder() -> Path:
    """Return the user's own folder, which may hold ``models``, ``presets`` and ``audio``; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_data_dir("rtfx", appauthor=False))


def user_cache() -> Path:
    """Return the cache folder, for files that can be computed again; it need not exist."""
    import platformdirs

    return Path(os.environ.get("RTFX_CACHE_DIR") or platformdirs.user_cache_dir("rtfx"))


def writable_folders(wanted: Path, need_bytes: float) -> Iterator[Path]:
    """Yield folders that seem writable with `need_bytes` free: `wanted`, the current, the user's, the temporary one.

    Creating a file there may still fail.
    """
    import tempfile

    for folder in dict.fromkeys((wanted, Path.cwd(), user_folder() / "takes", Path(tempfile.gettempdir()))):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free >= need_bytes and os.access(folder, os.W_OK):
                yield folder


def find_model(name: str | Path, beside: Sequence[Path] = ()) -> Path:
    """Return the path of a model.

    Parameters
    ----------
    name : str or Path
        A path or a bare name, with or without its suffix. Accents may be composed or decomposed. If no file has this
        name, backslashes are read as folder separators.
    beside : sequence of Path
        Folders to search first: those of the set list that contains the name.

    Raises
    ------
    NotAModelFile
        There is no such file; the message lists the folders searched and the closest name.
    """
    return _find(name, ("models",), MODEL_SUFFIXES, "model", NotAModelFile, beside)


def find_preset(name: str | Path) -> Path:
    """Return the path of a set list, or raise PresetError; the search is that of `find_model`."""
    return _find(name, ("presets",), PRESET_SUFFIXES, "set list", PresetError)


def find_audio(name: str | Path, beside: Sequence[Path] = ()) -> Path:
    """Return the path of an audio file (a cab, a dry clip), or raise AudioFileError; searched like `find_model`."""
    return _find(name, AUDIO_FOLDERS, AUDIO_SUFFIXES, "audio file", AudioFileError, beside)


def find_beside(name: str, beside: Sequence[Path], kind: str) -> Path | None:
    """Return the file of kind "model" or "audio" that a set list names and that stands beside it, or None."""
    return _first(_spellings(name), beside, MODEL_SUFFIXES if kind == "model" else AUDIO_SUFFIXES)


def files_in(folder: str | Path) -> list[Path]:
    """Return the files in a folder and its subfolders, sorted; unreadable ones are left out."""
    return sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)


def expected(name: str, beside: Sequence[Path], kind: str) -> set[Path]:
    """Return the paths at which a missing file of kind "model" or "audio" would be found beside a set list."""
    suffixes = ("", *(MODEL_SUFFIXES if kind == "model" else AUDIO_SUFFIXES))
    return {folder / (wanted + suffix) for folder in beside for wanted in _spellings(name) for suffix in suffixes}


def check_audio(path: str | Path, what: str = "audio (WAV, FLAC, AIFF)") -> None:
    """Raise AudioFileError if there is no file to read at `path`: libsndfile says "System error" of all such cases."""
    if not os.path.exists(path):
        hint = _hint(_spellings(os.fspath(path))[-1], [Path()], [Path()], AUDIO_SUFFIXES)
        raise AudioFileError(f"{path}: no such file{hint}, expected {what}")
    if found := oddity(path):
        raise AudioFileError(f"{path} is {found}, expected {what}")
    if not os.access(path, os.R_OK):
        raise AudioFileError(f"{path}: permission denied: chmod +r makes it readable")


def _find(
    name: str | Path,
    kinds: tuple[str, ...],
    suffixes: tuple[str, ...],
    what: str,
    error: type[RtfxError],
    beside: Sequence[Path] = (),
) -> Path:
    """Return the first existing path in the folders; the bare name comes before the name with a suffix."""
    spellings = _spellings(os.fspath(name))
    roots = [user_folder(), shipped()]
    folders = list(dict.fromkeys([*beside, Path(), *(root / kind for root in roots for kind in kinds)]))
    # ".." is relative to the file that contains it: a shipped file must not replace the user's own
    own = (*beside, Path())
    reachable = own if ".." in Path(spellings[-1]).parts else folders
    found = _first(spellings, reachable, suffixes)
    if found:
        return found
    for folder in own:  # a folder only if no file has this name: `klon` is klon.json
        if spellings[0] and os.path.exists(os.path.join(folder, spellings[0])):
            return folder / spellings[0]
    hint = _hint(spellings[-1], reachable, folders, suffixes)
    places = [str(folder) if folder != Path() else "the current folder" for folder in folders]
    parent = os.path.dirname(spellings[-1])
    if _is_absolute(spellings[-1]):
        places.insert(0, parent if os.path.isdir(parent) else f"{parent} (no such folder)")
    raise error(f"{quoted(str(name))}: no such {what}{hint}; looked in {', '.join(places)}")


def _spellings(name: str) -> list[str]:
    """Return a name as written, then with backslashes replaced by this system's separators."""
    wanted = os.path.expanduser(name)
    return list(dict.fromkeys([wanted, wanted.replace("\\", "/")]))


def _is_absolute(name: str) -> bool:
    return os.path.isabs(name) or re.match("[A-Za-z]:/", name) is not None  # also a Windows path on other systems


def _first(spellings: Sequence[str], folders: Sequence[Path], suffixes: tuple[str, ...]) -> Path | None:
    """Return the first file with that name in the folders; composed and decomposed accents are equal."""
    for wanted in spellings:
        places = [Path()] if _is_absolute(wanted) else folders
        for folder in places:
            for suffix in ("", *suffixes):
                path = os.path.join(folder, wanted + suffix)
                if os.path.isfile(path):
                    return Path(path)
        if not wanted.isascii():
            for folder in places:
                if found := _alike(folder, wanted, suffixes, same_accents):
                    return found
    return None


def _alike(folder: Path, name: str, suffixes: tuple[str, ...], same: Callable[[str], str]) -> Path | None:
    """Return the file in a folder whose path equals `name` after `same` is applied to both."""
    *parents, last = Path(name).parts or ("",)
    here: Path | None = folder
    for parent in parents:
        here = here and _entry(here, {same(parent)}, same, os.path.isdir, parent)
    return here and _entry(here, {same(last + suffix) for suffix in ("", *suffixes)}, same, os.path.isfile)


def _entry(
    folder: Path, wanted: set[str], same: Callable[[str], str], is_kind: Callable[[Path], bool], exact: str = ""
) -> Path | None:
    """Return the entry of a folder with one of the names, the exact name first."""
    if exact and is_kind(folder / exact):
        return folder / exact
    try:
        names = sorted(name for name in os.listdir(folder) if same(name) in wanted)
    except (OSError, ValueError):  # ValueError: a name with a NUL in it
        return None
    return next((folder / name for name in names if is_kind(folder / name)), None)


def _hint(wanted: str, reachable: Sequence[Path], folders: Sequence[Path], suffixes: tuple[str, ...]) -> str:
    """Return the name that the user probably meant: with other case, in another folder, or the closest one.

    `reachable` are the folders in which the whole name, with its folders, is searched.
    """
    parent, bare = os.path.dirname(wanted), wanted[:200].rstrip("/").rpartition("/")[2]
    for folder in reachable:
        if found := _alike(folder, wanted, suffixes, same_name):
            name = found if _is_absolute(wanted) else found.relative_to(folder)
            return f" (did you mean {quoted(name.as_posix())}?)"
    for folder in folders if parent else ():
        if found := _alike(folder, bare, suffixes, same_name):
            return f" (did you mean {quoted(found.name)}, which is in {folder.absolute()}?)"
    near = {Path(name).stem: f"{parent}/{name}" for name in _names([f / parent for f in folders], suffixes)}
    near |= {Path(name).stem: Path(name).stem for name in _names(folders, suffixes)}
    found_near = closest(Path(bare).stem, near)
    return f" (did you mean {quoted(near[found_near])}?)" if found_near else ""


def _names(folders: Iterable[Path], suffixes: tuple[str, ...]) -> list[str]:
    """Return the names of files that the user could have meant."""
    names = []
    for folder in folders:
        try:
            names += [entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(suffixes)]
        except (OSError, ValueError):
            continue
    return sorted(set(names))
