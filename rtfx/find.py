"""Where models, presets and audio files are found: as a path, in the user's folder, among those shipped."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .errors import AudioFileError, NotAModelFile, PresetError, RtfxError, did_you_mean

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
    """Return the folder of what can be computed again; it need not exist."""
    import platformdirs

    return Path(os.environ.get("RTFX_CACHE_DIR") or platformdirs.user_cache_dir("rtfx"))


def find_model(name: str | Path) -> Path:
    """Return the path of a model.

    Parameters
    ----------
    name : str or Path
        A path or a bare name, with or without its suffix.

    Raises
    ------
    NotAModelFile
        No such file; names where it looked, and the closest name there.
    """
    return _find(name, ("models",), MODEL_SUFFIXES, "model", NotAModelFile)


def find_preset(name: str | Path) -> Path:
    """Return the path of a set list, or raise PresetError; the search is that of `find_model`."""
    return _find(name, ("presets",), PRESET_SUFFIXES, "set list", PresetError)


def find_audio(name: str | Path) -> Path:
    """Return the path of an audio file (a cab, a dry clip), or raise AudioFileError; searched like `find_model`."""
    return _find(name, AUDIO_FOLDERS, AUDIO_SUFFIXES, "audio file", AudioFileError)


def check_audio(path: str | Path, what: str = "audio (WAV, FLAC, AIFF)") -> None:
    """Raise AudioFileError if there is no file to read at `path`: libsndfile says "System error" of all such cases."""
    if not os.path.exists(path):
        raise AudioFileError(f"{path}: no such file, expected {what}")
    if os.path.isdir(path):
        raise AudioFileError(f"{path} is a folder, expected {what}")
    if not os.access(path, os.R_OK):
        raise AudioFileError(f"{path}: permission denied: chmod +r makes it readable")


def _find(
    name: str | Path,
    kinds: tuple[str, ...],
    suffixes: tuple[str, ...],
    what: str,
    error: type[RtfxError],
) -> Path:
    """Return the first existing path among the folders, the bare name before the name with a suffix added."""
    wanted = os.path.expanduser(os.fspath(name))
    roots = [user_folder(), shipped()]
    folders = [Path(), *(root / kind for root in roots for kind in kinds)]
    if os.path.isabs(wanted):
        folders = [Path()]
    for folder in folders:
        for suffix in ("", *suffixes):
            path = os.path.join(folder, wanted + suffix)
            if os.path.isfile(path):
                return Path(path)
    if wanted and os.path.exists(wanted):  # a folder, but only if no file has this name: `klon` is klon.json
        return Path(wanted)
    looked = ", ".join(str(folder) if folder != Path() else "the current folder" for folder in folders)
    hint = did_you_mean(Path(wanted[:200]).stem, _names(folders, suffixes))
    raise error(f"{str(name)!r}: no such {what}{hint}; looked in {looked}")


def _names(folders: Iterable[Path], suffixes: tuple[str, ...]) -> list[str]:
    """Return the stems of the files that could have been meant."""
    names = []
    for folder in folders:
        try:
            names += [entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(suffixes)]
        except OSError:
            continue
    return sorted({Path(name).stem for name in names})
