"""Finds compiled functions that could reach Python, the GIL or the allocator, which the audio thread must not use.

Their calls are compared with a list. An error would call Python too, because Numba prints it.
"""

from __future__ import annotations

import re

from rtfx.engine.process import CALLBACK_KERNEL, DRIVE
from rtfx.engine.run_rig import RUN_RIG
from rtfx.engine.timing import TIMED_BLOCKS, TIMED_CALLS, TIMED_RUN
from rtfx.engine.voices import PLAY_SLOTS
from rtfx.host.jack_host import PROCESS
from rtfx.host.null import PACE
from rtfx.kernels.kernel import REGISTRY, Kernel
from rtfx.kernels.llvm import C_FUNCTIONS, Compiled
from rtfx.plan.chain import Plan
from rtfx.plan.show import step_records

SLEEP = C_FUNCTIONS["sleep"]
# these call kernels through addresses out of a plan; PROCESS calls JACK's jack_port_get_buffer, which waits for nothing
MOVERS = (CALLBACK_KERNEL, PLAY_SLOTS, PACE, PROCESS, DRIVE, RUN_RIG, TIMED_BLOCKS, TIMED_CALLS, TIMED_RUN)
_ALLOWED = re.compile("|".join(group for why, group in C_FUNCTIONS.items() if why != "sleep"))


def kernels_of(plan: Plan) -> list[Kernel]:
    """Return the kernels that a plan calls."""
    return [REGISTRY[int(address)] for address in step_records(plan)["kernel"] if int(address) in REGISTRY]


def unknown_addresses(plan: Plan) -> list[int]:
    """Return the addresses that a plan would call and that no kernel registered."""
    return [int(address) for address in step_records(plan)["kernel"] if int(address) not in REGISTRY]


def violations(compiled: Compiled, may_sleep: bool = False, may_call_addresses: bool = False) -> list[str]:
    """Return the reasons why a compiled function is unsafe; none if it is safe. All code of its module is inspected.

    Parameters
    ----------
    compiled : Compiled
        The result of `Kernel.compiled`; a cache holds no code to inspect.
    may_call_addresses : bool
        Calls through an address cannot be inspected here; the caller must only use addresses of inspected functions.
    """
    from llvmlite.binding import ValueKind

    found = []
    functions = list(compiled.module.functions)
    here = {function.name for function in functions if not function.is_declaration}
    assert compiled.symbol in here, "the kernel was not found: nothing was inspected"
    for instruction in (each for function in functions for block in function.blocks for each in block.instructions):
        if instruction.opcode not in ("call", "invoke"):
            continue
        callee = list(instruction.operands)[-1]
        if callee.value_kind != ValueKind.function:
            if not may_call_addresses:
                found.append(f"calls an address: {str(instruction).strip()}")
        elif callee.name in here or callee.name.startswith("llvm."):
            continue
        elif not _ALLOWED.fullmatch(callee.name) and not (may_sleep and callee.name == SLEEP):
            found.append(f"calls {callee.name}")
    return found
