"""The loop on a small pedal: it learns, resumes, keeps the best net, and reports why it stops."""

import signal

import numpy as np
import pytest

from rtfx.errors import AudioFileError, UsageError
from rtfx.train.dataset import Take, dataset
from rtfx.train.fit import Plan, check, fit
from rtfx.train.learner import make
from rtfx.train.loss import esr
from tests.train.pedal import take

PLAN = Plan(rounds=6, batch=16, segment=5000, round_frames=800_000)
HEARD_ESR = 0.02  # on audio of another seed


@pytest.fixture(scope="module")
def data():
    return dataset([take(10.0, 1)])


@pytest.fixture(scope="module")
def trained(data):
    net = make("lstm8", 1, seed=4)
    return net, *fit(net, data, PLAN)


@pytest.mark.slow
def test_a_pedal_is_learnt(trained, data):
    net, done, why = trained
    assert why == "finished" and len(done.reports) == PLAN.rounds
    unheard = take(4.0, 77)
    heard = esr(net.predict(unheard.x)[4800:], unheard.y[4800:])
    assert heard < HEARD_ESR
    assert check(net, data)[0] == pytest.approx(done.esr)  # the best weights are in the net
    assert done.reports[-1].rate < 0.05 * done.reports[0].rate


@pytest.mark.slow
def test_resumed_equals_uninterrupted(trained, data):
    net, done, _ = trained
    first = make("lstm8", 1, seed=4)

    def leave(report, checkpoint):
        if report.round == 3:
            raise KeyboardInterrupt

    kept, why = fit(first, data, PLAN, after=leave)
    assert why == "interrupted" and len(kept.reports) == 3
    second = make("lstm8", 1, seed=99)
    again, _ = fit(second, data, PLAN, begin=kept)
    assert [report.esr for report in again.reports] == [report.esr for report in done.reports]
    assert all(np.array_equal(again.learner[name], done.learner[name]) for name in done.learner)
    assert np.array_equal(second.optimiser.values, net.optimiser.values)


class Louder:
    """A learner whose only weight is a gain that the test sets, so nothing is compiled."""

    warm_up, rate = 0, 0.0

    def __init__(self):
        self.gain = 1.0

    def step(self, x, y):
        return 0.0

    def predict(self, x):
        return np.float32(self.gain) * x[0]

    def state(self):
        return {"gain": np.array(self.gain)}

    def restore(self, state):
        self.gain = float(state["gain"])


def test_the_best_is_kept_not_the_last(data):
    net = Louder()

    def ruin(report, checkpoint):
        net.gain += -3.0 if report.round == 2 else 0.1

    done, _ = fit(net, data, Plan(rounds=3, batch=16, segment=5000, round_frames=200_000), after=ruin)
    first, better, ruined = (report.esr for report in done.reports)
    assert better < first < ruined
    assert check(net, data)[0] == better


def test_it_stops_when_it_is_good_enough_or_no_better(data):
    plan = {"batch": 16, "segment": 5000, "round_frames": 100_000}
    done, why = fit(Louder(), data, Plan(rounds=9, until=10.0, **plan))
    assert why == "good enough" and len(done.reports) == 1
    done, why = fit(Louder(), data, Plan(rounds=9, patience=2, **plan))
    assert why == "no better" and len(done.reports) == 4  # a third of the plan in vain


def test_an_interrupt_before_anything_is_kept_is_raised(data):
    def leave(progress, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Louder(), data, PLAN, tick=leave)


def test_an_interrupt_waits_until_a_round_is_kept(data, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    kept = []

    def keep(report, checkpoint):
        signal.raise_signal(signal.SIGINT)
        kept.append(checkpoint)

    done, why = fit(Louder(), data, PLAN, after=keep)
    assert why == "interrupted" and kept == [done]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_held_back_is_never_learnt():
    data = dataset([take(3.0, 2), take(2.0, 3)])
    held = [np.zeros(each.y.size, bool) for each in data.takes]
    for span in data.checks:
        held[span.take][span.start : span.stop] = True
    assert all(0.05 < part.mean() < 0.15 for part in held)
    rng = np.random.default_rng(0)
    drawn = data.draw(rng, 200, 4000)
    assert {span.stop - span.start for span in drawn} == {4000}
    assert not any(held[span.take][span.start : span.stop].any() for span in drawn)
    assert {span.take for span in drawn} == {0, 1}


def test_a_segment_begins_with_what_was_played_before():
    data = dataset([take(1.0, 2, gain=0.25)])
    first, later = data.training[0]._replace(stop=500), data.training[0]._replace(start=700, stop=1200)
    x, y = data.segments([first, later], 600)
    assert x.shape == (2, 2, 1100) and y.shape == (2, 1100)
    assert not x[0, 0, :600].any() and not y[0, :600].any() and np.all(x[:, 1] == 0.25)
    assert np.array_equal(x[1], data.takes[0].x[:, 100:1200]) and np.array_equal(y[1], data.takes[0].y[100:1200])


def test_what_cannot_be_learnt_from_is_refused():
    with pytest.raises(AudioFileError, match="too short"):
        dataset([Take(np.zeros((1, 500), np.float32), np.zeros(500, np.float32))])
    with pytest.raises(UsageError, match="did you mean 'lstm16'"):
        make("lstm_16", 1)
    with pytest.raises(UsageError, match="take gru128"):
        make("gru129", 1)
