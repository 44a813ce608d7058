"""The devices behind JACK or PipeWire: which ports belong together, and which device is the default."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .device import JACK, Device
from .jack import IS_INPUT, IS_OUTPUT, IS_PHYSICAL, PIPEWIRE_ROUTE, Client, Port, route

LISTING = "rtfx-devices"  # the client that lists the ports; it has none of its own
# PipeWire reports the rate in these variables, not the graph's, to a client that does not run yet
WITHOUT_REQUESTS = dict.fromkeys(("PIPEWIRE_LATENCY", "PIPEWIRE_QUANTUM", "PIPEWIRE_RATE"))
NEVER, MONITOR, REAL, CHOSEN = range(4)  # rank as default device: real devices before monitors
DUMP_SECONDS = 5.0
SOURCE, SINK, DUPLEX = "Audio/Source", "Audio/Sink", "Audio/Duplex"


@dataclass(frozen=True)
class Group:
    """Ports that form one device, and its rank as the default of either side."""

    key: str
    name: str
    inputs: tuple[str, ...] = ()  # rtfx reads these ports
    outputs: tuple[str, ...] = ()  # and writes these
    monitor: bool = False
    fits_input: int = NEVER
    fits_output: int = NEVER


class RateSeen:
    """The last observed rate of PipeWire's graph, in Hz.

    If PipeWire may switch rates, it reports its default rate to a client that does not play. So the rate that a playing
    client saw is used until that default changes.
    """

    def __init__(self) -> None:
        self._runs, self._told = 0.0, 0.0

    def note(self, runs: float) -> None:
        """Store the rate, in Hz, that a playing client saw."""
        self._runs, self._told = runs, 0.0

    def behind(self, told: float) -> float:
        """Return the graph's rate in Hz; `told` is the rate reported to a client that does not play."""
        self._told = self._told or told
        if told != self._told:
            self._runs = 0.0
        return self._runs or told


RATE = RateSeen()


def jack_devices() -> list[Device]:
    """Return the devices of the running server, numbered from 0; none if no server runs.

    Raises
    ------
    DeviceError
        The server does not answer, or lets no client in.
    """
    server = route()
    if not server:
        return []
    nodes = graph() if server == PIPEWIRE_ROUTE else None
    client = Client(LISTING, WITHOUT_REQUESTS)
    try:
        groups = by_node(nodes, client.port_of) if nodes else by_client(client.ports())
        rate, block = RATE.behind(client.sample_rate), client.block
    finally:
        client.close()
    default_input, default_output = (
        max(groups, key=lambda group: getattr(group, side), default=None) for side in ("fits_input", "fits_output")
    )
    return [
        Device(
            index=index,
            name=group.name,
            host_api=JACK,
            input_channels=len(group.inputs),
            output_channels=len(group.outputs),
            sample_rate=rate,
            default_input=group is default_input and group.fits_input > NEVER,
            default_output=group is default_output and group.fits_output > NEVER,
            key=group.key,
            monitor=group.monitor,
            input_ports=group.inputs,
            output_ports=group.outputs,
            block_frames=block,
        )
        for index, group in enumerate(groups)
    ]


def by_node(graph: Graph, port_of: Callable[[int], str]) -> list[Group]:
    """Return PipeWire's devices; a sink's monitor is an input of its own, under a name of its own.

    Parameters
    ----------
    port_of : callable
        Returns the JACK name of a port by its number, because two devices may have the same name.
    """
    groups = []
    for node in graph.nodes:
        outputs, inputs, monitors = (
            tuple(name for name in map(port_of, ports) if name) for ports in (node.outputs, node.inputs, node.monitors)
        )
        if node.is_source and not node.is_sink:
            inputs = ()  # its inputs only feed its outputs
        fits_input = (REAL + (node.name == graph.default_source)) * bool(node.is_source and outputs)
        fits_output = (REAL + (node.name == graph.default_sink)) * bool(node.is_sink and inputs)
        if outputs or inputs:
            groups.append(Group(node.name, node.description, outputs, inputs, False, fits_input, fits_output))
        if monitors:
            groups.append(_monitor(node.name, node.description, monitors))
    return groups


