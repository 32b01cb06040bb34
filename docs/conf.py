"""Settings of the documentation site, which `make site` builds with Sphinx into build/site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pimsim.version import __version__

project = "pimsim"
author = project_copyright = "The pimsim developers"
version = release = __version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "tools.site.sphinx_hooks"]
exclude_patterns = ["reference", "images"]

# The pages are written for a repository host: its anchors, its formulas.
myst_enable_extensions = ["attrs_inline", "dollarmath"]
myst_heading_anchors = 6
nb_execution_mode = "off"  # python -m tools.run_notebooks executes them, and stores the outputs

smartquotes = False  # --csv is two hyphens
default_role = "code"  # docstrings mark code with single backticks
add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_numpy_docstring = False
# Types in signatures are links where they are public, and text where they are not.
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = f"pimsim {version}"
html_copy_source = False
html_show_sphinx = False
pygments_style = "tango"
pygments_dark_style = "monokai"
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_copy_empty_lines = False
