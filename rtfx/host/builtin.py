"""Guesses from a device's name: is it the computer's own microphone or loudspeakers, do two sides share a clock?"""

from __future__ import annotations

import re
from pathlib import Path

from .device import Device
from .jack_devices import JACK
from .route import ALSA

BUILTIN_INPUT = re.compile(
    r"built-?in|internal mic|macbook.*microphone|imac.*microphone|microphone array|\bdmic\b|digital mic", re.I
)
BUILTIN_OUTPUT = re.compile(
    r"built-?in|internal speaker|macbook.*speaker|imac.*speaker|speakers? \(realtek|\bspeaker\b.*\bsof\b", re.I
)
NOT_SPEAKERS = re.compile(r"head(phone|set)|hdmi|displayport|s/?pdif|iec958|line ?out", re.I)
ONBOARD = re.compile(r"hda[ -]?intel|hda analog|hda generic|\bsof-|snd_soc|acp\d|\bavs_", re.I)
# ALSA and JACK names that stand for whatever card there is
GENERIC = re.compile(r"^(default|sysdefault|pulse|pipewire|dmix|dsnoop|system|built-in audio.*)\b", re.I)


def drifts(source: Device, target: Device) -> bool:
    """Tell whether two devices have different clocks; those behind JACK share the server's."""
    if source.index == target.index or source.host_api == JACK:
        return False
    return _card(source) != _card(target)


def _card(device: Device) -> str:
    """Return the part of a name that two sides of one card share."""
    if device.host_api == ALSA:
        hit = re.search(r"\(hw:(\d+|\w+),", device.name)
        return hit.group(1) if hit else device.name
    hit = re.search(r"\(([^()]+(?:\([^()]*\))?[^()]*)\)", device.name)  # Windows: "Microphone (Scarlett 2i2 USB)"
    return hit.group(1) if hit else device.name


def is_builtin(device: Device, side: str, cards: str | None = None) -> bool:
    """Guess whether a device is a computer's own microphone (side "input") or loudspeakers ("output").

    A wrong yes costs a key press, a wrong no a howl: so an onboard card counts as microphone and loudspeakers unless
    its name says otherwise. `cards` is the text of /proc/asound/cards, which tells what a generic name stands for.
    """
    if side == "output" and NOT_SPEAKERS.search(device.name):
        return False
    if (BUILTIN_INPUT if side == "input" else BUILTIN_OUTPUT).search(device.name):
        return True
    if device.host_api not in (ALSA, JACK):
        return False
    if ONBOARD.search(device.name):
        return True
    if not GENERIC.search(device.name):
        return False
    if cards is None:
        path = Path("/proc/asound/cards")
        cards = path.read_text(errors="replace") if path.exists() else ""
    listed = re.findall(r"^\s*\d+ \[.*$", cards, re.M)
    return bool(listed) and all(ONBOARD.search(line) for line in listed)
