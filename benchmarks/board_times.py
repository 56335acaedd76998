"""What people wait for at the board: first picture, viewer, lesion, window, filters; and what a large PET/CT takes.

    python benchmarks/board_times.py [--write --date YYYY-MM-DD --machine "..."]

SYNTHETIC patients. Times are taken in Chromium by its own clock, without a graphics card (SwiftShader), so the viewer's
are upper bounds. Needs Debian's chromium.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "board"))

from board_server import serving as served  # noqa: E402
from browser import Browser  # noqa: E402

from tumorboard.board.build import build_board  # noqa: E402
from tumorboard.core.cohort import Cohort  # noqa: E402
from tumorboard.core.units import Unit  # noqa: E402
from tumorboard.core.volume import Volume  # noqa: E402
from tumorboard.io.images import describe_image, load_image  # noqa: E402
from tumorboard.io.nifti import write_nifti  # noqa: E402
from tumorboard.io.store import open_cohort, save_cohort  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "board.md"
Rows = list[tuple[str, str]]
OPEN = "document.querySelector('[data-pane=viewer]').dataset.open === 'true'"
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
PICTURES = (
    "Math.max(...performance.getEntriesByType('resource').filter((r) => r.name.includes('axial') || "
    "r.name.includes('coronal') || r.name.includes('sagittal')).map((r) => r.responseEnd))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    parser.add_argument("--date", default="")
    parser.add_argument("--machine", default="")
    parser.add_argument("--patients", type=int, default=4)
    parser.add_argument("--small", action="store_true", help="a quarter of the large scan's edge, to try the script")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = [*demo(Path(scratch), options.patients), *many(Path(scratch))]
        rows += large(Path(scratch), (100, 100, 150) if options.small else (400, 400, 600))
    text = "\n".join([f"| {what} | {figure} |" for what, figure in rows])
    print(text)
    if options.write:
        head = f"# The board\n\nSYNTHETIC patients, `benchmarks/board_times.py`, {options.date}, {options.machine}.\n"
        body = "Chromium without a graphics card (SwiftShader): the viewer's times are upper bounds.\n"
        RESULT.write_text(f"{head}{body}\n| what | figure |\n|---|---|\n{text}\n", encoding="utf-8")


def demo(scratch: Path, patients: int) -> Rows:
    """A head-neck PET/CT cohort: export, then the served pages."""
    made = [sys.executable, "-m", "tumorboard", "phantom", str(scratch / "hn"), "--patients", str(patients)]
    subprocess.run(made, check=True, capture_output=True)
    cohort = open_cohort(scratch / "hn")
    used, walled = time.process_time(), time.monotonic()
    build_board(cohort, scratch / "out")
    rows = [
        (
            f"export of {patients} PET/CT patients",
            f"{time.process_time() - used:.1f} CPU-s, {time.monotonic() - walled:.1f} s, {megabytes(scratch / 'out')}",
        )
    ]
    with served(cohort, scratch / "live") as address, browser(scratch) as page:
        rows += [
            ("cohort page, first paint", shown(page, f"{address}/", PAINTED)),
            (
                "patient page, first opened (drawn now), all planes there",
                shown(page, f"{address}/patients/p1.html", PICTURES),
            ),
            ("patient page, opened again, all planes there", shown(page, f"{address}/patients/p1.html", PICTURES)),
        ]
        rows += viewer(page)
    return rows


def viewer(page: Browser) -> Rows:
    rows = [("viewer open, from the click", timed(page, "document.querySelector('.open-viewer').click()", OPEN))]
    there = "document.querySelector('.where-now').textContent !== window.before"
    go = (
        "window.before = document.querySelector('.where-now').textContent;"
        " [...document.querySelectorAll('.go')].at(-1).click()"
    )
    rows.append(("to another lesion", timed(page, go, there)))
    switch = (
        "(() => { const s = document.querySelector('select.preset'); s.value = 'lung';"
        " s.dispatchEvent(new Event('change', {bubbles: true})); window.done = false;"
        " requestAnimationFrame(() => requestAnimationFrame(() => { window.done = true; })); })()"
    )
    return [*rows, ("another window", timed(page, switch, "window.done"))]


def many(scratch: Path) -> Rows:
    """Ten thousand patients without images: the cohort page and its filters."""
    n = 10_000
    rng = np.random.default_rng(0)
    cohort = Cohort.build(
        "many",
        patients={
            "patient_id": [f"P{i:05d}" for i in range(n)],
            "centre": [f"C{i}" for i in rng.integers(0, 10, n)],
            "sex": list(rng.choice(["female", "male"], n)),
            "age_years": rng.uniform(30, 90, n).round(1),
        },
        outcomes=[
            {
                "patient_id": f"P{i:05d}",
                "endpoint": "OS",
                "run_id": "expert",
                "survival": {"event": bool(rng.random() < 0.4), "time_days": float(rng.exponential(900) + 1)},
            }
            for i in range(n)
        ],
    )
    used = time.process_time()
    with served(cohort, scratch / "many") as address, browser(scratch) as page:
        first = shown(page, f"{address}/", PAINTED)
        rows = [
            (f"cohort page of {n} patients, written and painted", f"{first}, {time.process_time() - used:.1f} CPU-s")
        ]
        rows.append((f"its size ({n} patients)", megabytes(scratch / "many" / "index.html")))
        choose = (
            "(() => { const s = document.querySelector('select[name=sex]'); s.value = '0';"
            " s.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        rows.append(
            ("one filter over all of them", timed(page, choose, "document.querySelector('#filters').dataset.n < 9999"))
        )
    return rows


def large(scratch: Path, shape: tuple[int, int, int]) -> Rows:
    """One whole-body PET/CT: drawn, opened, unpacked and read in parts; the largest memory of the server's process."""
    folder = scratch / "large"
    rng = np.random.default_rng(1)
    ct = rng.integers(-1000, 400, shape, dtype=np.int16)
    pet = rng.gamma(2.0, 0.5, tuple(s // 2 for s in shape)).astype(np.float32)
    mask = np.zeros(shape, np.uint8)
    third = tuple(slice(s // 3, s // 3 + 12) for s in shape)
    mask[third] = 1
    images = []
    for name, array, spacing, unit in (
        ("CT", ct, 1.5, Unit.HU),
        ("PT", pet, 3.0, Unit.SUVBW),
        ("mask", mask, 1.5, Unit.LABEL),
    ):
        path = folder / "images" / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(Volume(array, np.diag([spacing] * 3 + [1.0]), unit), path)
        known: dict[str, Any] = {"modality": "SEG", "role": "mask", "run_id": "expert", "labels": {1: "lesion"}}
        if name != "mask":
            known = {"modality": name, "role": "image"}
        images.append(describe_image(path, image_id=name, exam_id="E", unit=unit, **known))
    del ct, pet, mask
    size = " x ".join(map(str, shape))
    saved = save_cohort(
        Cohort.build(
            "large",
            patients=[{"patient_id": "P"}],
            exams=[{"exam_id": "E", "patient_id": "P", "order": 0, "kind": "PET/CT"}],
            images=images,
            loader=load_image,
        ),
        folder,
    )
    with served(saved, scratch / "large-pages") as address, browser(scratch) as page:
        rows = [(f"PET/CT {size}: patient page first opened", shown(page, f"{address}/patients/p1.html", PICTURES))]
        rows += [(f"PET/CT {size}: {what}", figure) for what, figure in viewer(page)[:1]]
        begun = time.monotonic()
        page.run("fetch('/whole/p1/0/0.nii', {headers: {range: 'bytes=0-0'}}).then((r) => r.status)")
        rows.append((f"PET/CT {size}: CT unpacked for parts", f"{time.monotonic() - begun:.1f} s"))
        begun = time.monotonic()
        length = page.run(
            "fetch('/whole/p1/0/0.nii').then(async (r) => { let n = 0; const s = r.body.getReader();"
            " for (let p; !(p = await s.read()).done;) n += p.value.length; return n; })"
        )
        rows.append((f"PET/CT {size}: whole CT sent", f"{time.monotonic() - begun:.1f} s, {length / 2**20:.0f} MiB"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*rows, ("largest memory of this process (server, and making the scan)", f"{peak:.0f} MiB")]


@contextmanager
def browser(scratch: Path) -> Iterator[Browser]:
    profile = tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True)
    with profile, Browser(Path(profile.name)) as page:
        yield page


def shown(page: Browser, address: str, when: str) -> str:
    """Milliseconds from the navigation to what `when` says, by the page's clock."""
    page.open(address)
    return f"{page.wait(when):.0f} ms"


def timed(page: Browser, act: str, until: str) -> str:
    """Milliseconds from an action to a state of the page, seen at the page's next frames."""
    script = (
        "new Promise((done) => { const t = performance.now(); %s; const look = () => (%s) ? "
        "done(performance.now() - t) : requestAnimationFrame(look); look(); })"
    )
    return f"{page.run(script % (act, until)):.0f} ms"


def megabytes(path: Path) -> str:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return f"{sum(one.stat().st_size for one in files) / 2**20:.1f} MiB"


if __name__ == "__main__":
    main()
