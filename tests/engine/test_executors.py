"""Order is kept, and one bad item costs one result."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from tumorboard.core import codes as core_codes
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.executors import DaskExecutor, ProcessExecutor, SerialExecutor, executor


def square(number: int) -> int:
    if number == 3:
        raise ValueError("three is not allowed")
    if number == 4:
        raise TumorboardError(core_codes.GEOMETRY_SHAPE, "four", found="4", expected="another")
    return number * number


def die_at_two(number: int) -> int:
    if number == 2:
        os._exit(1)
    return number


def threads_of(_: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def unsendable(_: int) -> object:
    return lambda: None


@pytest.fixture(params=["serial", "processes"])
def pool(request: pytest.FixtureRequest):
    with executor(2, kind=request.param) as made:
        yield made


def test_results_keep_the_order_and_failures_their_place(pool):
    attempts = list(pool.attempt(square, range(7)))
    assert [a.value for a in attempts] == [0, 1, 4, None, None, 25, 36]
    assert attempts[3].error.code.id == "ENG101" and "three is not allowed" in str(attempts[3].error)
    assert attempts[4].error.code.id == "GEO103" and attempts[4].error.where == "four"


def test_map_raises_at_the_bad_item(pool):
    results = pool.map(square, [1, 2, 3])
    assert [next(results), next(results)] == [1, 4]
    with pytest.raises(TumorboardError, match="ENG101"):
        next(results)


def test_a_process_that_ends_takes_only_its_own_item_with_it():
    with ProcessExecutor(2) as pool:
        attempts = list(pool.attempt(die_at_two, range(5)))
        assert [a.value for a in attempts] == [0, 1, None, 3, 4]
        assert attempts[2].error.code.id == "ENG102"


def test_workers_use_one_thread_and_unsendable_results_are_named():
    with ProcessExecutor(1) as pool:
        assert list(pool.map(threads_of, [0])) == ["1"]
        (attempt,) = pool.attempt(unsendable, [0])
        assert attempt.error.code.id == "ENG101"


def test_choice_of_executor():
    assert isinstance(executor(1), SerialExecutor)
    assert isinstance(executor(3), ProcessExecutor)
    with pytest.raises(TumorboardError, match="ENG106"):
        executor(1, kind="threads")
    with pytest.raises(TumorboardError, match="ENG106"):
        executor(-1)


@pytest.mark.slow
def test_dask_gives_what_the_serial_executor_gives():
    pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # distributed warns about ports and sockets of the machine it runs on
        with DaskExecutor(workers=1) as pool:
            attempts = list(pool.attempt(square, range(6)))
    assert [a.value for a in attempts] == [0, 1, 4, None, None, 25]
    assert attempts[3].error.code.id == "ENG101" and attempts[4].error.code.id == "GEO103"


def wait_long(_: int) -> None:
    time.sleep(120)


def test_workers_end_when_their_parent_is_killed(tmp_path) -> None:
    """A killed run must not leave idle processes behind."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, threading, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_executors import wait_long\n"
        "from tumorboard.engine.executors import ProcessExecutor\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessExecutor(2)\n"
        "    threading.Thread(target=lambda: list(pool.map(wait_long, [1, 2])), daemon=True).start()\n"
        "    while pool._pool is None or len(pool._pool._processes) < 2:\n"
        "        time.sleep(0.05)\n"
        "    print(*pool._pool._processes, flush=True)\n"
        "    time.sleep(120)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        assert len(workers) == 2 and all(map(alive, workers))
        parent.kill()
        for _ in range(600):
            if not any(map(alive, workers)):
                return
            time.sleep(0.05)
    pytest.fail("the workers outlived their parent by half a minute")


def alive(process: int) -> bool:
    """Whether it runs still; one that ended and was not collected yet counts as ended."""
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
