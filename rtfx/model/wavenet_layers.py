"""Finds WaveNet layers in a graph: nodes that one layer kernel computes together, or one layer of a NAM file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .nodes import Activation, Add, Conv1d, Dense, Mul, Node, PRelu, Slice

FOLDED_ROWS = 4  # features of the widest head that a kernel folds into its layer


@dataclass
class Match:
    """The nodes of one layer, by index; None for a part that the layer does not have."""

    conv: int
    condition: int | None = None  # a dense layer whose output joins the convolution's
    activations: list[int] = field(default_factory=list)
    features: int = -1  # the node that is z
    mixed: int | None = None  # 1x1
    residual: int | None = None  # a dense layer of the source; None: the source itself
    output: int | None = None  # the sum of 1x1 and residual
    head: int | None = None  # a dense layer of z; None: z itself
    head_sum: int | None = None
    exposed: bool = False
    between: list[int] = field(default_factory=list)  # the sum and the slices before the activation

    @property
    def gated(self) -> bool:
        """Whether two activations are multiplied."""
        return len(self.activations) > 1

    @property
    def inside(self) -> set[int]:
        """Nodes whose output is not stored as a signal."""
        parts = [self.condition, *self.activations, self.features, self.mixed, self.residual, self.head, *self.between]
        hidden = {part for part in parts if part is not None}
        return hidden - {self.features} if self.exposed else hidden

    def needed(self, nodes: Sequence[Node]) -> set[int]:
        """Nodes whose signals the layer reads, and nodes that sum its outputs."""
        read = [nodes[part].sources[0] for part in (self.conv, self.condition) if part is not None]
        return {*read, *(total for total in (self.head_sum, self.output) if total is not None)}


def matches(nodes: Sequence[Node], users: Sequence[Sequence[int]]) -> list[Match]:
    """Return every layer for which a layer kernel pays off: those with more than a convolution and its activation.

    If two layers contain the same node, or one reads the signal of a node inside the other, the earlier one is taken:
    the head of a layer may be the condition of the next.
    """
    kept: list[Match] = []
    inside: set[int] = set()
    outside: set[int] = set()
    for index, node in enumerate(nodes):
        found = match(nodes, users, index) if isinstance(node, Conv1d) and node.groups == 1 else None
        if found is None or not (found.mixed or found.head_sum or found.condition is not None or found.gated):
            continue
        needed = found.needed(nodes)
        if not (found.inside & (inside | outside) or needed & inside):
            kept.append(found)
            inside |= found.inside
            outside |= needed
    return kept


def match(nodes: Sequence[Any], users: Sequence[Sequence[int]], index: int, for_file: bool = False) -> Match | None:
    """Return the layer that begins with the convolution or dense layer `index`, None if no activation follows it.

    Parameters
    ----------
    nodes : sequence of Node
        In computable order.
    users : sequence of sequence of int
        The nodes that use each node.
    for_file : bool
        Also find layers that only files can hold: with PReLU, without an activation, or with heads of any width.
    """
    conv = nodes[index]
    found = Match(index)
    last = index
    after = users[last]
    if len(after) == 1 and isinstance(nodes[after[0]], Add) and len(nodes[after[0]].sources) == 2:
        other = next((s for s in nodes[after[0]].sources if s != last), last)
        if isinstance(nodes[other], Dense) and len(users[other]) == 1 and nodes[other].sources[0] < index:
            found.condition, last = other, after[0]
            found.between.append(last)
    if not _find_activation(nodes, users, last, found, for_file):
        if not for_file:
            return None
        found.features = last
    consumers = users[found.features]
    taken = [
        _as_output(nodes, users, user, conv, found) or _as_head(nodes, users, user, found, for_file)
        for user in consumers
    ]
    if not all(taken) or found.features == len(nodes) - 1:
        found.exposed = True
        found.mixed = found.residual = found.output = None
        if found.head is not None:
            found.head = found.head_sum = None
    return found


def _find_activation(nodes, users, last: int, found: Match, for_file: bool) -> bool:
    """Find z: an activation, or the product of two on the two halves."""
    after = users[last]
    if len(after) == 1 and (_plain(nodes[after[0]]) or (for_file and isinstance(nodes[after[0]], PRelu))):
        found.activations, found.features = [after[0]], after[0]
        return True
    if len(after) != 2 or not all(isinstance(nodes[a], Slice) for a in after):
        return False
    halves = sorted(after, key=lambda a: nodes[a].start)
    width = nodes[halves[1]].stop
    if [nodes[halves[0]].start, nodes[halves[0]].stop, nodes[halves[1]].start] != [
        0,
        width // 2,
        width // 2,
    ] or width % 2:
        return False
    gates = [users[h][0] for h in halves if len(users[h]) == 1 and _plain(nodes[users[h][0]])]
    if len(gates) != 2 or users[gates[0]] != users[gates[1]] or len(users[gates[0]]) != 1:
        return False
    product = users[gates[0]][0]
    if not isinstance(nodes[product], Mul) or sorted(nodes[product].sources) != sorted(gates):
        return False
    found.activations, found.features = gates, product
    found.between += halves
    return True


def _plain(node: Node) -> bool:
    return isinstance(node, Activation) and node.kind != "softmax"


def _as_output(nodes, users, user: int, conv: Conv1d, found: Match) -> bool:
    """Take `user` as the 1x1, if it is one with a residual from the layer's own source."""
    node = nodes[user]
    if found.mixed is not None or not isinstance(node, Dense) or len(users[user]) != 1:
        return False
    total = users[user][0]
    if not isinstance(nodes[total], Add) or len(nodes[total].sources) != 2:
        return False
    other = next((s for s in nodes[total].sources if s != user), user)
    if other == conv.sources[0]:
        found.mixed, found.output = user, total
        return True
    if isinstance(nodes[other], Dense) and nodes[other].sources == conv.sources and len(users[other]) == 1:
        found.mixed, found.residual, found.output = user, other, total
        return True
    return False


def _as_head(nodes, users, user: int, found: Match, any_width: bool) -> bool:
    """Take `user` as the head: a sum that z joins, or a narrow dense layer that joins one."""
    if found.head_sum is not None:
        return False
    if isinstance(nodes[user], Add) and nodes[user].sources.count(found.features) == 1:
        found.head_sum = user
        return True
    narrow = any_width or nodes[user].width <= FOLDED_ROWS
    if isinstance(nodes[user], Dense) and narrow and len(users[user]) == 1:
        total = users[user][0]
        if isinstance(nodes[total], Add):
            found.head, found.head_sum = user, total
            return True
    return False
