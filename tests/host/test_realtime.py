"""Real-time priority: every method is tried in order, and the report is correct."""

import os
import sys
import threading

import numpy as np
import pytest

from rtfx.host import realtime

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux scheduling")
RTKIT_LIMITS = {"MaxRealtimePriority": "i 20\n", "RTTimeUSecMax": "x 200000\n"}


@pytest.fixture
def refused(monkeypatch):
    """No right to SCHED_FIFO, no bus; returns the calls made."""
    calls = []

    def refuse(thread_id, policy, parameters):
        calls.append(parameters.sched_priority)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(realtime, "_busctl", lambda *arguments: "")
    return calls


def test_refusal_says_how_to_get_it(refused):
    answer = realtime.ask(threading.get_native_id())
    assert not answer.granted
    assert answer.how == "none"
    assert "rtkit" in answer.advice
    assert "\n" not in answer.advice
    assert refused[0] == realtime.PRIORITY


def test_lower_priority_where_the_limit_is_lower(monkeypatch):
    given = []

    def only_up_to_20(thread_id, policy, parameters):
        if parameters.sched_priority > 20:
            raise PermissionError
        given.append((thread_id, policy, parameters.sched_priority))

    monkeypatch.setattr(os, "sched_setscheduler", only_up_to_20)
    monkeypatch.setattr("resource.getrlimit", lambda which: (20, 20))
    answer = realtime.ask(1234567)
    assert answer == realtime.Granted(True, "SCHED_FIFO 20")
    assert given == [(1234567, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 20)]


def test_rtkit_is_asked_with_its_own_limits(refused, monkeypatch):
    limits, calls = [], []

    def bus(*arguments):
        calls.append(arguments)
        return RTKIT_LIMITS.get(arguments[-1], "")

    monkeypatch.setattr(realtime, "_busctl", bus)
    monkeypatch.setattr(realtime.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr("resource.setrlimit", lambda which, pair: limits.append((which, pair)))
    import resource

    seen = iter(["", "SCHED_RR 20"])
    monkeypatch.setattr(realtime, "scheduling", lambda thread_id: next(seen))
    answer = realtime.ask(42)
    assert answer == realtime.Granted(True, "SCHED_RR 20, by rtkit")
    assert limits == [(resource.RLIMIT_RTTIME, (200000, 200000))]
    assert calls[-1][-4:] == ("ttu", str(os.getpid()), "42", "20")


def test_silent_bus_sets_no_limit(refused, monkeypatch):
    monkeypatch.setattr("resource.setrlimit", lambda *arguments: pytest.fail("limit set for nothing"))
    assert not realtime.ask(threading.get_native_id()).granted


def test_thread_that_has_it_is_left_alone(refused, monkeypatch):
    monkeypatch.setattr(realtime, "scheduling", lambda thread_id: "SCHED_FIFO 10")
    assert realtime.ask(1) == realtime.Granted(True, "SCHED_FIFO 10, given by the sound server")
    assert refused == []


def test_a_real_thread_gets_what_the_answer_says():
    started, done, thread_id = threading.Event(), threading.Event(), []

    def body():
        thread_id.append(threading.get_native_id())
        started.set()
        done.wait()

    thread = threading.Thread(target=body)
    thread.start()
    started.wait()
    try:
        answer = realtime.ask(thread_id[0])
        assert bool(realtime.scheduling(thread_id[0])) == answer.granted
        assert bool(answer.advice) != answer.granted
        assert realtime.scheduling(threading.get_native_id()) == ""  # this thread stays ordinary
    finally:
        done.set()
        thread.join()


def test_dead_thread_is_a_refusal(monkeypatch):
    monkeypatch.setattr(realtime, "_busctl", lambda *arguments: "")
    assert not realtime.ask(2**22 + 1).granted


def test_other_systems_leave_it_to_the_host(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert realtime.ask(1) == realtime.Granted(True, "left to the host API")


def test_the_alsa_request_never_reaches_another_api():
    class Untouchable:
        def __getattr__(self, name):
            pytest.fail(f"read {name}")

    assert not realtime.enable_alsa(Untouchable(), Untouchable(), "JACK Audio Connection Kit")


def test_memory_can_be_locked_or_not():
    memory = np.zeros(4096, np.uint8)
    realtime.lock_memory(memory.ctypes.data, memory.nbytes)  # the limit may be 0: either answer is right
    realtime.unlock_memory(memory.ctypes.data, memory.nbytes)
    assert not realtime.lock_memory(memory.ctypes.data, 0)
    assert not realtime.lock_memory(8, 4096)  # nothing mapped there
