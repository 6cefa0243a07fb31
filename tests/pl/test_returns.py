"""What every plot returns, shows and saves."""

from __future__ import annotations

import inspect

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import scregnet as sr
from scregnet.pl import _figure

# A page is no figure, and has tests of its own.
EVERY = {name: getattr(sr.pl, name) for name in sr.pl.__all__ if name != "grn_html"}
# They draw what a study or sr.get.evidence returns, and have tests of their own.
FRAMES = {"ablation", "benchmark", "comparison", "evidence", "robustness", "validation"}
PLOTS = {name: plot for name, plot in EVERY.items() if name not in FRAMES}
N_AXES = {"coverage": 2, "metrics": 2, "history": 2}


@pytest.fixture(params=sorted(PLOTS))
def name(request):
    return request.param


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr(plt, "show", lambda: calls.append(plt.get_fignums()))
    return calls


def _axes(name):
    figure, axes = plt.subplots(1, N_AXES.get(name, 1))
    return figure, axes


@pytest.mark.parametrize("name", sorted(EVERY))
def test_signature(name):
    parameters = inspect.signature(EVERY[name]).parameters
    assert next(iter(parameters)) == ("frame" if name in FRAMES else "adata")
    assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters.values())[1:])
    shared = {
        "ax": None,
        "figsize": None,
        "dpi": None,
        "show": None,
        "save": None,
        "return_fig": False,
    }
    assert {key: parameters[key].default for key in shared} == shared
    assert all(parameter in EVERY[name].__doc__ for parameter in parameters)


def test_figure_axes_or_none(name, fitted_adata):
    figure = PLOTS[name](fitted_adata, return_fig=True, figsize=(5, 3), dpi=50)
    assert isinstance(figure, Figure)
    assert figure.get_size_inches().tolist() == [5, 3]
    assert figure.dpi == 50
    assert isinstance(PLOTS[name](fitted_adata, return_fig=True, show=False), Figure)

    axes = PLOTS[name](fitted_adata, show=False)
    if N_AXES.get(name, 1) == 1:
        assert isinstance(axes, Axes)
    else:
        assert isinstance(axes, np.ndarray)
        assert axes.shape == (2,)
        assert all(isinstance(one, Axes) for one in axes)

    assert PLOTS[name](fitted_adata) is None


def test_given_axes_are_used(name, fitted_adata, shown):
    figure, axes = _axes(name)
    size = figure.get_size_inches().tolist()
    returned = PLOTS[name](fitted_adata, ax=axes, show=False, figsize=(1, 1), dpi=10)
    assert np.array_equal(np.ravel(returned), np.ravel(axes))
    assert PLOTS[name](fitted_adata, ax=axes, return_fig=True) is figure
    assert PLOTS[name](fitted_adata, ax=axes, show=True) is None
    assert shown == []
    assert plt.get_fignums() == [figure.number]
    assert figure.get_size_inches().tolist() == size
    # Axes without anything to draw say so.
    assert all(one.has_data() or one.texts for one in np.ravel(axes))


def test_axes_of_a_subfigure(name, fitted_adata, tmp_path):
    figure = plt.figure(figsize=(8, 3))
    part = figure.subfigures(1, 2)[1]
    axes = part.subplots(1, N_AXES.get(name, 1))
    assert PLOTS[name](fitted_adata, ax=axes, save=tmp_path / "part.png", return_fig=True) is figure


@pytest.mark.parametrize("wrong", [[], "axes", 3])
def test_wrong_axes(name, fitted_adata, wrong):
    with pytest.raises(ValueError, match="ax must be"):
        PLOTS[name](fitted_adata, ax=wrong)
    assert plt.get_fignums() == []


