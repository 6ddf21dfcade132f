"""The site: Markdown pages of this folder, the README's quick start, and the API from the docstrings.

``make docs`` builds it into ``build/docs``, warnings being errors. Nothing is fetched, then or by the reader: no
inventories of other projects, no fonts, and formulas are MathML.
"""

import sys
from pathlib import Path

import rewardrouter

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "rewardrouter"
author = "The rewardrouter developers"
project_copyright = author
version = release = rewardrouter.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "array_types",
    "docstrings",
    "experiments_list",
    "mathml",
    "plain_names",
    "paper_index",
    "readme",
]
exclude_patterns = ["_build"]
highlight_language = "none"
nitpicky = True

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "rewardrouter"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
