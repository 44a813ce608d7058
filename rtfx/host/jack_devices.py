"""The devices behind a JACK server or PipeWire: which ports belong together, and which device is the default."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .device import Device
from .jack import IS_INPUT, IS_OUTPUT, IS_PHYSICAL, PIPEWIRE_ROUTE, Client, Port, route
from .pipewire import Graph, graph

JACK = "JACK Audio Connection Kit"  # the host API of all of them, by PortAudio's name
LISTING = "rtfx-devices"  # the client that asks; it has no ports
# PipeWire's library takes the rate of a wish for the graph's until it runs
WITHOUT_WISHES = dict.fromkeys(("PIPEWIRE_LATENCY", "PIPEWIRE_QUANTUM", "PIPEWIRE_RATE"))
NEVER, MONITOR, REAL, CHOSEN = range(4)  # how well a device fits as the default: real ones before monitors


@dataclass(frozen=True)
class Group:
    """Ports that make one device, and how well it fits as the default of either side."""

    key: str
    name: str
    inputs: tuple[str, ...] = ()  # rtfx hears these
    outputs: tuple[str, ...] = ()
    monitor: bool = False
    fits_input: int = NEVER
    fits_output: int = NEVER


class RateSeen:
    """What the graph was seen to run at: a PipeWire that may switch tells a client that does not play its default.

    It holds as long as that default stays.
    """

    def __init__(self) -> None:
        self._runs, self._told = 0.0, 0.0

    def note(self, runs: float) -> None:
        """Keep the rate, in Hz, that a client that plays has seen."""
        self._runs, self._told = runs, 0.0

    def behind(self, told: float) -> float:
        """Return the rate behind the one that a client that does not play was told."""
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
    found = route()
    if not found:
        return []
    nodes = graph() if found == PIPEWIRE_ROUTE else None
    client = Client(LISTING, WITHOUT_WISHES)
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
        Returns the JACK name of a port by its number: names alone do not tell two devices of one name apart.
    """
    groups = []
    for node in graph.nodes:
        outputs, inputs, monitors = (
            tuple(name for name in map(port_of, ports) if name) for ports in (node.outputs, node.inputs, node.monitors)
        )
        if node.is_source and not node.is_sink:
            inputs = ()  # what goes in there comes out of it again
        fits_input = (REAL + (node.name == graph.default_source)) * bool(node.is_source and outputs)
        fits_output = (REAL + (node.name == graph.default_sink)) * bool(node.is_sink and inputs)
        if outputs or inputs:
            groups.append(Group(node.name, node.description, outputs, inputs, False, fits_input, fits_output))
        if monitors:
            groups.append(_monitor(node.name, node.description, monitors))
    return groups


def by_client(ports: Iterable[Port]) -> list[Group]:
    """Return JACK's devices: the ports of each client, its monitors apart; the default has physical ports."""
    clients: dict[str, list[Port]] = {}
    for port in ports:
        clients.setdefault(port.client, []).append(port)
    groups = []
    for client, own in clients.items():
        outputs = [port for port in own if port.flags & IS_OUTPUT and not port.is_monitor]
        inputs = [port for port in own if port.flags & IS_INPUT]
        if outputs or inputs:
            fits = [REAL * any(port.flags & IS_PHYSICAL for port in side) for side in (outputs, inputs)]
            heard, played = (tuple(port.name for port in side) for side in (outputs, inputs))
            groups.append(Group(client, client, heard, played, False, *fits))
        monitors = tuple(port.name for port in own if port.is_monitor)
        if monitors:
            groups.append(_monitor(client, client, monitors))
    return groups


def _monitor(key: str, name: str, ports: tuple[str, ...]) -> Group:
    return Group(f"{key}.monitor", f"Monitor of {name}", ports, monitor=True, fits_input=MONITOR)
