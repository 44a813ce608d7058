"""Every error rtfx raises: one root, one class per thing that a user can mend.

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
    """A set list that does not parse or does not hold together."""


class ModelError(RtfxError):
    """A model file that cannot be used."""


class NotAModelFile(ModelError):
    """Unreadable, not JSON, or no known family."""


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
    """More or other inputs than rtfx can drive."""


class ResourceLimit(ModelError):
    """The model is larger than rtfx is willing to allocate."""


def message_of(error: Exception) -> str:
    """Return an error in words: one that rtfx did not raise is named by its class too."""
    return str(error) if isinstance(error, RtfxError) else f"{type(error).__name__}: {error}"


def did_you_mean(word: str, choices) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest choice, or ``""``."""
    import difflib

    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
