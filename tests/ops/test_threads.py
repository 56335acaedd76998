"""Compiled loops under threads, forks and folders that cannot be written."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to
from tumorboard.ops.threads import compiled, in_slabs


@pytest.mark.parametrize(("count", "threads"), [(1, 1), (1, 8), (7, 3), (100, 16)])
def test_slabs_cover_everything_once_in_order(count: int, threads: int) -> None:
    seen = in_slabs(lambda start, stop: list(range(start, stop)), count, threads=threads)
    assert [n for slab in seen for n in slab] == list(range(count))
    assert len(seen) == min(count, threads)


def test_the_number_of_threads_can_be_stated(monkeypatch) -> None:
    for stated, slabs in (("3", 3), ("1", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
        assert len(in_slabs(lambda start, stop: None, 100)) == slabs
    for odd in ("", "many", "0"):
        monkeypatch.setenv("OMP_NUM_THREADS", odd)
        assert len(in_slabs(lambda start, stop: None, 100)) >= 1


def test_what_fails_in_a_slab_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_slabs(lambda start, stop: 1 // (start - 5), 10, threads=2)


def sampled(seed: int) -> float:
    volume = Volume(np.random.default_rng(seed).random((20, 20, 20), np.float32), np.eye(4), Unit.SUVBW)
    affine = np.diag([0.5, 0.5, 0.5, 1.0])
    return float(resample_to(volume, Geometry((40, 40, 40), affine), threads=2).array.sum(dtype=np.float64))


def test_many_threads_at_once_and_a_fork_after_use() -> None:
    expected = [sampled(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(sampled, range(6))) == expected
    with multiprocessing.get_context("fork").Pool(2) as processes:
        assert processes.map(sampled, range(6)) == expected


def test_without_a_folder_for_compiled_code_it_is_compiled_anew(monkeypatch) -> None:
    real = numba.njit

    def njit(**options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(numba, "njit", njit)

    def twice(x):
        return 2 * x

    assert compiled(twice)(21) == 42
