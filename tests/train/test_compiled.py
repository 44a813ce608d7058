"""The trainer's compiled functions: their order of sums, their cache, and a cache that others may write to."""

import numba
import numpy as np
import pytest

from rtfx.train import compiled as module


def total(values):
    result = np.float32(0.0)
    for value in values:
        result += value
    return result


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path)
    return tmp_path / "train"


def test_sums_keep_their_order_only_where_that_is_asked(folder):
    quick, exact = module.compiled(total), module.compiled_as_written(total)
    assert (quick.targetoptions["fastmath"], exact.targetoptions["fastmath"]) == (True, False)
    values = np.array([1e8, 1.0, -1e8] * 40, np.float32)
    assert exact(values) == total(values)


def test_code_is_kept_in_rtfxs_own_cache_and_numbas_setting_stays(folder, monkeypatch):
    before = numba.config.CACHE_DIR
    function = module.compiled_as_written(total)
    assert numba.config.CACHE_DIR == before
    function(np.ones(3, np.float32))
    assert list(folder.rglob("*.nbi")) and list(folder.rglob("*.nbc"))
    again = module.compiled_as_written(total)
    again(np.ones(3, np.float32))
    assert sum(again.stats.cache_hits.values()) == 1
    monkeypatch.setattr(module, "distrust", lambda path: "anyone may write to it")
    alone = module.compiled_as_written(total)
    alone(np.ones(3, np.float32))
    assert not alone.stats.cache_hits, "another user's cache could hold any code"


def test_a_division_by_zero_is_numpys(folder):
    function = module.compiled_as_written(lambda one, other: one / other)
    assert function(np.float32(1.0), np.float32(0.0)) == np.inf
