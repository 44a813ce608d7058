"""What is remembered between starts: the devices that were chosen, and the input channel, by the device's name."""

from __future__ import annotations

import json
from pathlib import Path

from ..files import read_file, write_file

PARTS = ("in_channel", "devices")


def memory_file() -> Path:
    """Return the path of the file, in the user's configuration folder."""
    import platformdirs

    return Path(platformdirs.user_config_dir("rtfx", appauthor=False)) / "devices.json"


def remembered_channel(device_name: str) -> int | None:
    """Return the input channel (from 1) last chosen on this device, or None; a damaged file counts as none."""
    channel = _read("in_channel").get(device_name)
    return channel if isinstance(channel, int) and not isinstance(channel, bool) and channel >= 1 else None


def remembered_device(side: str) -> str | None:
    """Return the key of the "input" or "output" device that was named last, or None."""
    key = _read("devices").get(side)
    return key if isinstance(key, str) and key else None


def remember_channel(device_name: str, channel: int) -> bool:
    """Store the input channel (from 1) of this device and tell whether that worked."""
    return _write("in_channel", {device_name: channel})


def remember_devices(keys: dict[str, str]) -> bool:
    """Store the keys of devices by side and tell whether that worked."""
    return _write("devices", keys)


def _write(part: str, entries: dict) -> bool:
    """Add entries to a part of the file.

    The file is replaced in one step, so that a crash or a second rtfx leaves the old or the new one, never half of it.
    """
    path = memory_file()
    content = {name: _read(name) for name in PARTS}
    content[part] |= entries
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(content, indent=1))
    except OSError:  # a read-only home: the choice then holds for this session
        return False
    return True


def _read(part: str) -> dict:
    try:
        content = json.loads(read_file(memory_file()))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content.get(part) if isinstance(content, dict) else None
    return dict(entries) if isinstance(entries, dict) else {}
