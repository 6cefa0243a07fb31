"""Configuration of the documentation."""

from __future__ import annotations

import os
import shutil
import warnings
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.ext.napoleon import NumpyDocstring

if TYPE_CHECKING:
    from sphinx.application import Sphinx

here = Path(__file__).parent

# One extension calls a deprecated function of another; nothing here can change that.
warnings.filterwarnings("ignore", message="'sphinx_autodoc_typehints.*is deprecated")

info = metadata("scregnet")
project = info["Name"]
author = info["Author"]
copyright = f"2026, {author}"
version = release = info["Version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
nitpicky = True

# -- the interface --------------------------------------------------------------------------------
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
typehints_use_rtype = False
typehints_defaults = "braces"
always_document_param_types = True
always_use_bars_union = True


def returns_as_prose(self: NumpyDocstring, section: str) -> list[str]:
    """Read a Returns section as text.

    napoleon would take its first line for a type, but the signature has the type.
    """
    lines = self._dedent(self._strip_empty(self._consume_to_next_section()))
    # sphinx-autodoc-typehints adds a colon for the same purpose. It helps for one paragraph only.
    if lines[0].strip() == ":":
        del lines[0]
    return [*self._format_block(":returns: ", lines, "   "), ""]


NumpyDocstring._parse_returns_section = returns_as_prose

online = os.environ.get("READTHEDOCS") == "True" or bool(os.environ.get("SCREGNET_DOCS_ONLINE"))

# -- text and notebooks ---------------------------------------------------------------------------
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

# The notebooks are stored without outputs: the code that a page documents computes what it shows.
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

notebooks = here / "tutorials"
shutil.rmtree(notebooks, ignore_errors=True)
notebooks.mkdir()
for notebook in (here.parent / "tutorials").glob("*.ipynb"):
    shutil.copy2(notebook, notebooks)

# One notebook needs CollecTRI: from a file, or downloaded where a build is known to be online.
# Elsewhere, its page shows the code without outputs.
collectri = here.parents[1] / "shared" / "data" / "priors" / "collectri.csv"
if collectri.is_file():
    os.environ.setdefault("SCREGNET_COLLECTRI", str(collectri))
if not online and not os.environ.get("SCREGNET_COLLECTRI"):
    nb_execution_excludepatterns = ["tutorials/pbmc.ipynb"]

# -- names of other projects ----------------------------------------------------------------------
# Their inventories are fetched only where a build is known to be online. Elsewhere, references to
# them stay plain text. Names of this package are checked everywhere.
inventories = {
    "python": "https://docs.python.org/3",
    "anndata": "https://anndata.readthedocs.io/en/stable",
    "matplotlib": "https://matplotlib.org/stable",
    "mudata": "https://mudata.readthedocs.io/stable",
    "networkx": "https://networkx.org/documentation/stable",
    "numpy": "https://numpy.org/doc/stable",
    "pandas": "https://pandas.pydata.org/docs",
    "scanpy": "https://scanpy.readthedocs.io/en/stable",
    "scipy": "https://docs.scipy.org/doc/scipy",
    "torch": "https://docs.pytorch.org/docs/stable",
}
if online:
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {name: (url, None) for name, url in inventories.items()}
# The page of the settings describes this class by its fields.
nitpick_ignore = [
    ("py:class", "scregnet._settings.Settings"),
    ("py:class", "scregnet._sums.Sums"),
    ("py:class", "scregnet.encoders.pooling.PooledSums"),
]
nitpick_ignore_regex = [
    # Parts of a method have no page of their own.
    (r"py:.*", r"scregnet\.links\.(methods|neural)\..*"),
    (
        r"py:.*",
        r"(anndata|collections|contextlib|decoupler|matplotlib|mudata|networkx|numpy|os|pandas|pathlib"
        r"|scanpy|scipy|torch|types|typing)\..*",
    ),
    ("py:data", "Ellipsis"),
]

# -- the look -------------------------------------------------------------------------------------
html_theme = "sphinx_book_theme"
html_title = "scregnet"
html_static_path = ["_static"]
html_css_files = ["scregnet.css"]
html_show_sphinx = False
html_theme_options = {
    "navbar_persistent": [],
    "path_to_docs": "docs/",
    "show_navbar_depth": 1,
    "show_toc_level": 3,
    "use_download_button": True,
    "use_fullscreen_button": False,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def without_arguments(
    app: Sphinx, what: str, name: str, obj: object, *unused: object
) -> tuple[str, None] | None:
    """Leave out the (*args, **kwargs) that Python gives to protocols, which nobody calls."""
    return ("", None) if what == "class" and getattr(obj, "_is_protocol", False) else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", without_arguments)
