"""Every error rtfx raises: one root class, and one class for each kind of cause that a user can correct.

RtfxError
├── UsageError             wrong flag, name or value (exit code 2)
├── DeviceError            sound card, route or stream
├── AudioFileError         an audio file that cannot be read or written
├── PresetError            a set list; carries file, line and key
└── ModelError             a model file
    ├── NotAModelFile      unreadable, not JSON, no family matched
    ├── MissingKey         a required key is absent
    ├── UnsupportedVersion
    ├── UnsupportedArchitecture
    ├── ShapeMismatch      a tensor against the declared widths
    ├── WeightCountMismatch
    ├── NonFiniteWeights
    ├── UnsupportedInput
    └── ResourceLimit      larger than rtfx is willing to allocate

Messages are one line: what was found, what was expected, where, and what to do next.
"""

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable

COMMANDS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")  # to a terminal
BREAK = re.compile("[ \t]*[\t-\r\x1c-\x1e\x85\u2028\u2029]+[ \t]*")  # line breaks


class RtfxError(Exception):
    """Root of every error rtfx raises."""

    exit_code = 1


class UsageError(RtfxError):
    """A flag, name or value that rtfx does not know."""

    exit_code = 2


class DeviceError(RtfxError):
    """A sound card, route or stream that cannot be used."""


class AudioFileError(RtfxError):
    """An audio file that cannot be read or written."""


class PresetError(RtfxError):
    """A set list that does not parse or is inconsistent."""


class ModelError(RtfxError):
    """A model file that cannot be used."""


class NotAModelFile(ModelError):
    """A file that is unreadable, not JSON, or of no known model family."""


class MissingKey(ModelError):
    """A required key is absent."""


class UnsupportedVersion(ModelError):
    """A format version that rtfx does not read."""


class UnsupportedArchitecture(ModelError):
    """A layer, activation or architecture that rtfx does not know."""


class ShapeMismatch(ModelError):
    """A tensor does not fit the declared widths."""


class WeightCountMismatch(ModelError):
    """Too few or too many weights."""


class NonFiniteWeights(ModelError):
    """A weight is NaN or infinite."""


class UnsupportedInput(ModelError):
    """More or other inputs than the model or rtfx can take."""


class ResourceLimit(ModelError):
    """The model is larger than rtfx is willing to allocate."""


def advise(text: str) -> None:
    """Show the user one line that is not an error: the command line prints it; otherwise it is a Python warning."""
    if advisers:
        advisers[-1](text)
    else:
        warnings.warn(text, stacklevel=3)


advisers: list[Callable[[str], object]] = []


def message_of(error: Exception) -> str:
    """Return the text of an error; for an error of another package it includes the class name."""
    return str(error) if isinstance(error, RtfxError) else f"{type(error).__name__}: {error}"


def is_text(text: str) -> bool:
    """Return whether a name has no control characters, line separators or lone surrogates.

    `str.isprintable` also refuses the full-width space, joiners and direction marks, which names in many languages
    contain.
    """
    return not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


def one_line(text: object) -> str:
    """Return a message without line breaks; spaces of other widths, which names contain, are kept."""
    return BREAK.sub(" ", str(text)).strip()


def harmless(text: object) -> str:
    """Return text that cannot control a terminal: escape sequences and direction overrides become visible text.

    Names in files may contain any character. Line ends, tabs, joiners and direction marks are kept.
    """
    return COMMANDS.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), str(text))


def quoted(value: object) -> str:
    """Return a value for a message: text is in quotes, with control characters as escapes."""
    if not isinstance(value, str):
        return repr(value)
    escaped = "".join(c if is_text(c) else repr(c)[1:-1] for c in value)
    return f'"{escaped}"' if "'" in value and '"' not in value else f"'{escaped}'"


def same_accents(text: str) -> str:
    """Return a name with its accents composed, for comparison, as macOS decomposes them in file names."""
    return unicodedata.normalize("NFC", text)


def same_name(text: str) -> str:
    """Return a name with its accents composed and in lower case, for comparison."""
    return same_accents(text).casefold()


def closest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is most similar to a word; None if none is similar."""
    import difflib

    known = {same_name(choice): choice for choice in choices}
    near = difflib.get_close_matches(same_name(word), list(known), n=1, cutoff=0.5)
    return known[near[0]] if near else None


def reason_of(error: Exception) -> str:
    """Return the reason, in the words of the system or libsndfile, why a file could not be used, without its name."""
    return one_line(getattr(error, "strerror", None) or getattr(error, "error_string", error)).rstrip(".")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest choice, or ``""``."""
    near = closest(word, choices)
    return "" if near is None else f" (did you mean {quoted(near)}?)"
