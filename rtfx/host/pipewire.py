"""PipeWire's view of its graph: devices, which ports are theirs, and the defaults that the desktop has chosen."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

DUMP_SECONDS = 5.0
SOURCE, SINK, DUPLEX = "Audio/Source", "Audio/Sink", "Audio/Duplex"
PACKAGE = "PipeWire runs, but its JACK library is missing, which is the fast way to it: sudo apt install pipewire-jack"


@dataclass
class Node:
    """One device or program of the graph; its ports by their numbers, in channel order.

    Parameters
    ----------
    name : str
        What stays from start to start, such as ``alsa_input.usb-Focusrite_Scarlett_2i2``.
    kind : str
        PipeWire's media.class; programs have another one than devices, or none.
    outputs, inputs, monitors : list of int
        Ports that sound comes out of, that it goes into, and that repeat what a sink plays.
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
    """Return what PipeWire has now; None where it cannot be asked: ``pw-dump`` comes with it."""
    if not shutil.which("pw-dump"):
        return None
    try:
        done = subprocess.run(["pw-dump"], capture_output=True, timeout=DUMP_SECONDS, stdin=subprocess.DEVNULL)
        return read_graph(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, RecursionError):
        return None


def read_graph(objects: Any) -> Graph:
    """Return the graph that a dump describes; objects that lack something, as those that come do, are left out."""
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
            # a virtual source repeats by such ports what programs play into it: its sound is nothing else
            monitor = port.get("port.monitor") and not node.is_source
            (node.monitors if monitor else node.outputs).append(int(number))
    names = [_named(defaults.get(f"default.audio.{side}")) for side in ("source", "sink")]
    return Graph([node for node in nodes.values() if node.inputs or node.outputs], *names)


def _named(value: Any) -> str:
    return str(value.get("name", "")) if isinstance(value, dict) else ""
