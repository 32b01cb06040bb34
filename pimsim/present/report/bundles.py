"""Scripts and styles of a page: those of this folder, and the bundles of Plotly and DataTables.

Both bundles are files of Python packages that the extra `report` installs. The packages themselves are not imported,
which would take a second.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pimsim.base.errors import MissingExtraError
from pimsim.base.optional_dependencies import require_optional

FOLDER = Path(__file__).parent
PURPOSE = "a report"
_EXPORTS = re.compile(r"\bexport\s*\{([^{}]*)\}\s*;?")
_DEFAULT = re.compile(r"([\w$]+) as default\b")


def require_bundles() -> None:
    """Check, before the work, that the packages with the bundles are installed.

    Raises:
        MissingExtraError: If one of them is not; the message says how to install it.
    """
    for module in ("plotly", "itables"):
        require_optional(module, "report", PURPOSE)


def plotly_script() -> str:
    """Return the script of Plotly, which defines `Plotly`.

    Returns:
        The script, safe inside an element of HTML.

    Raises:
        MissingExtraError: If the package is not installed.
    """
    return inline_script(_packaged("plotly", "package_data/plotly.min.js"))


def tables_script() -> str:
    """Return the script of DataTables, which defines `DataTable`.

    The file is a module of JavaScript, and a page without network can import none: its export becomes an assignment.

    Returns:
        The script, safe inside an element of HTML.

    Raises:
        MissingExtraError: If the package is not installed, or its file has another form.
    """
    text = _packaged("itables", "html/dt_bundle.js")
    exported = [each for each in _EXPORTS.finditer(text) if _DEFAULT.search(each.group(1))]
    if len(exported) != 1:
        raise MissingExtraError(f"{PURPOSE} cannot use this version of itables; see the extra `report` of pimsim")
    name = _DEFAULT.search(exported[0].group(1))
    assert name is not None
    start, end = exported[0].span()
    assigned = f"window.DataTable={name.group(1)};"
    return inline_script(f'(function(){{"use strict";{text[:start]}{assigned}{text[end:]}\n}})();')


def tables_style() -> str:
    """Return the style sheet of DataTables.

    Returns:
        The style sheet.

    Raises:
        MissingExtraError: If the package is not installed.
    """
    return _packaged("itables", "html/dt_bundle.css").replace("</", "<\\/")


@cache
def own_file(name: str) -> str:
    """Read a file of this folder.

    Args:
        name: Name of the file.

    Returns:
        Its text.
    """
    return (FOLDER / name).read_text(encoding="utf-8")


def inline_script(text: str) -> str:
    r"""Make a script safe inside `<script>`, which ends at the first `</script` even in a string.

    Args:
        text: A script in which `<!--`, `<script` and `</script` occur only in strings and regular expressions.

    Returns:
        The script with `\x3C` in place of these `<`.
    """
    return re.sub(r"<(?=!--|/?script)", r"\\x3C", text, flags=re.IGNORECASE)


@cache
def _packaged(package: str, name: str) -> str:
    require_bundles()
    found = find_spec(package)
    places = [] if found is None else [*(found.submodule_search_locations or ())]
    for place in places:
        path = Path(place, name)
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise MissingExtraError(f"{PURPOSE} needs {name} of {package}, which this version does not contain")
