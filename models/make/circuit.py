"""Linear circuits from a list of parts: gives their state space for simulation.

Capacitors become voltage sources, so the state is their voltages; the rest is resistive and is solved once by nodal
analysis. A part is ``(kind, from, to, value)``: R in ohms, C in farads, V an input voltage, I an input current that
leaves `from` and enters `to` outside the circuit. Node "0" is ground; op-amp inputs held at ground count as ground.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Part = tuple[str, str, str, float]


class StateSpace(NamedTuple):
    """x' = a x + b u, y = c x + d u."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray


def state_space(parts: list[Part], outputs: list[dict[str, float]]) -> StateSpace:
    """Return the equations of a circuit.

    Parameters
    ----------
    parts : list of Part
        Inputs u are its V and I parts, in order; states its C parts, in order (volts, `from` minus `to`).
    outputs : list of dict
        One output each: weights of node voltages, or of capacitor voltages under ``"C0"``, ``"C1"`` ...
    """
    nodes = sorted({node for _, start, stop, _ in parts for node in (start, stop)} - {"0"})
    at = {node: i for i, node in enumerate(nodes)}
    capacitors = [part for part in parts if part[0] == "C"]
    sources = capacitors + [part for part in parts if part[0] == "V"]
    currents = [part for part in parts if part[0] == "I"]
    n, m = len(nodes), len(sources)
    system, known = np.zeros((n + m, n + m)), np.zeros((n + m, m + len(currents)))

    def incidence(start: str, stop: str) -> np.ndarray:
        row = np.zeros(n)
        for node, sign in ((start, 1.0), (stop, -1.0)):
            if node != "0":
                row[at[node]] += sign
        return row

    for kind, start, stop, value in parts:
        if kind == "R":
            row = incidence(start, stop)
            system[:n, :n] += np.outer(row, row) / value
    for i, (_, start, stop, _) in enumerate(sources):
        system[n + i, :n] = system[:n, n + i] = incidence(start, stop)
        known[n + i, i] = 1.0
    for i, (_, start, stop, _) in enumerate(currents):
        known[:n, m + i] = -incidence(start, stop)
    solved = np.linalg.solve(system, known)  # node voltages and source currents for every state and input
    states = len(capacitors)
    rate = solved[n : n + states] / np.array([[value] for *_, value in capacitors])
    rows = np.zeros((len(outputs), known.shape[1]))
    for i, output in enumerate(outputs):
        for node, weight in output.items():
            if node[0] == "C" and node[1:].isdigit():
                rows[i, int(node[1:])] += weight
            else:
                rows[i] += weight * solved[at[node]]
    return StateSpace(rate[:, :states], rate[:, states:], rows[:, :states], rows[:, states:])


def trapezoidal(space: StateSpace, rate: float) -> StateSpace:
    """Return the discrete equations x[n] = a x[n-1] + b (u[n] + u[n-1]), y[n] = c x[n] + d u[n] at `rate` in Hz."""
    half = 0.5 / rate
    implicit = np.eye(space.a.shape[0]) - half * space.a
    return StateSpace(
        np.linalg.solve(implicit, np.eye(space.a.shape[0]) + half * space.a),
        np.linalg.solve(implicit, half * space.b),
        space.c,
        space.d,
    )


def response(space: StateSpace, hertz: np.ndarray) -> np.ndarray:
    """Return the transfer functions of the continuous circuit, ``(frequencies, outputs, inputs)`` complex."""
    s = 2j * np.pi * hertz[:, None, None]
    inner = np.linalg.solve(
        s * np.eye(space.a.shape[0]) - space.a, np.broadcast_to(space.b, (hertz.size, *space.b.shape))
    )
    return space.c @ inner + space.d
