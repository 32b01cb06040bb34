"""The generated parts of docs/contention.md: the cost of contention, from tables of benchmarks/study_contention.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tools.docs_generator.facts import Row, reference, table

SHIPPED = "as shipped (shells, 20 Gb/s)"


def _links() -> dict[tuple[str, str], dict[str, str]]:
    return {(row["model"], row["mesh"]): row for row in reference("contention-links")}


def links() -> str:
    """Return the table of all models and meshes."""
    rows: list[Row] = []
    for (model, mesh), row in _links().items():
        contended, shipped = float(row["contended_ms"]), float(_links()[model, SHIPPED]["contended_ms"])
        communication, waiting = float(row["communication_ms"]), float(row["contention_ms"])
        share = waiting / (communication + waiting) if waiting else 0.0
        rows.append(
            (
                model,
                mesh,
                f"{float(row['dataflow_ms']):.2f}",
                f"{contended:.2f}",
                f"{share:.0%}",
                f"{shipped / contended:.2f}x",
                row["most_lost_at"],
            )
        )
    header = (
        "model",
        "mesh",
        "dataflow, ms",
        "contended, ms",
        "waiting in communication",
        "speedup",
        "longest waits at",
    )
    return table(header, rows, right=(2, 3, 4, 5))


def link_findings() -> str:
    """Return the findings about links as a list."""
    found = _links()

    def ms(model: str, mesh: str, column: str = "contended_ms") -> float:
        return float(found[model, mesh][column])

    def share(model: str) -> float:
        waiting = ms(model, SHIPPED, "contention_ms")
        return waiting / (waiting + ms(model, SHIPPED, "communication_ms"))

    models = list(dict.fromkeys(model for model, _ in found))
    large = models[-1]
    shipped = ms(large, SHIPPED)
    best_placement = min((mesh for _, mesh in found if mesh.startswith("placement")), key=lambda m: ms(large, m))
    best, others = best_placement.removeprefix("placement "), ms(large, best_placement) / shipped
    meshes = shipped / ms(large, "attention and FFN on two meshes")
    pipelined, closed = ms(large, "cut-through"), "dataflow_ms"
    promised = ms(large, SHIPPED, closed) / ms(large, "cut-through", closed)
    shares = _list([f"{share(model):.0%} ({model})" for model in models])
    return "\n".join(
        (
            f"- Waiting is {shares} of the time of the mesh on the critical path.",
            (
                f"- For {large}, links of 40 Gb/s give a speedup of {shipped / ms(large, '40 Gb/s'):.2f}x, multicast "
                f"of {shipped / ms(large, 'multicast'):.2f}x, both of {shipped / ms(large, '40 Gb/s, multicast'):.2f}x."
            ),
            (
                f"- No other placement is faster than shells for {large}: the best other one, "
                f"{best}, takes {others:.2f} times as long. "
                f"With attention and FFN on two meshes the speedup is {meshes:.2f}x."
            ),
            (
                f"- Cut-through switching gives a speedup of {shipped / pipelined:.2f}x on the same links. The closed "
                f"form alone predicts {promised:.2f}x: with cut-through, nearly all of the mesh time is waiting."
            ),
            "- Input buffers of two packets are as fast as unlimited ones.",
        )
    )


def _list(items: Sequence[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}"


def memory() -> str:
    """Return the table of both memories from 128 to 128k tokens of context."""
    rows: list[Row] = []
    for row in reference("contention-memory"):
        slow, fast = float(row["lpddr4x_ms"]), float(row["lpddr5x_ms"])
        rows.append(
            (
                row["model"],
                row["array"],
                f"{int(row['context_length']):,}",
                f"{slow:,.1f}",
                f"{fast:,.1f}",
                f"{slow / fast - 1:.2%}",
                f"{float(row['lpddr4x_mj']):,.1f}",
                f"{float(row['lpddr5x_mj']):,.1f}",
            )
        )
    header = (
        *("model", "systolic array", "context", "LPDDR4X, ms", "LPDDR5X, ms", "slower by"),
        *("LPDDR4X, mJ", "LPDDR5X, mJ"),
    )
    return table(header, rows, right=(2, 3, 4, 5, 6, 7))


SECTIONS: Mapping[str, Callable[[], str]] = {
    "links": links,
    "link-findings": link_findings,
    "memory": memory,
}
