"""The block ``random`` of set lists: keys of a random net in place of a file, and a level linked to the drive."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..errors import UsageError, did_you_mean
from .description import BlockSpec
from .yaml_marks import Marked

TYPE = "random"
SUMMARY = "a net that nobody trained, the same for the same keys everywhere"
KIND, LINK = "kind", "link"
OTHERS = ("type", "id", "level", "input_db", "level_db")


def as_model(keys: dict[str, Marked], line: int) -> dict[str, Marked]:
    """Return the keys of the model block that a random block stands for.

    `kind` is tcn (the default), gru or lstm; ``link: true`` takes from `level_db` what `input_db` adds.

    Raises
    ------
    UsageError
        An unknown kind, key or value of the net.
    """
    from ..model.random import KINDS, check_words

    left = dict(keys)
    kind = str(left.pop(KIND).value).lower() if KIND in left else "tcn"
    known = {field.name for field in fields(KINDS.get(kind, KINDS["tcn"]))}
    given = {key: left.pop(key) for key in list(left) if key.lower() in known}
    link = left.pop(LINK).value if LINK in left else False
    if not isinstance(link, bool):
        raise UsageError(f"link is {link!r}, expected true or false")
    for key in left:
        if key not in OTHERS:
            allowed = (*sorted(known), KIND, LINK, *OTHERS)
            raise UsageError(f"unknown key {key!r}{did_you_mean(key, allowed)}, allowed: {', '.join(allowed)}")
    words = "&".join(f"{key.lower()}={_word(item)}" for key, item in given.items())
    text = f"{kind}?{words}"
    check_words(text)
    if link:
        drive, level = (left[key].value if key in left else 0.0 for key in ("input_db", "level_db"))
        if isinstance(drive, int | float) and isinstance(level, int | float):
            left["level_db"] = Marked(level - drive, line)
    left["file"] = Marked(f"random:{text}", line)
    return left


def random_text(block: BlockSpec) -> str:
    """Return the words of a random net, "" for any other block."""
    name = str(getattr(block.file, "name", block.file))
    return name if block.type == "model" and name.startswith("random:") else ""


def described() -> list[dict[str, Any]]:
    """Return the keys of the block, those of its net first, as ``rtfx info --blocks`` lists parameters."""
    from ..model.random import KINDS
    from ..model.random_settings import CHOICES, RANGES

    switch = ("true", "false")
    found = [_key(KIND, "tcn", tuple(KINDS), "gru and lstm take fewer keys")]
    for field in fields(KINDS["tcn"]):
        choices = switch if isinstance(field.default, bool) else CHOICES.get(field.name, ())
        found.append(_key(field.name, field.default, choices, "", *RANGES.get(field.name, ())))
    found.append(_key(LINK, False, switch, "takes from level_db what input_db adds"))
    levels = [_key("input_db", 0, (), "dB before the net", -40, 40), _key("level_db", 0, (), "dB behind it", -60, 40)]
    return found + levels


def _key(name: str, default: Any, choices: tuple, summary: str, low: float | None = None, high: float | None = None):
    shown = str(default).lower() if isinstance(default, bool) else "none" if default == "" else default
    span = {"min": low, "max": high, "default": shown, "unit": "", "kind": "structural"}
    return {"name": name, **span, "choices": list(choices), "summary": summary}


def _word(item: Marked) -> str:
    if isinstance(item.value, list):
        return ",".join(str(part) for part in item.plain)
    return str(item.value)
