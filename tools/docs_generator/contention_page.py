"""The generated parts of docs/contention.md: the cost of contention, from tables of benchmarks/study_contention.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tools.docs_generator.facts import Row, reference, table

SHIPPED = "as shipped (shells, 20 Gb/s)"
COUNTED, PUBLISHED = "pim-llm", "pim-llm-published"


def _links(machine: str) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["model"], row["mesh"]): row for row in reference("contention-links") if row["machine"] == machine}


def _ms(machine: str, model: str, mesh: str, column: str = "contended_ms") -> float:
    return float(_links(machine)[model, mesh][column])


def _models(machine: str) -> list[str]:
    return list(dict.fromkeys(model for model, _ in _links(machine)))


def links(machine: str) -> str:
    """Return the table of all models and meshes of a machine."""
    rows: list[Row] = []
    for (model, mesh), row in _links(machine).items():
        contended, shipped = float(row["contended_ms"]), _ms(machine, model, SHIPPED)
        communication, waiting = float(row["communication_ms"]), float(row["mesh_waiting_ms"])
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


def counted_findings() -> str:
    """Return the findings about the machine that counts everything, as a list."""
    models = _models(COUNTED)
    large = models[-1]

    def share(model: str) -> float:
        parts = (_ms(COUNTED, model, SHIPPED, each) for each in ("communication_ms", "mesh_waiting_ms"))
        return sum(parts) / _ms(COUNTED, model, SHIPPED)

    def gain(mesh: str, model: str = large) -> float:
        return _ms(COUNTED, model, SHIPPED) / _ms(COUNTED, model, mesh)

    at_port = _ms(COUNTED, large, SHIPPED, "contention_ms") - _ms(COUNTED, large, SHIPPED, "mesh_waiting_ms")
    placements = [mesh for _, mesh in _links(COUNTED) if mesh.startswith("placement")]
    moved = max(abs(1 / gain(mesh, model) - 1) for mesh in placements for model in models)
    shares = _list([f"{share(model):.1%} ({model})" for model in models])
    return "\n".join(
        (
            f"- The mesh, with its waiting, takes {shares} of the time of a token.",
            (
                f"- For {large}, links of 40 Gb/s give a speedup of {gain('40 Gb/s'):.2f}x, unlimited ones of "
                f"{gain('unlimited links'):.2f}x. Other placements change the latency of a model by at most "
                f"{moved:.1%}."
            ),
            (
                f"- Store-and-forward takes {1 / gain('store-and-forward'):.3f} times as long with packets of 576 "
                f"bits, {1 / gain('store-and-forward, whole vectors'):.2f} times with vectors that are not cut. "
                f"Without multicast, the port sends each vector to every tile: "
                f"{1 / gain('no multicast'):.2f} times as long."
            ),
            (
                f"- On the critical path, ops wait {at_port:.1f} ms for the port of the global buffer. A port 16 times "
                f"as wide gives a speedup of {gain('port of 8192 bits'):.2f}x only: the systolic array works at the "
                "same time and needs nearly as long."
            ),
        )
    )


def published_findings() -> str:
    """Return the findings about links of the published machine as a list."""
    found = _links(PUBLISHED)

    def share(model: str) -> float:
        waiting = _ms(PUBLISHED, model, SHIPPED, "contention_ms")
        return waiting / (waiting + _ms(PUBLISHED, model, SHIPPED, "communication_ms"))

    models = _models(PUBLISHED)
    large = models[-1]

    def ms(mesh: str, column: str = "contended_ms") -> float:
        return _ms(PUBLISHED, large, mesh, column)

    shipped = ms(SHIPPED)
    best_placement = min((mesh for _, mesh in found if mesh.startswith("placement")), key=ms)
    best, others = best_placement.removeprefix("placement "), ms(best_placement) / shipped
    meshes = shipped / ms("attention and FFN on two meshes")
    pipelined, closed = ms("cut-through"), "dataflow_ms"
    promised = ms(SHIPPED, closed) / ms("cut-through", closed)
    shares = _list([f"{share(model):.0%} ({model})" for model in models])
    return "\n".join(
        (
            f"- Waiting is {shares} of the time of the mesh on the critical path.",
            (
                f"- For {large}, links of 40 Gb/s give a speedup of {shipped / ms('40 Gb/s'):.2f}x, multicast "
                f"of {shipped / ms('multicast'):.2f}x, both of {shipped / ms('40 Gb/s, multicast'):.2f}x."
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
    """Return the table of both memories, arrays and ports at all contexts that fit."""
    rows: list[Row] = []
    for row in reference("contention-memory"):
        slow, fast = float(row["lpddr4x_ms"]), float(row["lpddr5x_ms"])
        rows.append(
            (
                row["model"],
                row["array"],
                f"{int(row['port_bits']):,}",
                f"{int(row['context_length']):,}",
                f"{slow:,.1f}",
                f"{fast:,.1f}",
                f"{slow / fast - 1:.2%}",
                f"{float(row['lpddr4x_mj']):,.1f}",
                f"{float(row['lpddr5x_mj']):,.1f}",
                f"{float(row['lpddr5x_all_mj']):,.1f}",
            )
        )
    header = (
        *("model", "systolic array", "port, bits", "context", "LPDDR4X, ms", "LPDDR5X, ms", "slower by"),
        *("LPDDR4X, mJ", "LPDDR5X, mJ", "chip with LPDDR5X, mJ"),
    )
    return table(header, rows, right=range(2, 10))


SECTIONS: Mapping[str, Callable[[], str]] = {
    "counted-links": lambda: links(COUNTED),
    "counted-findings": counted_findings,
    "links": lambda: links(PUBLISHED),
    "link-findings": published_findings,
    "memory": memory,
}