def by_client(ports: Iterable[Port]) -> list[Group]:
    """Return JACK's devices: one for the ports of each client, another for its monitors; the default is physical."""
    clients: dict[str, list[Port]] = {}
    for port in ports:
        clients.setdefault(port.client, []).append(port)
    groups = []
    for client, own in clients.items():
        outputs = [port for port in own if port.flags & IS_OUTPUT and not port.is_monitor]
        inputs = [port for port in own if port.flags & IS_INPUT]
        if outputs or inputs:
            fits = [REAL * any(port.flags & IS_PHYSICAL for port in side) for side in (outputs, inputs)]
            out_names, in_names = (tuple(port.name for port in side) for side in (outputs, inputs))
            groups.append(Group(client, client, out_names, in_names, False, *fits))
        monitors = tuple(port.name for port in own if port.is_monitor)
        if monitors:
            groups.append(_monitor(client, client, monitors))
    return groups


def _monitor(key: str, name: str, ports: tuple[str, ...]) -> Group:
    return Group(f"{key}.monitor", f"Monitor of {name}", ports, monitor=True, fits_input=MONITOR)


@dataclass
class Node:
    """One device or program of the graph; its ports by their numbers, in channel order.

    Parameters
    ----------
    name : str
        A name that stays the same after a restart, such as ``alsa_input.usb-Focusrite_Scarlett_2i2``.
    kind : str
        PipeWire's media.class; that of a program differs from that of a device, or is missing.
    outputs, inputs, monitors : list of int
        Ports that give sound, take sound, and repeat the sound that a sink plays.
    """

    name: str
    description: str
    kind: str
    outputs: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    monitors: list[int] = field(default_factory=list)

    @property
    def is_source(self) -> bool:
        return self.kind.startswith((SOURCE, DUPLEX))

    @property
    def is_sink(self) -> bool:
        return self.kind.startswith((SINK, DUPLEX))


@dataclass(frozen=True)
class Graph:
    """All nodes with audio ports, and the names of the default source and sink ("" if there is none)."""

    nodes: list[Node]
    default_source: str = ""
    default_sink: str = ""


def graph() -> Graph | None:
    """Return PipeWire's present graph by its program ``pw-dump``; None if that fails."""
    if not shutil.which("pw-dump"):
        return None
    try:
        done = subprocess.run(["pw-dump"], capture_output=True, timeout=DUMP_SECONDS, stdin=subprocess.DEVNULL)
        return read_graph(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, RecursionError):
        return None


def read_graph(objects: Any) -> Graph:
    """Return the graph that a dump describes; incomplete objects, which PipeWire is just creating, are left out."""
    nodes: dict[Any, Node] = {}
    ports, defaults = [], {}
    for each in objects if isinstance(objects, list) else []:
        kind, properties = each.get("type"), (each.get("info") or {}).get("props") or {}
        if kind == "PipeWire:Interface:Node":
            name = str(properties.get("node.name", ""))
            description = properties.get("node.description") or properties.get("node.nick") or name
            nodes[each.get("id")] = Node(name, str(description), str(properties.get("media.class", "")))
        elif kind == "PipeWire:Interface:Port" and "audio" in str(properties.get("format.dsp", "")):
            ports.append(properties)
        elif kind == "PipeWire:Interface:Metadata" and (each.get("props") or {}).get("metadata.name") == "default":
            defaults = {entry.get("key"): entry.get("value") for entry in each.get("metadata") or []}
    for port in sorted(ports, key=lambda port: int(port.get("port.id", 0))):
        node, number = nodes.get(port.get("node.id")), port.get("object.serial", port.get("object.id"))
        if node is None or number is None:
            continue
        if port.get("port.direction") == "in":
            node.inputs.append(int(number))
        else:
            # a virtual source has only monitor ports, which carry what programs play into it
            monitor = port.get("port.monitor") and not node.is_source
            (node.monitors if monitor else node.outputs).append(int(number))
    names = [_named(defaults.get(f"default.audio.{side}")) for side in ("source", "sink")]
    return Graph([node for node in nodes.values() if node.inputs or node.outputs], *names)


def _named(value: Any) -> str:
    return str(value.get("name", "")) if isinstance(value, dict) else ""
