"""How Sphinx makes pages of the project's texts: `make docs`. Nothing is fetched from anywhere.

The source folder is the project's own, so that links between README, docs and studies hold.
"""

from afa_ray import __version__

project = "afa_ray"
project_copyright = "the authors of afa_ray, Apache-2.0"
release = __version__
root_doc = "docs/index"
include_patterns = ["docs/**", "studies/**.md", "tests/gpu/README.md", "README.md", "CHANGELOG.md"]
exclude_patterns = [".*", "docs/_build", "build", "results", "runs", "shared"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4
napoleon_use_rtype = False
suppress_warnings = ["toc.not_included", "myst.header"]  # files of tables, in studies

default_role = "code"  # `x` in docstrings
highlight_language = "text"

nitpicky = True
nitpick_ignore_regex = [  # types of other projects, whose pages are not at hand, and of settings
    ("py:.*", r"(?!afa_ray\.attention_row|afa_ray\.models\.|envs\.).*"),
]

html_theme = "furo"
html_title = f"afa_ray {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False
