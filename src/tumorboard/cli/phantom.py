"""`tumorboard phantom OUT`."""

from __future__ import annotations

from pathlib import Path

import typer

from tumorboard.cli.output import print_json, say

__all__ = ["command"]


def command(
    out: Path = typer.Argument(help="New folder for the virtual patients."),
    patients: int = typer.Option(12, "--patients", min=1, help="How many."),
    seed: int = typer.Option(0, "--seed", help="Which: the same seed gives the same bytes."),
    region: str = typer.Option(
        "head-neck",
        "--region",
        help="head-neck, whole-body, chest-xray (X-rays with reports), body-ct (lesions followed by CT) or lung-ici "
        "(lung tumours before immunotherapy: CT crops, table, PFS and OS).",
    ),
    centres: str = typer.Option("", "--centres", help="Virtual centres in turn, e.g. VA,VA,VC; default VA,VB,VC,VD."),
    exams: int = typer.Option(2, "--exams", min=1, help="Most exams per patient (body-ct: of each)."),
    spacing: float = typer.Option(3.0, "--spacing", help="Least voxel edge in mm; 0: the protocols' own grids."),
    tables_only: bool = typer.Option(False, "--tables-only", help="No images."),
    imaged: int | None = typer.Option(
        None, "--imaged", min=0, help="Patients with images, of head-neck and whole-body; default all."
    ),
    organs: bool = typer.Option(False, "--organs", help="Write the organ label maps too."),
    spread: bool = typer.Option(False, "--spread", help="Distant lesions (whole-body); a third without any lesion."),
    size_px: int = typer.Option(512, "--size", min=64, max=4096, help="Longer side of an X-ray in pixels."),
    bits: int = typer.Option(8, "--bits", help="Of an X-ray's pixels: 8 or 16."),
    masked_words: bool = typer.Option(False, "--masked-words", help="XXXX for some words of reports."),
    faults: list[str] = typer.Option([], "--fault", help="Fault to plant, by name; repeatable; `list` lists them."),
    layout: str = typer.Option("", "--layout", help="Write in this published layout instead of as a cohort."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Option of the layout; repeatable."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Make virtual patients with known truth: SYNTHETIC, for tests, demonstrations and teaching."""
    if "list" in faults:
        from tumorboard.phantom.ct_faults import CT_FAULTS
        from tumorboard.phantom.faults import FAULTS
        from tumorboard.phantom.radiograph_faults import XRAY_FAULTS

        _list_faults({**FAULTS, **CT_FAULTS, **XRAY_FAULTS}, as_json=as_json)
        return
    from tumorboard.phantom.cohort import DEFAULT_CENTRES, make_cohort

    wanted = {
        "patients": patients,
        "seed": seed,
        "region": region,
        "centres": tuple(centres.split(",")) if centres else DEFAULT_CENTRES,
        "exams": exams,
        "spacing_mm": spacing or None,
        "tables_only": tables_only,
        "imaged": imaged,
        "organs": organs,
        "spread": spread,
        "faults": tuple(faults),
        "size_px": size_px,
        "bits": bits,
        "masked_words": masked_words,
    }
    cohort = _in_layout(layout, out, settings, wanted) if layout else make_cohort(out, **wanted)
    if as_json:
        sizes = {name: table.num_rows for name, table in cohort.tables.items()}
        print_json({"out": str(out.resolve()), "name": cohort.name, "layout": layout or None, "rows": sizes,
                    "provenance": list(cohort.provenance)})  # fmt: skip
        return
    say(f"{len(cohort)} virtual patients (SYNTHETIC), {cohort.images.num_rows} images in {out}")


def _in_layout(layout, out, settings, wanted):
    """Make the cohort in a temporary folder beside `out` and write it from there through the layout's writer."""
    import tempfile

    from tumorboard.cli.options import described_options, parse_settings, resolve_layout
    from tumorboard.phantom.cohort import make_cohort

    write = resolve_layout(layout, direction="write")
    # A virtual patient is known better than any layout can say; what has no place there is left out.
    able = {option["name"] for option in described_options(write)}
    options = {name: True for name in ("lossy", "tables_only") if name in able} | parse_settings(settings, write)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".phantom-", dir=out.absolute().parent) as folder:
        cohort = make_cohort(Path(folder) / "cohort", **wanted)
        write(cohort, out, **options)
    return cohort


def _list_faults(faults, *, as_json: bool) -> None:
    if as_json:
        print_json({"faults": [{"name": fault.name, "summary": fault.summary} for fault in faults.values()]})
        return
    for fault in faults.values():
        say(f"{fault.name:20} {fault.summary}")
