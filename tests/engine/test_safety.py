"""The audio thread is safe: every compiled function that it can reach is inspected, and it can reach no other."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtfx.api import Rig
from rtfx.effects.table import BLOCKS
from rtfx.engine.process import CALLBACK_KERNEL
from rtfx.host.null import PACE
from rtfx.kernels import conv, recurrent
from rtfx.kernels.cache import COMPILED_FOLDERS
from rtfx.kernels.delay import MIX
from rtfx.kernels.kernel import PROCESS, Kernel, Loop
from rtfx.kernels.llvm import Compiled
from rtfx.kernels.memory import floats
from rtfx.kernels.plain import PLAIN_CELL, PLAIN_CONV
from rtfx.plan.show import step_records

from .inspection import MOVERS, kernels_of, unknown_addresses, violations
from .rigs import RATE, chains, rig

ROOT = Path(__file__).parents[2]
MODELS = sorted((ROOT / "models").glob("*.json"))
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def shipped_plans():
    """Yield (name, plan) of every model and preset in the repository, and of the tests' own rigs."""
    for path in MODELS:
        yield path.name, Rig([str(path)]).plan(RATE)
    for path in PRESETS:
        for number in range(len(Rig.from_yaml(path).presets)):
            found = Rig.from_yaml(path, number + 1)
            yield f"{path.name}:{found.preset.name}", found.plan(found.sample_rate or RATE)
    for name, chain in chains().items():
        yield name, rig(chain).plan


@pytest.fixture(scope="module")
def plans():
    return dict(shipped_plans())


def test_every_address_in_every_plan_is_a_registered_kernel(plans):
    assert all(len(step_records(plan)) for plan in plans.values())
    assert {name: unknown_addresses(plan) for name, plan in plans.items()} == {name: [] for name in plans}
    plan = plans["gain"]
    stray = replace(plan, arena=plan.arena.copy())
    step_records(stray)["kernel"][0] = 12345
    assert unknown_addresses(stray) == [12345]


def declared_kernels():
    """Yield every kernel that stands in a module: plain loops, effects, the callback and its drivers."""
    for folder in COMPILED_FOLDERS:
        for path in sorted((ROOT / "rtfx" / folder).glob("[a-z]*.py")):
            module = importlib.import_module(f"rtfx.{folder}.{path.stem}")
            yield from (value for value in vars(module).values() if isinstance(value, Kernel))


@pytest.mark.slow
def test_every_kernel_is_safe(plans):
    """All kernels of all shipped rigs, and all that rigs of other models could reach."""
    declared = set(declared_kernels())
    assert {PLAIN_CONV, PLAIN_CELL, *MOVERS} <= declared
    reached = {each for plan in plans.values() for each in kernels_of(plan)}
    problems = {}
    for each in sorted(declared | reached, key=lambda each: each.name):
        found = violations(each.compiled(), may_sleep=each is PACE, may_call_addresses=each in MOVERS)
        if found:
            problems[each.name] = sorted(set(found))
    assert not problems


@pytest.mark.parametrize("block", [block for block in BLOCKS.values() if block.kernel], ids=lambda block: block.type)
def test_effects_are_safe(block):
    assert violations(block.kernel.compiled()) == []


def test_the_callback_neither_sleeps_nor_calls_addresses_unnoticed():
    """The two permissions are given to exactly the functions that need them."""
    assert any("calls an address" in line for line in violations(CALLBACK_KERNEL.compiled()))
    found = violations(PACE.compiled(), may_call_addresses=True)
    assert found and set(found) == {"calls nanosleep"}


# kernels that must be rejected
def allocates(state, source, target, frames):
    scratch = np.zeros(frames, np.float32)
    floats(target, frames)[0] = scratch[0]
    return 0


def raises(state, source, target, frames):
    if frames > 512:
        raise ValueError("too long")
    return 0


def prints(state, source, target, frames):
    print(frames)
    return 0


def draws(state, source, target, frames):
    floats(target, frames)[0] = np.random.random()
    return 0


def divides(state, source, target, frames):
    return source // frames


def fills(state, source, target, frames):
    for n in range(frames):
        floats(target, frames)[n] = np.float32(0.5)
    return 0


def concatenates(state, source, target, frames):
    return len("x" * frames)


@pytest.mark.parametrize(
    "function", [allocates, pytest.param(concatenates, marks=pytest.mark.slow), raises, prints, draws]
)
def test_what_is_not_safe_is_refused(function):
    assert violations(Loop(function).compiled())
    with pytest.raises(TypeError, match=rf"{function.__name__} calls \w+.*: kernels may call the C library only"):
        Loop(function).address  # noqa: B018


def test_checker_rejects_division_that_may_raise():
    import numba

    raising = numba.cfunc(PROCESS)(divides)
    found = violations(Compiled(raising.inspect_llvm(), raising.native_name, "raising"))
    assert any("Py" in line or "numba" in line for line in found)
    assert violations(Loop(divides).compiled()) == []


def test_checker_accepts_what_is_safe():
    assert violations(Loop(fills).compiled()) == []
    assert violations(conv.conv_kernel(conv.ConvShape(2, 2, 2, 1), conv.ConvTile(4, 1, 2)).compiled()) == []
    assert violations(recurrent.cell_kernel(recurrent.CellShape(0, 1, 4, 1, 0, 4)).compiled()) == []
    assert violations(recurrent.cell_kernel(recurrent.CellShape(0, 1, 4, 1, 0, 4, MIX)).compiled()) == []


def test_a_cached_kernel_is_inspected_too():
    """A kernel from the disk cache holds no code to inspect, so inspection compiles it again."""
    first = Loop(fills)
    first.address  # noqa: B018
    again = Loop(fills)
    again.address  # noqa: B018
    assert again.from_cache
    assert violations(again.compiled()) == []
