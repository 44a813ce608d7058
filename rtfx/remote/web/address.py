"""Where the page is served: the socket, the token, and the address that a phone opens."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from ...errors import RtfxError, quoted
from ...files import distrust, read_file
from ..address import LOOPBACK, Address, ip, is_loopback, own_names

PORT = 8137
PORTS = range(PORT, PORT + 20)  # tried in turn if the user names none
BACKLOG = 64
ANYWHERE = ("0.0.0.0", "::")
TOKEN = re.compile(r"[\w-]{22,64}", re.ASCII)
TOKEN_BYTES = 16


@dataclass(frozen=True)
class Place:
    """A socket that listens, and who may reach it.

    Parameters
    ----------
    sock : socket
        Bound, not yet listening.
    local : bool
        Only this machine reaches it.
    names : frozenset of str
        The names, beside IP addresses, under which browsers may ask for it.
    """

    sock: socket.socket
    local: bool
    names: frozenset[str]

    @property
    def port(self) -> int:
        """The port that was taken."""
        return int(self.sock.getsockname()[1])

    def url(self, token: str) -> str:
        """Return the address that a phone opens; the token is part of it unless only this machine may ask."""
        bound = str(self.sock.getsockname()[0])
        host = _reachable(self.sock.family) if bound in ANYWHERE else bound
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/" + (f"?token={token}" if token else "")


def listen(wanted: Address) -> Place:
    """Return a listening socket; on the loopback address and the first free port of `PORTS` if none are named.

    Raises
    ------
    RtfxError
        The port is taken, or the address is none of this machine's.
    """
    host = wanted.host or LOOPBACK
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise RtfxError(f"--web: no address for {quoted(host)} ({error}): 0.0.0.0 is all of this machine's") from None
    for port in (wanted.port,) if wanted.port is not None else PORTS:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":  # a player that starts again takes the port of the one that has just ended
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address[0], port))
            sock.listen(BACKLOG)  # now, as two sockets that only bind may share a port
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                continue
            raise RtfxError(f"--web: {host} cannot be used here ({error.strerror}): see rtfx play --help") from None
        local = is_loopback(str(address[0]))
        names = {"localhost"} if local else own_names()
        if not ip(host):
            names.add(host)
        return Place(sock, local, frozenset(name.lower() for name in names))
    if wanted.port is None:
        raise RtfxError(f"--web: ports {PORTS[0]} to {PORTS[-1]} are all in use: name another, such as --web :9000")
    raise RtfxError(f"--web: port {wanted.port} is in use by another program: name another, or leave the port out")


def _reachable(family: int) -> str:
    """Return this machine's address in the network that its default route leads to."""
    target = ("192.0.2.1", 9) if family == socket.AF_INET else ("2001:db8::1", 9)  # for documents: nobody is there
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(target)  # sends nothing
            return str(sock.getsockname()[0])
        except OSError:  # no network: only this machine reaches it
            return LOOPBACK if family == socket.AF_INET else "::1"


def token_file() -> Path:
    """Return the file of this user's token."""
    import platformdirs

    return Path(platformdirs.user_config_dir("rtfx", appauthor=False)) / "web-token"


def token_of(path: Path) -> str:
    """Return the token in a file, or make a new one.

    It is kept, so that a phone that has scanned the code once stays connected over starts. Deleting the file locks out
    all phones. A file that others may have written is replaced.
    """
    try:
        kept = read_file(path, 200).decode("ascii").strip()
        if TOKEN.fullmatch(kept) and not distrust(path):
            return kept
    except (OSError, UnicodeDecodeError):
        pass
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(token + "\n")
    except OSError:  # valid until the player ends
        pass
    return token
