"""The documentation site: every page has one place in its navigation, links exist, and nothing public is left out."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from tests.docs.doc_examples import ROOT
from tools.site import public_names
from tools.site.command_pages import commands_markdown
from tools.site.repository_links import included_pages, outside_fences, site_markdown, without_missing

DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
PAGES = sorted(path for kind in ("md", "ipynb") for path in DOCS.rglob(f"*.{kind}"))
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.M | re.S)


def entries(page: Path) -> list[str]:
    """Return the pages that the toctrees of a page list, relative to docs/."""
    lines = [line for tree in TOCTREE.findall(page.read_text(encoding="utf-8")) for line in tree.splitlines()]
    listed = [line.strip() for line in lines if line.strip() and not line.startswith(":")]
    listed = [re.sub(r".*<(.*)>", r"\1", line) for line in listed]  # with a title of its own
    return [(page.parent / name).relative_to(DOCS).as_posix() for name in listed]


def test_every_page_is_in_exactly_one_toctree() -> None:
    times = Counter(name for page in PAGES if page.suffix == ".md" for name in entries(page))
    there = {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES if path != INDEX}
    assert there - times.keys() == set(), "add them to a toctree, most of them to docs/index.md"
    assert times.keys() <= there, "these do not exist"
    assert {name for name, number in times.items() if number > 1} == set()
    assert len(there) > 60


def test_an_entry_without_a_page_is_left_out() -> None:
    tree = "```{{toctree}}\n:hidden:\n\nmodel\n{}A title <array>\nnotebooks/decode-step\n```\n\nnot-there\n"
    assert without_missing(tree.format("not-there\n"), INDEX) == tree.format("")


def test_stubs_include_pages_of_the_repository() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in included_pages()}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "tests/README.md"} <= names
    assert all(path.is_file() for path in included_pages())
    assert len(names) == len(list((DOCS / "project").glob("*.md")))


def test_links_lead_to_the_pages_of_the_site() -> None:
    text = "[a](../README.md#install) [b](model.md) [c](#here) [d](https://x.org/y.md) ![e](images/decode.svg)\n"
    text += "[f](../LICENSE) [g](../CITATION.cff#x)\n"
    changed = site_markdown(text, DOCS / "array.md")
    assert changed == text.replace("../README.md", "project/readme.md").replace("CITATION.cff#x", "CITATION.cff")


def test_an_included_page_has_links_from_where_it_is_on_the_site() -> None:
    text = site_markdown("```{include} ../../benchmarks/README.md\n```\n", DOCS / "project" / "benchmarks.md")
    assert text.startswith("# Benchmarks\n")
    assert "](../importing.md)" in text
    assert "](../../benchmarks/contention.png)" in text
    assert "](benchmark-results.md#bench_schedules)" in text


def test_code_is_left_as_it_is() -> None:
    fence = '```md\n[a](../README.md) <a id="eq-1"></a>\n```'
    assert outside_fences(f'<a id="eq-1"></a>(1)\n{fence}\nend', str.upper) == f'<A ID="EQ-1"></A>(1)\n{fence}\nEND'
    assert outside_fences('<a id="eq-1"></a>(1)', lambda text: text) == "[]{#eq-1}(1)"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != DOCS], ids=lambda page: page.name)
def test_links_of_pages_in_folders_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target.partition("#")[0]).resolve().exists(), target


def test_every_command_and_option_is_on_its_page() -> None:
    text = commands_markdown()
    headings = re.findall(r"^##+ pimsim (.*)$", text, re.M)
    assert {"run", "sweep", "results front", "import mnsim"} <= {*headings}
    assert len(headings) == len({*headings})
    section = text.partition("## pimsim run\n")[2].partition("\n## ")[0]
    assert "| `--phase decode\\|prefill\\|generate\\|load` |" in section
    assert "$ pimsim run pim-llm --context 1024" in section


def test_every_public_name_is_on_one_page() -> None:
    text = "".join(public_names.names_markdown(page) for page in public_names.pages_of_names())
    found = Counter(re.findall(r"^\.\. (?:autoclass|autoexception|autofunction|py:data):: (\S+)$", text, re.M))
    names = {f"{package}.{name}" for package in ("crossbar", "pimsim", "workloads") for name in exported(package)}
    assert found.keys() == names
    assert {*found.values()} == {1}


def exported(package: str) -> list[str]:
    return list(import_module(package).__all__)


def test_docstrings_mean_the_same_in_restructured_text() -> None:
    assert public_names.restructured("mean |W| of `a | b`, `Design`s, ``x``") == (
        r"mean \|W\| of `a | b`, `Design`\ s, ``x``"
    )


@pytest.mark.parametrize("page", public_names.pages_of_names())
def test_a_page_of_the_site_has_the_names(page: str) -> None:
    marker = f"<!-- on the site: names of {page} -->"
    assert [path.name for path in (DOCS / "api").glob("*.md") if marker in path.read_text(encoding="utf-8")]
