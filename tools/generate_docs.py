"""Write the generated parts of README.md and docs/ and the schema of configs, or list those that are not current.

    python -m tools.generate_docs            # rewrite them; matplotlib only if numbers of the picture changed
    python -m tools.generate_docs --check    # changes nothing; exit code 1 if something is not current
    python -m tools.generate_docs --check --quick    # leaves out the tables that take longest, or are tested elsewhere

A generated part is between a line `<!-- generated: NAME ... -->` and a line `<!-- end: NAME -->`. A function in
`tools/docs_generator/` computes every number in it from simulations, configs or the files in docs/reference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping

from pimsim.config.loading import config_schema_json
from tools.docs_generator import (
    accuracy_page,
    architecture_page,
    circuits_page,
    cluster_page,
    config_pages,
    contention_page,
    corrections_page,
    data_flow,
    device_page,
    energy_evidence,
    hardsea_page,
    in_memory_page,
    kv_front,
    kv_front_page,
    kv_quality_page,
    kv_tiers_page,
    macros_page,
    memory_page,
    model,
    network_page,
    paper_pages,
    picture_data,
    ranges_page,
    repaired_page,
    serving_page,
    splitting_page,
    study_page,
    technology_page,
    training_page,
    transpim_page,
    trust,
    wall_page,
)
from tools.docs_generator.facts import DOCS, ROOT

PICTURE = DOCS / "images" / "decode.svg"
KV_PICTURE = DOCS / "images" / "kv-front.svg"
DATA_FLOW = DOCS / "images" / "data-flow.svg"
SCHEMA = DOCS / "reference" / "config.schema.json"

SECTIONS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "README.md": {"validation": trust.by_group},
    "docs/model.md": {
        "parts": model.parts,
        "mnsim-latency": model.mnsim_latency,
        "mnsim-energy": model.mnsim_energy,
    },
    "docs/accounting.md": {
        "latency": paper_pages.from_run_to_paper,
        "energy": paper_pages.energy_to_paper,
        "gpt2-width": paper_pages.gpt2_width,
        "fits": paper_pages.fits,
        "agreement": paper_pages.agreement,
        "by-model": paper_pages.by_model,
    },
    "docs/placement.md": {
        "variants": paper_pages.variant_table,
        "implied": paper_pages.implied,
        "mesh-sides": paper_pages.mesh_sides,
    },
    "docs/architecture.md": architecture_page.SECTIONS,
    "docs/network.md": network_page.SECTIONS,
    "docs/serving.md": serving_page.SECTIONS,
    "docs/serving-systems.md": cluster_page.SECTIONS,
    "docs/splitting.md": splitting_page.SECTIONS,
    "docs/study.md": {**study_page.SECTIONS, **energy_evidence.SECTIONS},
    "docs/validation.md": trust.SECTIONS,
    "docs/accuracy.md": accuracy_page.SECTIONS,
    "docs/kv-quality.md": kv_quality_page.SECTIONS,
    "docs/training.md": training_page.SECTIONS,
    "docs/contention.md": contention_page.SECTIONS,
    "docs/technology.md": technology_page.SECTIONS,
    "docs/corrections.md": corrections_page.SECTIONS,
    "docs/circuits.md": circuits_page.SECTIONS,
    "docs/macros.md": macros_page.SECTIONS,
    "docs/kv-tiers.md": kv_tiers_page.SECTIONS,
    "docs/memory.md": memory_page.SECTIONS,
    "docs/memory-wall.md": {**wall_page.SECTIONS, **kv_front_page.SECTIONS},
    "docs/ranges.md": ranges_page.SECTIONS,
    "docs/repaired.md": repaired_page.SECTIONS,
    "docs/baselines.md": {
        **device_page.SECTIONS,
        **transpim_page.SECTIONS,
        **hardsea_page.SECTIONS,
        **in_memory_page.SECTIONS,
    },
    "docs/config.md": {
        "confidences": config_pages.confidences,
        "reference": config_pages.config_reference,
        "configs": config_pages.shipped_configs,
        "models": config_pages.models,
    },
}

LONGEST = (
    *("network-variants", "network-variants-published", "macro-ranges", "study-machine-ranges"),
    *wall_page.LONGEST,
)
"""Parts that simulate fourteen meshes, samples of many machines, or long prompts; they take as long as all others."""

TESTED_ELSEWHERE = ("validation", *trust.SECTIONS, "hardsea-figures", "variants", "implied")
"""Parts that tests compare which compute their rows anyway: `tests.support.generated_parts`."""


def with_sections(text: str, sections: Mapping[str, Callable[[], str]], name: str) -> str:
    """Return `text` with every generated part computed again.

    Args:
        text: The Markdown page.
        sections: Functions that return the Markdown of each generated part, by its name.
        name: Name of the page, for error messages.

    Returns:
        The page with current parts.

    Raises:
        ValueError: If the markers of a part are missing or occur twice.
    """
    for section, make in sections.items():
        pattern = re.compile(rf"(<!-- generated: {section}\b[^\n]*-->\n).*?(<!-- end: {section} -->)", re.S)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"{name}: the markers of {section!r} are missing or occur twice")
        body = make()
        text = pattern.sub(lambda match, body=body: f"{match[1]}\n{body}\n\n{match[2]}", text)
    return text


def stale_pages(check: bool, quick: bool = False) -> list[str]:
    """Return the names of the pages that are not current, and write these pages unless `check` is true.

    Args:
        check: Change nothing.
        quick: Leave out the parts in `LONGEST` and in `TESTED_ELSEWHERE`.

    Returns:
        The names.
    """
    stale = []
    left_out = {*LONGEST, *TESTED_ELSEWHERE} if quick else set()
    for name, sections in SECTIONS.items():
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        made = {part: make for part, make in sections.items() if part not in left_out}
        new = with_sections(old, made, name)
        if new != old:
            stale.append(name)
            if not check:
                path.write_text(new, encoding="utf-8")
    return stale


def stale_picture(check: bool) -> list[str]:
    """Do the same for the picture; it contains a digest of its data, so a check does not draw it."""
    data = picture_data.picture_data()
    digest = "data " + hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]
    if PICTURE.is_file() and digest in PICTURE.read_text(encoding="utf-8"):
        return []
    if not check:
        from tools.docs_generator.picture import draw_decode

        draw_decode(data, PICTURE, digest)
    return [str(PICTURE.relative_to(ROOT))]


def stale_kv_picture(check: bool) -> list[str]:
    """Do the same for the picture of caches, whose digest follows the image."""
    data = kv_front.picture_data()
    digest = f"<!-- data {hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]} -->\n"
    if KV_PICTURE.is_file() and KV_PICTURE.read_text(encoding="utf-8").endswith(digest):
        return []
    if not check:
        from pimsim.present.plots import rendered
        from tools.docs_generator.kv_front_picture import figure

        drawn = rendered(lambda: figure(data), ["svg"])["svg"].decode()
        KV_PICTURE.write_text(drawn.rstrip("\n") + "\n" + digest, encoding="utf-8")
    return [str(KV_PICTURE.relative_to(ROOT))]


def stale_data_flow(check: bool) -> list[str]:
    """Do the same for the data-flow picture."""
    new = data_flow.svg()
    if DATA_FLOW.is_file() and DATA_FLOW.read_text(encoding="utf-8") == new:
        return []
    if not check:
        DATA_FLOW.write_text(new, encoding="utf-8")
    return [str(DATA_FLOW.relative_to(ROOT))]


def stale_schema(check: bool) -> list[str]:
    """Do the same for the JSON schema of a config file, which editors read."""
    new = json.dumps(config_schema_json(), indent=1) + "\n"
    if SCHEMA.is_file() and SCHEMA.read_text(encoding="utf-8") == new:
        return []
    if not check:
        SCHEMA.write_text(new, encoding="utf-8")
    return [str(SCHEMA.relative_to(ROOT))]


def main() -> int:
    """Write the generated parts, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something is not current")
    parser.add_argument("--quick", action="store_true", help="leave out the parts that take longest")
    options = parser.parse_args()
    check = options.check
    stale = [*stale_pages(check, options.quick), *stale_picture(check), *stale_kv_picture(check)]
    stale += [*stale_data_flow(check), *stale_schema(check)]
    for name in stale:
        sys.stdout.write(f"{name} {'is not current: run python -m tools.generate_docs' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
