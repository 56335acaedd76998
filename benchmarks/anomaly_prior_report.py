"""The page of benchmarks/anomaly_prior.py: one table of priors, the curve by annotated patients, its picture."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomaly import with_part

from tumorboard.io.files import atomic_file
from tumorboard.metrics.intervals import bootstrap_mean, paired_difference

TARGET = Path(__file__).parent / "results" / "anomaly_prior.md"
CONTROLS = ("none", "smoothed-suv", "suv-2.5", "other-patient")
WORDS = {
    "anomaly": "anomaly map",
    "none": "no prior",
    "smoothed-suv": "smoothed SUV",
    "suv-2.5": "SUV > 2.5",
    "other-patient": "another patient's map",
}
INKS = {"none": "#1d2733", "smoothed-suv": "#b3541e", "anomaly": "#0b6e8f"}
"""Of the curve; the other controls are fitted with all patients annotated alone."""
ALONE = {"suv-2.5": "#6b4fa0", "other-patient": "#7a7a7a"}
SEED = 0

Dice = Mapping[str, float]


def write_part(found: Mapping[str, Any], arguments: argparse.Namespace) -> str:
    """The part of the page for this data; with `--write` also into the page, with its picture beside it."""
    picture = TARGET.with_name(f"anomaly_prior_{arguments.what}.png")
    folder = picture.parent if arguments.write else arguments.out
    draw(found, folder / picture.name, synthetic=arguments.what == "virtual")
    text = part(found, arguments, picture.name)
    if arguments.write:
        old = TARGET.read_text(encoding="utf-8") if TARGET.exists() else HEAD
        TARGET.write_text(with_part(old, arguments.what, text), encoding="utf-8")
    return text


def part(found: Mapping[str, Any], arguments: argparse.Namespace, picture: str) -> str:
    dice, config = found["dice"], found["config"]
    everyone = dice["anomaly", 0]
    size = " and ".join(str(n) for n in found["all"])
    spent = found["spent"]
    total = (spent["maps"] + spent["fits"]) / 60
    head = (
        f"{arguments.date}; {arguments.machine}. {len(everyone)} patients with a tumour drawn, {arguments.folds} folds "
        f"by patient ({size} patients to train on), {found['fits']} fits of {config.steps} steps each, batch "
        f"{config.batch}, patches of {config.patch_voxels} voxels of {config.spacing_mm:g} mm, prior left out of "
        f"{config.prior_dropout:.0%} of the patches, {arguments.draws} draw(s) of who is annotated, seed "
        f"{config.seed}; {total:.0f} CPU-minutes, of which maps {spent['maps'] / 60:.1f}."
    )
    options = "".join(f" --set {setting}" for setting in arguments.set)
    options += "".join(
        f" --{name} {value}"
        for name, value, usual in (
            ("folds", arguments.folds, 2),
            ("counts", arguments.counts, "1,2,4,8"),
            ("draws", arguments.draws, 1),
        )
        if value != usual
    )
    made = f"COHORT --patients {arguments.patients} --seed {arguments.seed}"
    where = "DATA/sts_petct" if arguments.what == "real" else made
    again = f"Again: `python benchmarks/anomaly_prior.py {arguments.what} {where} --out OUT{options} --write`"
    title, words = TITLES[arguments.what]
    claim, alt = verdict(dice), curve_words(dice, found["all"])
    shown = f"![{alt}]({picture})"
    blocks = [f"## {title}", head, words, priors_table(found), claim, curve_table(dice, found["all"]), shown, again]
    return "\n\n".join(blocks)


def priors_table(found: Mapping[str, Any]) -> str:
    """Every prior with all training patients annotated, and the anomaly map against each."""
    dice = found["dice"]
    lines = ["### Priors, all training patients annotated", "", "| prior | Dice | anomaly map minus this | p |"]
    lines.append("|---|---|---|---|")
    for prior in ("anomaly", *CONTROLS):
        mine = dice[prior, 0]
        against = ("", "") if prior == "anomaly" else difference(dice["anomaly", 0], mine)
        lines.append(f"| {WORDS[prior]} | {mean(mine)} | {against[0]} | {against[1]} |")
    against = difference(dice["anomaly", 0], found["free"])
    lines.append(f"| (threshold SUV > 2.5, no network) | {mean(found['free'])} | {against[0]} | {against[1]} |")
    return "\n".join(lines)


def verdict(dice: Mapping[tuple[str, int], Dice]) -> str:
    """The claim, made only where every paired interval lies above 0."""
    ours = dice["anomaly", 0]
    pairs = {control: _paired(ours, dice[control, 0]) for control in CONTROLS}
    ahead = [control for control, pair in pairs.items() if pair.low is not None and pair.low > 0]
    behind = [control for control, pair in pairs.items() if pair.high is not None and pair.high < 0]
    if len(ahead) == len(CONTROLS):
        return "**The anomaly map helps here: it is ahead of every control by a paired interval.**"
    level = [control for control in CONTROLS if control not in ahead and control not in behind]
    said = []
    for word, group in (("ahead of", ahead), ("not told apart from", level), ("behind", behind)):
        if group:
            said.append(f"{word} {', '.join(WORDS[control] for control in group)}")
    return f"**The anomaly map is not shown to help here**: it is {'; '.join(said)}."


def curve_table(dice: Mapping[tuple[str, int], Dice], sizes: Sequence[int]) -> str:
    """Dice by annotated patients, and the anomaly map against both other arms at every count."""
    lines = ["### By annotated patients (the held-out ones are the same throughout)", ""]
    lines.append("| annotated | no prior | smoothed SUV | anomaly map | map minus no prior | map minus smoothed SUV |")
    lines.append("|---|---|---|---|---|---|")
    for count in counts_of(dice):
        arms = [dice[arm, count] for arm in INKS]
        name = str(count or f"all ({' and '.join(map(str, sizes))})")
        pairs = [difference(dice["anomaly", count], dice[arm, count])[0] for arm in ("none", "smoothed-suv")]
        lines.append(f"| {name} | " + " | ".join([*(mean(arm) for arm in arms), *pairs]) + " |")
    return "\n".join(lines)


def counts_of(dice: Mapping[tuple[str, int], Dice]) -> list[int]:
    """Counts at which all three arms of the curve were fitted, 0 (all) last."""
    counts = {count for _, count in dice if all((arm, count) in dice for arm in INKS)}
    return [*sorted(counts - {0}), 0]


def curve_words(dice: Mapping[tuple[str, int], Dice], sizes: Sequence[int]) -> str:
    said = []
    for arm in INKS:
        values = [_mean(dice[arm, count]) for count in counts_of(dice)]
        said.append(f"{WORDS[arm]} {', '.join(f'{value:.2f}' for value in values)}")
    said += [f"{WORDS[arm]} with all {_mean(dice[arm, 0]):.2f}" for arm in ALONE if (arm, 0) in dice]
    names = [str(count or f"all ({' and '.join(map(str, sizes))})") for count in counts_of(dice)]
    return f"Dice with {', '.join(names)} annotated patients: {'; '.join(said)}"


def draw(found: Mapping[str, Any], path: Path, *, synthetic: bool) -> None:
    """The curve as PNG: mean Dice with its interval over patients, by annotated patients."""
    from matplotlib.figure import Figure

    dice, most = found["dice"], max(found["all"])
    figure = Figure(figsize=(6.5, 4.0), layout="constrained")
    axes = figure.subplots()
    counts = counts_of(dice)
    inks = INKS | {arm: ink for arm, ink in ALONE.items() if (arm, 0) in dice}
    for shift, arm in enumerate(inks):
        shown = counts if arm in INKS else [0]
        x = [(count or most) * (1 + 0.03 * (shift - 1)) for count in shown]
        bars = [bootstrap_mean(list(dice[arm, count].values()), seed=SEED) for count in shown]
        axes.plot(x, [bar.value for bar in bars], "o-", color=inks[arm], label=WORDS[arm], linewidth=1.5)
        for at, bar in zip(x, bars, strict=True):
            if bar.low is not None:
                axes.plot([at, at], [bar.low, bar.high], "-", color=inks[arm], alpha=0.4, linewidth=3)
    axes.set_xscale("log", base=2)
    axes.set_xticks([count or most for count in counts], [str(count or f"all ({most})") for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("annotated patients")
    axes.set_ylabel("Dice of held-out patients, mean and 95 % interval")
    axes.set_title("SYNTHETIC" if synthetic else "Soft-tissue sarcoma, PET/CT", fontsize=10)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def mean(values: Dice) -> str:
    found = bootstrap_mean(list(values.values()), seed=SEED)
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def difference(ours: Dice, theirs: Dice) -> tuple[str, str]:
    found = _paired(ours, theirs)
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})", f"{found.p_value:.3f}"


def _paired(ours: Dice, theirs: Dice) -> Any:
    patients = [patient for patient in ours if patient in theirs]
    return paired_difference([ours[p] for p in patients], [theirs[p] for p in patients], seed=SEED)


def _mean(values: Dice) -> float:
    return float(sum(values.values()) / len(values))


HEAD = """# The map of abnormal uptake as a prior of segmentation

