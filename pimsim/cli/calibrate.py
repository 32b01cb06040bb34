"""`pimsim calibrate`: the constants that are fitted to published values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

if TYPE_CHECKING:
    from pimsim.studies.paper.fits import Fitted
    from pimsim.studies.paper.placement_variants import Variant

app = command_app()


@app.command(epilog="Example: pimsim calibrate --variants")
def calibrate(
    variants: Annotated[
        bool, typer.Option("--variants", help="Also compare every placement variant with the published values.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fit the fitted constants again to the published values that they come from."""
    import dataclasses

    from pimsim.present.formats import to_json
    from pimsim.present.text.paper_report import print_fits, print_variants
    from pimsim.present.text.tables import progress_bar
    from pimsim.studies.paper.fits import fit_energies, fit_links
    from pimsim.studies.paper.paper_runs import Study
    from pimsim.studies.paper.placement_variants import variant_count
    from pimsim.studies.paper.placement_variants import variants as all_variants

    with progress_bar("fits and variants" if variants else "fits") as progress:
        total = 2 + (variant_count() if variants else 0)
        study = Study()
        fits: list[Fitted] = []
        compared: list[Variant] = []
        for number, fit in enumerate((fit_energies, fit_links), 1):
            fits += fit(study)
            if progress is not None:
                progress(number, total)
        for variant in all_variants(study.config("pim-llm")) if variants else ():
            compared.append(variant)
            if progress is not None:
                progress(2 + len(compared), total)
    if json:
        shown = {"fits": list(map(dataclasses.asdict, fits)), "variants": list(map(dataclasses.asdict, compared))}
        typer.echo(to_json(shown))
        return
    print_fits(fits)
    if compared:
        typer.echo()
        print_variants(compared)
