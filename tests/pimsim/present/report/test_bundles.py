"""The scripts of a page: found without importing their packages, and unable to end their element."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pimsim.base.errors import MissingExtraError
from pimsim.present.report import bundles


def test_scripts_cannot_end_their_element() -> None:
    pytest.importorskip("plotly")
    for script in (bundles.plotly_script(), bundles.tables_script()):
        assert len(script) > 100_000
        assert not re.search(r"<(!--|/?script)", script, re.IGNORECASE)
    assert "</" not in bundles.tables_style()
    assert "window.DataTable=" in bundles.tables_script()
    assert "export{" not in bundles.tables_script()


def test_a_safe_script_has_the_same_strings() -> None:
    assert bundles.inline_script('a("<script></SCRIPT>") < b; /<!--/') == (
        'a("\\x3Cscript>\\x3C/SCRIPT>") < b; /\\x3C!--/'
    )


@pytest.mark.parametrize("missing", ["plotly", "itables"])
def test_without_the_extra_the_message_names_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=rf'a report needs {missing}.*pip install "pimsim\[report\]"'):
        bundles.require_bundles()


def test_a_bundle_of_another_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "_packaged", lambda package, name: "var a=1;export{a as Other};")
    with pytest.raises(MissingExtraError, match="cannot use this version of itables"):
        bundles.tables_script()


def test_a_package_without_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plotly")
    with pytest.raises(MissingExtraError, match=r"needs no/such\.js of plotly"):
        bundles._packaged("plotly", "no/such.js")
