"""Addresses that the user types behind ``--osc`` and ``--web``: a host, a port, or both."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from ..errors import UsageError, quoted

LOOPBACK = "127.0.0.1"
WORDS = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True)
class Address:
    """A host and a port.

    Parameters
    ----------
    host : str
        An IP address or a name; "" if none was named.
    port : int or None
        None if none was named.
    """

    host: str = ""
    port: int | None = None

    @classmethod
    def of(cls, option: str, text: str) -> Address:
        """Read ``HOST``, ``HOST:PORT``, ``:PORT`` or ``PORT``; an IPv6 address with a port is in brackets.

        Raises
        ------
        UsageError
            It is none of these; `option` is named in the message.
        """
        text = text.strip()
        match = WORDS.fullmatch(f":{text}" if text.isdecimal() else text)
        if match:
            host, port = match["six"] or match["four"] or "", match["port"]
        elif ip(text):
            host, port = text, None
        else:
            raise UsageError(f"{option} is {quoted(text)}, expected HOST, HOST:PORT or :PORT, such as 0.0.0.0:9000")
        if port is not None and not 1 <= int(port) <= 65535:
            raise UsageError(f"{option} has the port {port}, expected 1 to 65535")
        return cls(host, int(port) if port else None)


def is_address(word: str) -> bool:
    """Return whether a word can only be an address: an IP address, this machine's name, or a port.

    Other words are what the player plays: ``--osc gig.yaml:2`` is a preset of a set list.
    """
    try:
        host = Address.of("", word).host
    except UsageError:
        return False
    return bool(word) and (not host or ip(host) is not None or host in own_names())


def own_names() -> set[str]:
    """Return the names by which this machine is known."""
    name = socket.gethostname()
    return {"localhost", name, f"{name}.local"}


def ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a text is, or None."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Return whether an IP address is reached from this machine only."""
    found = ip(host.partition("%")[0])
    return found is not None and found.is_loopback
