"""The sample rate of a model file: stated by the file, by its metadata or by its name, or usual in its family.

The first of these between `RATES` counts, and `ModelSpec.rate_source` says which it was: "file", "metadata", "name",
"family", or "unknown" where no rate is usual. Name and family are guesses, and a warning says so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..spec import UNKNOWN_RATE
from ..values import shown

RATES = (8000.0, 768000.0)  # Hz; numbers outside are treated as mistakes
KEYS = ("samplerate", "samplingrate", "sampleratehz")  # lower-case letters: exporters write sample_rate, sampleRate
GUITAR_RATE = 44100.0  # Hz, of the training scripts of guitar captures
OVERRULE = "--model-rate sets another"
FIGURE = re.compile(r"\s*(\d+\.?\d*(?:e\+?\d)?)\s*(k?)\s*(?:hz)?\s*", re.IGNORECASE | re.ASCII)
SHORT = {"44": 44100.0, "48": 48000.0, "88": 88200.0, "96": 96000.0, "176": 176400.0, "192": 192000.0}
# A rate in a name is a word of its own or ends a word of at least three letters (amp48k): a KT88K is a valve, and 1.96k
# the end of a version.
IN_NAME = re.compile(
    r"(?:(?<![0-9a-z])(?<!\d\.)|(?<=[a-z]{3}))"
    rf"(?:(?P<hertz>{'|'.join(f'{rate:.0f}' for rate in SHORT.values())})(?:[ _-]?hz)?"
    rf"|(?P<kilo>{'|'.join(SHORT)})(?:(?:[.,_-](?P<tenth>\d))?[ _-]?k(?:hz)?|k(?P<after>\d)(?:hz)?))"
    r"(?![0-9a-z])",
    re.IGNORECASE | re.ASCII,
)
COUNTED = r"(?:step|iter|iteration|epoch|batch|batche|param|parameter|weight|sample|example)s?"
COUNT_BEFORE = re.compile(rf"(?<![a-z]){COUNTED}[ _=-]*$", re.IGNORECASE)
COUNT_AFTER = re.compile(rf"[ _-]*{COUNTED}(?![a-z])(?![ _-]?rate)", re.IGNORECASE)


def find_rate(
    data: dict[str, Any],
    path: Path,
    warnings: list[str],
    usual: float | None,
    reason: str = "",
    own: tuple[Any, ...] = (),
) -> tuple[float | None, str]:
    """Return the rate in Hz and its source, having appended a warning unless the file or its metadata states it.

    Parameters
    ----------
    data : dict
        The parsed file, which may hold a rate under any of `KEYS`, at the top or in ``metadata``.
    path : Path
        Its stem may name a rate: 44k1, 44.1k, 44100, 48k, 88_2k, 96kHz.
    warnings : list of str
        A line about a guessed rate is appended.
    usual : float or None
        The family's usual rate in Hz; None if it has none: the model then runs at the stream's rate.
    reason : str
        Why that is usual, for the warning.
    own : tuple of dict
        Further places in the file where this family states its rate.
    """
    refused: Any = None
    for source, place in [("file", data), *(("file", each) for each in own), ("metadata", data.get("metadata"))]:
        for key, value in place.items() if isinstance(place, dict) else ():
            if re.sub(r"[\W_]", "", str(key)).lower() not in KEYS or value is None:
                continue
            rate = stated_rate(value)
            if rate is not None:
                return rate, source
            refused = value if refused is None else refused
    found = "does not state a sample rate" if refused is None else f"states a sample rate of {shown(refused)}"
    named = rate_in_name(path.stem)
    if named is not None:
        rate, word = named
        warnings.append(f"the file {found}: {rate:g} Hz taken from the {word!r} in its name; {OVERRULE}")
        return rate, "name"
    if usual is None:
        warnings.append(UNKNOWN_RATE if refused is None else f"the file {found}: the stream's is used; {OVERRULE}")
        return None, "unknown"
    warnings.append(f"the file {found}: {usual:g} Hz assumed, {reason}; {OVERRULE}")
    return usual, "family"


def guitar_rate(data: dict[str, Any], path: Path, warnings: list[str]) -> tuple[float, str]:
    """Return the rate in Hz of a guitar capture and its source; the format has no place for it, some exporters do."""
    own = (data.get("model_data"),)
    rate, source = find_rate(data, path, warnings, GUITAR_RATE, "as its family is trained", own)
    assert rate is not None
    return rate, source


def stated_rate(value: Any) -> float | None:
    """Return a rate in Hz between `RATES` from a number or text such as "48000" or "44.1 kHz", else None."""
    if isinstance(value, str):
        match = FIGURE.fullmatch(value[:40])
        value = float(match[1]) * (1000.0 if match[2] else 1.0) if match else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        rate = round(float(value), 3)  # 44.1 times 1000 is not quite 44100
    except OverflowError:
        return None
    return rate if RATES[0] <= rate <= RATES[1] else None


def rate_in_name(stem: str) -> tuple[float, str] | None:
    """Return the rate in Hz that a name says and the word that says it; None for none, or for two different ones."""
    found: dict[float, str] = {}
    for match in IN_NAME.finditer(stem):
        if COUNT_BEFORE.search(stem[: match.start()]) or COUNT_AFTER.match(stem[match.end() :]):
            continue
        rate = float(match["hertz"] or SHORT[match["kilo"]])
        tenth = match["tenth"] or match["after"]
        if tenth is None or int(tenth) == int(rate % 1000 / 100):
            found.setdefault(rate, match[0])
    return next(iter(found.items())) if len(found) == 1 else None
