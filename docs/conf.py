"""How Sphinx builds these pages: `make docs`. The pages themselves are Markdown, and read well without it."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Convitro"
version = release = version_of("convitro")
copyright = "the authors of Convitro"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "extension.names",
    "extension.docstrings",
]
root_doc = "index"
exclude_patterns = ["README.md", "_build"]  # index.md includes README.md
needs_sphinx = "8.1"

# Markdown as a code host shows it: links to headings work in both places.
myst_heading_anchors = 3
myst_links_external_new_tab = False
myst_enable_extensions = ["attrs_block"]

# The reference: docstrings as they stand, Google's sections and our own.
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Files", "params_style")]
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# Every link is checked, but for those of other projects (their inventories would need the network).
nitpicky = True

html_theme = "furo"
html_title = "Convitro"
html_static_path = ["_static"]
html_css_files = ["convitro.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
suppress_warnings: list[str] = []
