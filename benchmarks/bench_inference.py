"""One exam of 2 x 192^3 by sliding window: ours against MONAI's eager float32 `sliding_window_inference`.

    python benchmarks/bench_inference.py [--networks unet segresnet] [--repeats 1] [--edge 192] [--body]
        [--as-needed]

Same weights, windows of 96, overlap 0.25, Gaussian weights; both in one process, in turn. The weights are of 100
updates on this volume, whose bright parts are two structures: with random ones all classes are level, and any rounding
changes which is first. `--body`: air round a body of 45 %, as in a scan, instead of signal everywhere: ours asks once
for all windows without any. `--as-needed`: ours takes windows of 80, with which as many overlap as much
(`ops.sliding.fit_window`), as it does in a prediction. Agreement is the Dice of the foreground of both answers, which
must be 0.995.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import compare, compared_memory, peak_growth_mib, printed, row

from tumorboard.engine.precision import cpu_has_bfloat16

EDGE, WINDOW, OVERLAP = 192, 96, 0.25
UPDATES, PATCH, BATCH, BRIGHT = 100, 24, 3, 0.65
GOALS = {"unet": 1 / 3, "segresnet": 1 / 6}
"""On a processor that multiplies bfloat16 (AMX, AVX512-BF16); elsewhere not slower than the peer."""
CHANNELS = {"unet": (32, 64, 128, 256), "segresnet": (32, 64, 128, 256)}


def network(name: str, weights: str | None = None) -> Any:
    """The network of four levels, 32 to 256 channels, with weights from a file or trained here (seed 0)."""
    import torch
    from safetensors.torch import load_file

    from tumorboard.models.segmentation_networks import build_segmentation_network

    torch.manual_seed(0)
    built: Any = build_segmentation_network(name, inputs=2, outputs=3, channels=CHANNELS[name])  # type: ignore[arg-type]
    if weights is None:
        train(built)
    else:
        built.load_state_dict(load_file(weights))
    return built.eval()


def train(net: Any) -> None:
    """`UPDATES` updates on patches of the volume: two structures, bright in CT, and bright in PET alone."""
    import torch

    from tumorboard.tasks.segmentation.losses import dice_and_cross_entropy

    image = volume(body=False)
    truth = np.stack([image[0] > BRIGHT, (image[1] > BRIGHT) & (image[0] <= BRIGHT)]).astype(np.float32)
    optimizer, random = torch.optim.AdamW(net.parameters(), lr=1e-3), np.random.default_rng(0)
    net.train()
    for _ in range(UPDATES):
        corners = random.integers(0, EDGE - PATCH, (BATCH, 3))
        places = [tuple(slice(a, a + PATCH) for a in corner) for corner in corners.tolist()]
        inputs, target = (np.stack([array[(slice(None), *at)] for at in places]) for array in (image, truth))
        optimizer.zero_grad(set_to_none=True)
        dice_and_cross_entropy(net(torch.from_numpy(inputs)), torch.from_numpy(target)).backward()
        optimizer.step()


def volume(*, body: bool, edge: int = EDGE) -> np.ndarray:
    """CT and PET channels (2, edge, edge, edge) float32: smooth noise, or a body in air."""
    from scipy import ndimage

    random = np.random.default_rng(0)
    coarse = random.random((2, *(edge // 8,) * 3), np.float32)
    image = np.stack([ndimage.zoom(channel, 8, order=1) for channel in coarse]).astype(np.float32)
    if body:
        x, y, _ = np.ogrid[-1 : 1 : edge * 1j, -1 : 1 : edge * 1j, -1 : 1 : edge * 1j]
        image *= ((x / 0.95) ** 2 + (y / 0.6) ** 2 <= 1).astype(np.float32)
    return image


def ours(net: Any, image: np.ndarray, *, as_needed: bool = False) -> Callable[[], np.ndarray]:
    """Our predictor (compiled where it agrees) over our windows: class probabilities."""
    from tumorboard.ops.sliding import fit_window, slide
    from tumorboard.tasks.segmentation.inference import busiest, choose_predictor

    edge = fit_window(image.shape[-1], smallest=64, largest=WINDOW, step=8, overlap=OVERLAP) if as_needed else WINDOW
    predictor, facts = choose_predictor(net, busiest(image, (edge,) * 3), inference="auto")
    print(f"ours, windows of {edge}: {facts}")
    return lambda: slide(predictor, image, window=(edge,) * 3, overlap=OVERLAP, outputs=3)


def peer(net: Any, image: np.ndarray, *, as_needed: bool = False) -> Callable[[], np.ndarray]:
    """MONAI's, eager float32, followed by the softmax of the whole volume."""
    import torch
    from monai.inferers import sliding_window_inference

    whole = torch.from_numpy(image)[None]

    def run() -> np.ndarray:
        with torch.inference_mode():
            logits: Any = sliding_window_inference(whole, (WINDOW,) * 3, 1, net, overlap=OVERLAP, mode="gaussian")
            return logits.softmax(1)[0].numpy()

    return run


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of the foreground (any class but the first)."""
    a, b = one.argmax(0) > 0, other.argmax(0) > 0
    return 2 * float((a & b).sum()) / max(float(a.sum() + b.sum()), 1.0)


_MEMORY = """
import sys
sys.path.insert(0, BENCHMARKS)
import bench_inference as bench
net, image = bench.network(sys.argv[1], sys.argv[6]), bench.volume(body=sys.argv[2] == "body", edge=int(sys.argv[5]))
run = getattr(bench, sys.argv[3])(net, image, as_needed=sys.argv[4] == "as-needed")
# MEASURE
result = run()
"""


def timed(name: str, *, body: bool, as_needed: bool, repeats: int, edge: int) -> list[dict[str, Any]]:
    """Rows of time and memory of one network."""
    from safetensors.torch import save_file

    net, image = network(name), volume(body=body, edge=edge)
    mine, theirs = ours(net, image, as_needed=as_needed), peer(net, image)
    answers: dict[str, np.ndarray] = {}

    def kept(side: str, answer: Callable[[], np.ndarray]) -> Callable[[], None]:
        return lambda: answers.update({side: answer()})

    times = compare(kept("ours", mine), kept("peer", theirs), repeats=repeats, warm_up=0)
    same = agreement(answers["ours"], answers["peer"])
    if same < 0.995:
        raise AssertionError(f"{name}: Dice of both answers {same:.4f}")
    answers.clear()
    kind, windows = "body" if body else "noise", "as-needed" if as_needed else "same"
    what = f"inference, {name}, 2 x {edge}^3, {kind}"
    note = f"windows {windows}, overlap {OVERLAP:g}, Dice {same:.5f}"
    goal = GOALS[name] if cpu_has_bfloat16() else 1.0
    if not cpu_has_bfloat16():
        note += f"; no bfloat16 here: with it the goal is {GOALS[name]:.3f}"
    here = f"BENCHMARKS = {str(Path(__file__).parent)!r}\n"
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder, "weights.safetensors"))
        save_file(net.state_dict(), weights)
        settings = (windows, str(edge), weights)
        peaks = [peak_growth_mib(here + _MEMORY, name, kind, side, *settings) for side in ("ours", "peer")]
    return [
        row(what, "MONAI eager float32", times, goal=goal, note=note),
        compared_memory(f"{what}, memory", "MONAI eager float32", peaks[0], peaks[1], goal=1.0),
    ]


def main(
    networks: tuple[str, ...] = ("unet", "segresnet"),
    *,
    body: bool = False,
    as_needed: bool = False,
    repeats: int = 1,
    edge: int = EDGE,
) -> list[Any]:
    """Rows for `run.py`."""
    options = {"body": body, "as_needed": as_needed}
    return [line for name in networks for line in timed(name, **options, repeats=repeats, edge=edge)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["unet", "segresnet"], choices=sorted(GOALS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--edge", type=int, default=EDGE, help="Voxels along each axis.")
    parser.add_argument("--body", action="store_true")
    parser.add_argument("--as-needed", action="store_true")
    arguments = parser.parse_args()
    chosen = {"body": arguments.body, "as_needed": arguments.as_needed, "repeats": arguments.repeats}
    chosen["edge"] = arguments.edge
    print(printed(main(tuple(arguments.networks), **chosen)))
