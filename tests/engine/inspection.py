"""Says whether compiled functions can ever reach Python, the GIL or the allocator: what the audio thread must not do.

An error would be a status that an inner function returns: all return the constant 0. What the inner functions call is
held against a list.
"""

from __future__ import annotations

import re

from rtfx.engine.process import CALLBACK_KERNEL, DRIVE
from rtfx.engine.run import RUN_PART, RUN_RIG
from rtfx.engine.timing import TIMED_BLOCKS, TIMED_CALLS, TIMED_RUN
from rtfx.host.jack_host import PROCESS
from rtfx.host.null import PACE
from rtfx.kernels.jit import REGISTRY, Kernel
from rtfx.kernels.native import C_FUNCTIONS
from rtfx.plan.chain import Plan
from rtfx.plan.show import step_records

SLEEP = C_FUNCTIONS["sleep"]
# these call kernels through addresses out of a plan; PROCESS calls JACK's jack_port_get_buffer, which waits for nothing
MOVERS = (CALLBACK_KERNEL, PACE, PROCESS, DRIVE, RUN_RIG, RUN_PART, TIMED_BLOCKS, TIMED_CALLS, TIMED_RUN)
_INNER = r"llvm\..*|_ZN.*"  # _ZN: further functions of Numba, inspected as well
_ALLOWED = re.compile("|".join((_INNER, *(group for why, group in C_FUNCTIONS.items() if why != "sleep"))))


def kernels_of(plan: Plan) -> list[Kernel]:
    """Return the kernels that a plan calls."""
    return [REGISTRY[int(address)] for address in step_records(plan)["kernel"] if int(address) in REGISTRY]


def unknown_addresses(plan: Plan) -> list[int]:
    """Return the addresses that a plan would call and that no kernel registered."""
    return [int(address) for address in step_records(plan)["kernel"] if int(address) not in REGISTRY]


def violations(compiled, may_sleep: bool = False, may_call_addresses: bool = False) -> list[str]:
    """Return what makes a compiled function unsafe; nothing if it is safe.

    Parameters
    ----------
    compiled : Fresh
        What `Kernel.uncompiled` returns: a cache holds no code to inspect.
    may_call_addresses : bool
        Calls through an address are opaque here; who makes them must only hold addresses that were inspected too.
    """
    from llvmlite.binding import ValueKind

    found = []
    functions = list(compiled.library._final_module.functions)
    here = {function.name for function in functions if not function.is_declaration}
    inner = [function for function in functions if not function.is_declaration and function.name.startswith("_ZN")]
    assert inner, "no inner function was found: nothing was inspected"
    for function in inner:
        found += _statuses(function)
        for block in function.blocks:
            for instruction in block.instructions:
                if instruction.opcode not in ("call", "invoke"):
                    continue
                callee = list(instruction.operands)[-1]
                if callee.value_kind != ValueKind.function:
                    if not may_call_addresses:
                        found.append(f"calls an address: {str(instruction).strip()}")
                elif callee.name.startswith("_ZN") and callee.name not in here:
                    found.append(f"calls {callee.name}, whose code is elsewhere")
                elif not _ALLOWED.fullmatch(callee.name) and not (may_sleep and callee.name == SLEEP):
                    found.append(f"calls {callee.name}")
    return found


def _statuses(function) -> list[str]:
    """Return what a function may return but the constant 0; the status of an inner function, inspected itself, is 0."""
    lines = [str(i).strip() for block in function.blocks for i in block.instructions]
    values = dict(line.split(" = ", 1) for line in lines if line.startswith("%") and " = " in line)
    returns = [line for line in lines if line.startswith("ret ")]
    waiting = [line.removeprefix("ret i32 ").split(",")[0].split("!")[0].strip() for line in returns]
    seen, found = set(), []
    while waiting:
        name = waiting.pop()
        if name in seen or name in ("0", "ret void"):  # void: LLVM found that its callers need no status
            continue
        seen.add(name)
        value = values.get(name, "")
        if value.startswith("phi i32"):
            waiting += re.findall(r"\[ ([^,]+), %", value)
        elif value.startswith("select"):
            waiting += re.findall(r", i32 ([^,]+)", value)
        elif not re.match(r"(tail |musttail |notail )?call .*i32 @_ZN", value):
            found.append(f"can raise: {name} = {value}")
    return found
