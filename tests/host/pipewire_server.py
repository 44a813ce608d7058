"""A private PipeWire with its session manager and no hardware, and its connections."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from rtfx.host.jack import PIPEWIRE_LIBRARIES

PROGRAMS = ("pipewire", "wireplumber", "dbus-run-session", "pw-cat", "pw-cli", "pw-dump", "pw-link", "pw-metadata")
DEADLINE = 30.0  # s: long enough for a busy machine
KINDS = {"sink": "Audio/Sink", "source": "Audio/Source/Virtual"}


def installed() -> bool:
    return all(shutil.which(name) for name in PROGRAMS)


def jack_folder() -> str:
    """Return the folder of PipeWire's JACK library, for a client that loads the first JACK library it finds."""
    return str(Path(next(path for pattern in PIPEWIRE_LIBRARIES for path in glob.glob(pattern))).parent)


class PipeWire:
    """``with PipeWire() as server:`` starts PipeWire and WirePlumber in a runtime folder of their own, and ends them.

    Parameters
    ----------
    rate : int
        Sample rate of the graph, Hz.
    others : tuple of int
        Rates that it may switch to.
    """

    def __init__(self, rate: int = 48000, others: tuple[int, ...] = ()):
        self.rate = rate
        self._temporary = tempfile.TemporaryDirectory(prefix="rtfx-pw-")
        folder = self._folder = Path(self._temporary.name)
        for name in ("run", "config", "state", "data"):
            (folder / name).mkdir(mode=0o700)
        settings = folder / "config" / "pipewire" / "pipewire.conf.d"
        settings.mkdir(parents=True)
        # in a virtual machine PipeWire's own settings allow no period below 1024 frames
        allowed = f"default.clock.allowed-rates = [ {rate} {' '.join(map(str, others))} ]"
        clock = f"default.clock.rate = {rate} {allowed} default.clock.min-quantum = 16"
        (settings / "clock.conf").write_text(f"context.properties = {{ {clock} vm.overrides = {{ {clock} }} }}\n")
        self.environment = os.environ | {
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_DATA_HOME": str(folder / "data"),
            "JACK_DEFAULT_SERVER": f"rtfx-none-{os.getpid()}",
        }
        for name in ("PIPEWIRE_RUNTIME_DIR", "PIPEWIRE_REMOTE", "PIPEWIRE_LATENCY", "PIPEWIRE_QUANTUM", "DISPLAY"):
            self.environment.pop(name, None)

    @property
    def for_jack(self) -> SimpleNamespace:
        """The part of a server's interface that `Talker` needs, for a JACK client."""
        return SimpleNamespace(environment=self.environment | {"LD_LIBRARY_PATH": jack_folder()})

    def __enter__(self) -> PipeWire:
        self._log = open(self._folder / "log", "w+b")  # noqa: SIM115 - lives as long as the server
        command = ["dbus-run-session", "--", "sh", "-c", "pipewire & sleep 0.3; exec wireplumber"]
        settings = {"stdout": self._log, "stderr": self._log, "start_new_session": True}
        self.process = subprocess.Popen(command, env=self.environment, **settings)
        try:
            # the session manager is there once it has made the default metadata
            self.wait(lambda: "default" in self.run("pw-metadata", "-n", "default", "0", check=False))
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self.end()
        self._temporary.cleanup()

    def kill(self) -> None:
        """Kill both, as a crash would; `begin_again` starts them anew, without devices."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

    begin_again = __enter__

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Pause both inside the ``with`` block."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        """Stop both, if they were started, by their session's process group."""
        if not hasattr(self, "process"):
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(3.0)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._log.close()

    def run(self, *command: str, check: bool = True) -> str:
        """Return what one of PipeWire's own tools prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=DEADLINE)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def wait(self, condition, what: str = "PipeWire") -> None:
        """Wait until `condition` holds."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.05)

    def make(self, kind: str, name: str, description: str, channels: str = "FL FR") -> None:
        """Make a "sink" or a "source" without hardware and wait for its ports."""
        properties = (
            f'{{ factory.name=support.null-audio-sink node.name={name} node.description="{description}" '
            f"media.class={KINDS[kind]} object.linger=true audio.position=[{channels}] }}"
        )
        self.run("pw-cli", "create-node", "adapter", properties)
        self.wait(lambda: f"{name}:" in self.run("pw-link", "-io"), f"the ports of {name}")

    def remove(self, name: str) -> None:
        """Remove a device that `make` made."""
        self.run("pw-cli", "destroy", str(self.node(name)["id"]))
        self.wait(lambda: f"{name}:" not in self.run("pw-link", "-io"), f"the end of {name}")

    def node(self, name: str) -> dict:
        """Return PipeWire's description of a node."""
        for found in json.loads(self.run("pw-dump")):
            properties = (found.get("info") or {}).get("props") or {}
            if found.get("type") == "PipeWire:Interface:Node" and properties.get("node.name") == name:
                return found
        raise AssertionError(f"no node {name}")

    def node_rate(self, name: str) -> int | None:
        """Return the sample rate at which a node runs, in Hz; None while it does not run."""
        formats = self.node(name)["info"]["params"].get("Format", [])
        return formats[0]["rate"] if formats else None

    def default(self, side: str, name: str) -> None:
        """Choose the default "source" or "sink", as a desktop's settings do."""
        value = json.dumps({"name": name})
        self.run("pw-metadata", "-n", "default", "0", f"default.configured.audio.{side}", value, "Spa:String:JSON")
        self.wait(
            lambda: f"key:'default.audio.{side}' value:'{{\"name\":\"{name}\"}}'" in self.run("pw-metadata", "0"),
            f"{name} as default",
        )

    def links(self) -> set[tuple[str, str]]:
        """Return (output port, input port) of each connection."""
        found, port = set(), ""
        for line in self.run("pw-link", "-l").splitlines():
            words = line.strip()
            if words.startswith("|->"):
                found.add((port, words[3:].strip()))
            elif not words.startswith("|<-"):
                port = words
        return found
