"""Configuration of the documentation."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
import warnings
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.ext.napoleon import NumpyDocstring
from sphinx.util.inspect import stringify_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphinx.application import Sphinx

here = Path(__file__).parent
sys.path.insert(0, str(here))
from _types import ByName  # noqa: E402

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
exclude_patterns = ["_build", "_static", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
nitpicky = True

# -- the interface --------------------------------------------------------------------------------
autosummary_generate = True
autodoc_member_order = "bysource"
# sphinx-autodoc-typehints writes the types beside the descriptions; signatures have them too.
autodoc_typehints = "none"
typehints_use_signature = True
typehints_use_signature_return = True
python_maximum_signature_line_length = 72
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
typehints_use_rtype = False
typehints_defaults = "braces"
typehints_formatter = ByName()
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

# MathJax lies beside the pages, so that formulas need no connection. Only the parts in use are
# kept: its bundles are twice as large.
mathjax_path = "mathjax/startup.js"
mathjax3_config = {"loader": {"load": ["core", "input/tex", "output/chtml"]}}

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

# Two notebooks need data: from files, or downloaded where a build is known to be online. Elsewhere,
# their pages show the code without outputs.
data = here.parents[1] / "shared" / "data"
needed = {
    "pbmc": ("SCREGNET_COLLECTRI", data / "priors" / "collectri.csv"),
    "beeline": ("SCREGNET_BEELINE", data / "beeline"),
}
nb_execution_excludepatterns = []
for name, (variable, place) in needed.items():
    if place.exists():
        os.environ.setdefault(variable, str(place))
    if not online and not os.environ.get(variable):
        nb_execution_excludepatterns.append(f"tutorials/{name}.ipynb")

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
# Signatures show types as the code writes them; these are their full names.
full_names = {
    "AnnData": "anndata.AnnData",
    "ArrayLike": "numpy.typing.ArrayLike",
    "Axes": "matplotlib.axes.Axes",
    "Figure": "matplotlib.figure.Figure",
    "MuData": "mudata.MuData",
    "Path": "pathlib.Path",
    "PathLike": "os.PathLike",
    "np.ndarray": "numpy.ndarray",
    "np.random.Generator": "numpy.random.Generator",
    "nx.DiGraph": "networkx.DiGraph",
    "pd.DataFrame": "pandas.DataFrame",
    "pd.Series": "pandas.Series",
}
# The page of the settings describes this class by its fields.
nitpick_ignore = [
    *(("py:class", name) for name in full_names),
    *(("py:class", name) for name in ("T", "Sums", "scregnet._sums.T")),
    ("py:class", "scregnet._settings.Settings"),
    ("py:class", "scregnet._sums.Sums"),
    ("py:class", "scregnet.encoders.pooling.PooledSums"),
]
nitpick_ignore_regex = [
    # Parts of a method have no page of their own.
    (r"py:.*", r"scregnet\.links\.(methods|neural|forms)\..*"),
    (
        r"py:.*",
        r"(anndata|collections|contextlib|decoupler|matplotlib|mudata|networkx|numpy|os|pandas|pathlib"
        r"|scanpy|scipy|torch|transformers|types|typing)\..*",
    ),
    ("py:data", "Ellipsis"),
]

# -- the look -------------------------------------------------------------------------------------
html_theme = "sphinx_book_theme"
html_title = "scregnet"
html_static_path = ["_static"]
html_css_files = ["scregnet.css"]
html_favicon = "_static/logo-light.svg"
html_show_sphinx = False
# A link to the source code where the metadata of the package names one.
addresses = dict(entry.split(", ", 1) for entry in info.get_all("Project-URL") or [])
html_theme_options = {
    "logo": {
        "image_light": "_static/logo-light.svg",
        "image_dark": "_static/logo-dark.svg",
        "text": "scregnet",
    },
    "navbar_persistent": [],
    "path_to_docs": "docs/",
    "show_navbar_depth": 1,
    "show_toc_level": 3,
    "use_download_button": True,
    "use_fullscreen_button": False,
}
if "Source" in addresses:
    html_theme_options |= {"repository_url": addresses["Source"], "use_repository_button": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def for_classes(
    app: Sphinx, what: str, name: str, obj: type, *unused: object
) -> tuple[str, None] | None:
    """Signatures of protocols, which nobody calls, and of dataclasses that make a default."""
    if what != "class":
        return None
    if getattr(obj, "_is_protocol", False):
        return "", None
    signature = stringify_signature(inspect.signature(obj), show_return_annotation=False)
    # That is no default of Python's grammar: the reader of signatures would cut it at a comma.
    return (signature.replace("<factory>", "..."), None) if "<factory>" in signature else None


def as_written(
    app: Sphinx, what: str, name: str, obj: Callable[..., object], *unused: object
) -> tuple[str, str | None] | None:
    """Signatures of functions with types as the code writes them.

    Read as objects, ``ArrayLike`` is spelled out as the dozen types that it stands for.
    """
    if what != "function":
        return None
    signature = inspect.signature(obj)
    arguments = stringify_signature(signature, show_return_annotation=False)
    result = signature.return_annotation
    # A function as default is no default of Python's grammar.
    shown = re.sub(r"<function (\w+)>", r"\1", arguments)
    return shown, None if result is signature.empty else result


def without_addresses(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Name functions that are defaults, as signatures do, without their place in memory."""
    lines[:] = [re.sub(r"<function (\w+) at 0x\w+>", r"\1", line) for line in lines]


def in_full(app: Sphinx, env: object, node: dict[str, str], contnode: object) -> None:
    """Give a short name its full one, before the inventories of other projects are asked."""
    node["reftarget"] = full_names.get(node["reftarget"], node["reftarget"])


def write_plain(app: Sphinx, exception: Exception | None) -> None:
    """Put the interface beside the pages as plain Markdown."""
    import _plain

    if exception is None and app.builder.format == "html":
        _plain.write(Path(app.outdir))


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_plain)
    app.connect("missing-reference", in_full, priority=400)
    # Before sphinx-autodoc-typehints; the first answer counts.
    app.connect("autodoc-process-signature", for_classes, priority=400)
    app.connect("autodoc-process-signature", as_written, priority=400)
    # After sphinx-autodoc-typehints, which writes them.
    app.connect("autodoc-process-docstring", without_addresses, priority=900)
