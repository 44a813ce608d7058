"""What is remembered about devices between starts: the input channel, by the device's name."""

from __future__ import annotations

import json
from pathlib import Path

from ..files import read_file, write_file


def memory_file() -> Path:
    """Return the path of the file, in the user's configuration folder."""
    import platformdirs

    return Path(platformdirs.user_config_dir("rtfx", appauthor=False)) / "devices.json"


def remembered_channel(device_name: str) -> int | None:
    """Return the input channel (from 1) last chosen on this device, or None; a damaged file counts as none."""
    channel = _read().get(device_name)
    return channel if isinstance(channel, int) and not isinstance(channel, bool) and channel >= 1 else None


def remember_channel(device_name: str, channel: int) -> bool:
    """Store the input channel (from 1) of this device and tell whether that worked.

    The file is replaced in one step, so that a crash or a second rtfx leaves the old or the new one, never half of it.
    """
    path = memory_file()
    channels = {**_read(), device_name: channel}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps({"in_channel": channels}, indent=1))
    except OSError:  # a read-only home: the choice then holds for this session
        return False
    return True


def _read() -> dict:
    try:
        content = json.loads(read_file(memory_file()))
    except (OSError, ValueError, RecursionError):
        return {}
    channels = content.get("in_channel") if isinstance(content, dict) else None
    return channels if isinstance(channels, dict) else {}
