"""A graph of nodes that can grow, be rewritten, pruned, checked and printed.

Readers build a graph, rewrites change it and writers read it. A `ModelSpec` holds the finished list of nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

import numpy as np

from ..errors import ShapeMismatch
from .nodes import ROLES, Input, Node
from .values import NODES, at_most

TOLD = ("role", "kind")  # fields that are printed even if they have their default value


class Graph:
    """Nodes by number, in an order in which they can be computed.

    A node keeps its number while others are added or removed; `listed` renumbers all nodes.

    Attributes
    ----------
    nodes : dict of int to Node
    widths : dict of int to int
        Features of each node's output.
    output : int
        The number of the output node: the node added last, unless set.
    """

    def __init__(self, nodes: Iterable[Node] = ()):
        self.nodes: dict[int, Node] = {}
        self.widths: dict[int, int] = {}
        self.output = -1
        self._fresh = 0
        for node in nodes:
            self.add(node)

    def add(self, node: Node) -> int:
        """Append a node and return its number.

        Raises
        ------
        ResourceLimit
            More than `values.NODES` nodes.
        """
        at_most(len(self.nodes) + 1, NODES, "number of nodes")
        self.output = number = self._fresh
        self._fresh += 1
        self.replace(number, node)
        return number

    def replace(self, number: int, node: Node) -> None:
        """Put a node in the place of another."""
        self.nodes[number] = node
        self.widths[number] = node.width_after([self.widths[source] for source in node.sources])

    def insert_before(self, place: int, node: Node) -> int:
        """Insert a node just before `place` and return its number."""
        number, self._fresh = self._fresh, self._fresh + 1
        self.nodes = {
            key: value
            for old, item in self.nodes.items()
            for key, value in ([(number, node)] if old == place else []) + [(old, item)]
        }
        self.replace(number, node)
        return number

    def users(self) -> dict[int, list[int]]:
        """Return the nodes that use each node; the output node has one more user, -1."""
        users: dict[int, list[int]] = {number: [] for number in self.nodes}
        for number, node in self.nodes.items():
            for source in node.sources:
                users[source].append(number)
        users[self.output].append(-1)
        return users

    def prune(self, roles: Sequence[str] = ROLES) -> None:
        """Remove nodes that the output does not depend on; inputs with these roles stay, as their order matters."""
        needed: set[int] = set()
        inputs = [number for number, node in self.nodes.items() if isinstance(node, Input) and node.role in roles]
        left = [self.output, *inputs]
        while left:
            number = left.pop()
            if number not in needed:
                needed.add(number)
                left += self.nodes[number].sources
        self.nodes = {number: node for number, node in self.nodes.items() if number in needed}

    def order(self) -> list[int]:
        """Return the numbers of the nodes, the output last."""
        return [number for number in self.nodes if number != self.output] + [self.output]

    def listed(self, output: int | None = None) -> tuple[Node, ...]:
        """Prune; return the nodes renumbered, the output last."""
        if output is not None:
            self.output = output
        self.prune()
        return self.renumbered()

    def renumbered(self) -> tuple[Node, ...]:
        """Return the nodes in `order`; their sources become indices into this list."""
        order = self.order()
        place = {number: i for i, number in enumerate(order)}
        return tuple(replace(self.nodes[i], sources=tuple(place[s] for s in self.nodes[i].sources)) for i in order)

    def __str__(self) -> str:
        return described(self.nodes, self.widths)


def widths(nodes: Sequence[Node]) -> list[int]:
    """Return the features of each node's output."""
    found: list[int] = []
    for node in nodes:
        found.append(node.width_after([found[source] for source in node.sources]))
    return found


def check(nodes: Sequence[Node], knobs: Sequence[str], title: str) -> None:
    """Raise unless every source exists, every shape fits, every weight is finite and every knob has its input.

    Parameters
    ----------
    nodes : sequence of Node
        In computable order.
    knobs : sequence of str
        Names of the model's knobs.
    title : str
        The model's name in messages.

    Raises
    ------
    ModelError
        ShapeMismatch, NonFiniteWeights or UnsupportedArchitecture.
    """
    found: list[int] = []
    for number, node in enumerate(nodes):
        where = f"{title}: node {number} ({node.op()})"
        if any(not 0 <= source < number for source in node.sources) or bool(node.sources) == isinstance(node, Input):
            raise ShapeMismatch(f"{where} has sources {node.sources}, expected earlier nodes")
        incoming = [found[source] for source in node.sources]
        node.check(incoming, where)
        found.append(node.width_after(incoming))
    inputs = [node for node in nodes if isinstance(node, Input)]
    if not any(node.role == "audio" for node in inputs):
        raise ShapeMismatch(f"{title}: no audio input, expected one")
    driven = sorted(node.name for node in inputs if node.role == "knob")
    if driven != sorted(set(knobs)) or len(set(knobs)) != len(knobs):
        raise ShapeMismatch(f"{title}: knobs {sorted(knobs)}, knob inputs {driven}: expected the same names, each once")


def described(nodes: dict[int, Node], widths: dict[int, int]) -> str:
    """Return one line for each node: number, kind, sources, features, options and shapes of the tensors."""
    lines = []
    for number, node in nodes.items():
        parts = []
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, np.ndarray):
                parts.append(f"{field.name} {'x'.join(map(str, value.shape))}")
            elif field.name in TOLD or (field.name != "sources" and value is not None and value != field.default):
                parts.append(f"{field.name} {value}")
        sources = ", ".join(map(str, node.sources)) or "-"
        lines.append(f"{number:4}  {type(node).__name__:<10}  {sources:<8}  {widths[number]:>4}  {', '.join(parts)}")
    return "\n".join(lines)