def test_too_few_axes(fitted_adata):
    _, one = plt.subplots()
    with pytest.raises(
        ValueError, match="ax must be a sequence of 2 matplotlib Axes, got 1 objects"
    ):
        sr.pl.metrics(fitted_adata, ax=one)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_save_writes_the_picture_and_leaves_no_figure(name, fitted_adata, tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    assert PLOTS[name](fitted_adata, save=path) is None
    assert path.stat().st_size > 3000
    assert plt.get_fignums() == []
    if suffix == "png":
        assert plt.imread(path)[..., :3].std() > 0.02
        assert isinstance(
            PLOTS[name](fitted_adata, save=str(path), show=False, return_fig=True), Figure
        )


def test_shown_once_where_a_backend_can(name, fitted_adata, shown, monkeypatch):
    PLOTS[name](fitted_adata)
    assert shown == []
    monkeypatch.setattr(_figure, "_can_show", lambda: True)
    PLOTS[name](fitted_adata)
    assert len(shown) == 1
    PLOTS[name](fitted_adata, return_fig=True)
    PLOTS[name](fitted_adata, show=False)
    assert len(shown) == 1
    monkeypatch.undo()
    assert not _figure._can_show()


def test_show_asked_for(name, fitted_adata, shown):
    PLOTS[name](fitted_adata, show=True)
    assert len(shown) == 1


# A picture of the coverage needs no network.
@pytest.mark.parametrize("name", sorted(set(PLOTS) - {"coverage"}))
def test_missing_results_name_the_call(name, fitted_adata):
    with pytest.raises(KeyError, match=r"call sr.tl.fit_grn\(adata, prior\) first"):
        PLOTS[name](ad.AnnData(np.ones((2, 2))))
    with pytest.raises(KeyError, match="key_added='other'.* 'grn'"):
        PLOTS[name](fitted_adata, key="other")
    assert plt.get_fignums() == []


def test_the_adata_is_not_changed(name, fitted_adata):
    before = fitted_adata.copy()
    PLOTS[name](fitted_adata, show=False)
    assert list(fitted_adata.uns) == list(before.uns)
    assert (fitted_adata.varp["grn"] != before.varp["grn"]).nnz == 0
    assert fitted_adata.uns["grn"]["pairs"].equals(before.uns["grn"]["pairs"])


def test_same_after_a_round_trip(name, fitted_adata, tmp_path):
    fitted_adata.write_h5ad(tmp_path / "fitted.h5ad")
    PLOTS[name](ad.read_h5ad(tmp_path / "fitted.h5ad"), show=False)


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_mudata(name, fitted_adata):
    mudata = pytest.importorskip("mudata")
    mdata = mudata.MuData({"gex": fitted_adata})
    PLOTS[name](mdata, mod="gex", show=False)
    with pytest.raises(KeyError, match="'gex'"):
        PLOTS[name](mdata)


def test_matplotlibs_own_settings_are_kept(name, fitted_adata):
    with plt.rc_context({"figure.dpi": 47, "text.color": "red"}):
        before = dict(plt.rcParams)
        assert PLOTS[name](fitted_adata, return_fig=True).dpi == 47
        assert dict(plt.rcParams) == before


def test_save_is_a_path(name, fitted_adata):
    with pytest.raises(TypeError, match="save must be the path of a file.*got True"):
        PLOTS[name](fitted_adata, save=True)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("argument", "value", "error", "message"),
    [
        ("save", "absent/figure.pdf", FileNotFoundError, "save=.*'absent' does not exist"),
        ("save", "figure.docx", ValueError, "save='figure.docx': the suffix must be one of"),
        ("save", ".", ValueError, "save='.' is a folder"),
        ("figsize", 3, TypeError, "figsize must be width and height in inches.* got 3"),
        ("figsize", (3, -1), ValueError, "each of figsize must lie in"),
        ("figsize", (3, "a"), TypeError, "each of figsize must be a number"),
        ("dpi", 0, ValueError, "dpi must lie in"),
        ("show", "no", TypeError, "show must be True or False"),
        ("return_fig", "no", TypeError, "return_fig must be True or False"),
    ],
)
def test_what_no_figure_can_have(name, fitted_adata, argument, value, error, message):
    with pytest.raises(error, match=message):
        PLOTS[name](fitted_adata, **{argument: value})
    plt.close("all")


@pytest.mark.parametrize("palette", ["no colour", ["red", "no colour"], [3, 4], 3])
def test_a_palette_of_no_colours(fitted_adata, palette):
    with pytest.raises((TypeError, ValueError), match="palette"):
        sr.pl.history(fitted_adata, palette=palette)
    with pytest.raises((TypeError, ValueError), match="palette"):
        sr.pl.adjacency(fitted_adata, palette=palette)
    with pytest.raises(ValueError, match="palette: 'no colour' is no colour"):
        sr.pl.grn(fitted_adata, palette={"new": "no colour"})