One network, one number of steps, the same held-out patients; only the third channel differs. The anomaly map helps
where it beats every control: no third channel, SUV smoothed as the map is, SUV > 2.5, another patient's map. Intervals:
95 % bootstrap over patients, paired in differences; p by flipped signs.

Nothing a network is given owes anything to a held-out patient: maps of training patients are made by networks of other
training patients (2 inner folds), those of held-out patients by a network of all training patients, from the part of
the exam that is scored (docs/adr/0179). These networks learn from normal slices of *all* training patients: which
slices are free of tumour is known there, also of patients who do not count as annotated in the curve.
"""
TITLES = {
    "real": (
        "Soft-tissue sarcoma (real)",
        "The cut sub-volumes of `cuts.csv` are all that a held-out patient shows. The fits are short: figures compare "
        "the priors, they are not the best segmentation (results/segmentation_sts.md). Data: TCIA Soft-tissue-Sarcoma, "
        "as the IBSI validation set publishes it (CC BY 3.0; Vallieres et al. 2015, "
        "doi 10.7937/K9/TCIA.2015.7GO2GSKS).",
    ),
    "virtual": (
        "Virtual whole bodies (SYNTHETIC)",
        "The cohort of benchmarks/anomaly.py: hot brain, heart, kidneys, bladder, and lesions anywhere. Patients "
        "without a lesion train and are not scored. The fits are short: figures compare the priors.",
    ),
}
