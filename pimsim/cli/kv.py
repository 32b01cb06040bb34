"""`pimsim kv`: sizes of the KV caches of a model, and what memory tiers hold of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.completion import complete_model, complete_tier, one_of
from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption, PlotOption, comma_separated
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.written_files import say_written

app = command_app()

SCALES = ("per_token", "per_channel", "per_group")
ModelArgument = Annotated[
    str,
    typer.Argument(
        help="The name of a shipped model, or the path of a config.json, of its folder or of a GGUF file.",
        show_default=False,
        autocompletion=complete_model,
    ),
]
ContextOption = Annotated[int, typer.Option(metavar="N", help="Tokens of a sequence.")]
BitsOption = Annotated[
    str,
    typer.Option(metavar="B,...", help="Bits per element: 16, 8, 6, 4, 3, 2; 8:4 has keys of 8 and values of 4 bits."),
]
KeepOption = Annotated[
    str | None,
    typer.Option(
        metavar="POLICY,...",
        help="Policies: all, recent, heavy_hitters, random, or a registered one. Default: all, and those whose numbers "
        "are given.",
        autocompletion=one_of("all", "recent", "heavy_hitters", "random"),
    ),
]
SinksOption = Annotated[int, typer.Option(metavar="N", help="First tokens that a policy always keeps.")]
RecentOption = Annotated[int | None, typer.Option(metavar="N", help="Newest tokens that a policy always keeps.")]
BudgetOption = Annotated[
    int | None, typer.Option(metavar="N", help="Tokens that heavy_hitters and random keep in all.")
]
ScalesOption = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(SCALES),
        help="What shares a scale, of keys and of values. Default: per_token.",
        autocompletion=one_of(*SCALES),
    ),
]
GroupOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Tokens (per_channel) or channels (per_group) that share a scale. Default: 64."),
]
ScaleBitsOption = Annotated[
    int | None,
    typer.Option(metavar="0|16|32", help="Bits of a scale, and of a zero point; 0: not counted. Default: 32."),
]
BatchOption = Annotated[int, typer.Option(metavar="N", help="Sequences whose caches are held and read.")]
TierOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[:UNITS]",
        help="Only this memory tier, such as hbm3, or hbm3:5 for five stacks. May be repeated.",
        autocompletion=complete_tier,
    ),
]
WeightsInOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="The weights of the model lie in this tier, too. May be repeated.",
        autocompletion=complete_tier,
    ),
]
WeightBitsOption = Annotated[
    float | None, typer.Option(metavar="B", help="Bits per weight in a tier of --weights-in. Default: 16.")
]
CsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write one row per format, policy and tier to a CSV file.")
]


@app.command(epilog="Example: pimsim kv llama-3-70b --context 131072 --bits 16,8,4 --sinks 4 --recent 1020")
def kv(
    model: ModelArgument,
    context: ContextOption = 4096,
    bits: BitsOption = "16,8,4",
    keep: KeepOption = None,
    sinks: SinksOption = 0,
    recent: RecentOption = None,
    budget: BudgetOption = None,
    scales: ScalesOption = None,
    group_size: GroupOption = None,
    scale_bits: ScaleBitsOption = None,
    batch: BatchOption = 1,
    tier: TierOption = None,
    weights_in: WeightsInOption = None,
    weight_bits: WeightBitsOption = None,
    json: JsonOption = False,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
) -> None:
    """Show the size of a model's KV cache by format and policy, and what each memory tier holds of it.

    Scales are counted. For each tier: the largest context, the largest batch, and the time of reading the cache once.
    """
    if scales is not None and scales not in SCALES:
        refuse(f"--scales: {scales!r} is not one of {', '.join(SCALES)}")
    pairs = _bits(bits)
    for option, value in (("--scales", scales), ("--group-size", group_size), ("--scale-bits", scale_bits)):
        if value is not None and all(pair == (16, 16) for pair in pairs):
            refuse(f"{option}: has no effect on caches of 16 bits, which have no scales")
    from pimsim.base import output_guard as guard

    outputs = (
        guard.Output("--csv", csv, guard.table("model,context,batch,policy,")),
        guard.Output("--plot", plot, guard.plot),
    )
    guard.check_outputs(outputs, (model,), force=force)
    from pimsim.studies.memory_wall.kv_sizes import kv_sizes

    formats: dict[str, str | int | None] = {"key_scales": scales, "value_scales": scales}
    formats |= {"group_size": group_size, "scale_bits": scale_bits}
    result = kv_sizes(
        model,
        context,
        pairs,
        keep=None if keep is None else comma_separated("--keep", keep),
        sinks=sinks,
        recent=recent,
        budget=budget,
        batch=batch,
        tiers=tier,
        weights_in=weights_in or (),
        weight_bits=weight_bits,
        **{key: value for key, value in formats.items() if value is not None},
    )
    from pimsim.present.formats import to_csv, to_json

    if csv is not None:
        from pimsim.base.files import write_text

        write_text(csv, to_csv(result.rows()))
    if plot is not None:
        from pimsim.present.plots import kv_plots, write_plot

        write_plot(plot, kv_plots(result)["kv-sizes"], chosen_style())
    if json:
        typer.echo(to_json(result.to_dict()))
        return
    from pimsim.present.text.kv_report import print_kv_sizes

    print_kv_sizes(result)
    say_written((csv, "the table of sizes and tiers"), (plot, "the plot"))


def _bits(text: str) -> list[tuple[int, int]]:
    """Return the bits of keys and of values of each item of --bits; which of them are allowed is checked later."""
    pairs = []
    for item in comma_separated("--bits", text):
        key, colon, value = item.partition(":")
        numbers = [key, value] if colon else [key, key]
        if not all(each.isascii() and each.isdecimal() and len(each) < 4 for each in numbers):
            refuse(f"--bits: {item!r} is not a number of bits, such as 8, or those of keys and values, such as 8:4")
        pairs.append((int(numbers[0]), int(numbers[1])))
    return pairs
