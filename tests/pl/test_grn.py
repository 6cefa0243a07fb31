"""sr.pl.grn."""

from __future__ import annotations

import logging

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyArrowPatch

import scregnet as sr
from scregnet.pl._network import layout as _layout
from scregnet.pl._network.layout import LAYOUTS


def _arrows(ax):
    return {
        patch.get_gid().split(":", 1)[1]: patch
        for patch in ax.patches
        if isinstance(patch, FancyArrowPatch)
    }


def _nodes(ax):
    return {collection.get_label(): collection for collection in ax.collections}


def _labels(ax):
    return {text.get_text(): text for text in ax.texts}


def _boxes(ax):
    ax.figure.draw_without_rendering()
    return {name: text.get_window_extent() for name, text in _labels(ax).items()}


def test_nodes_edges_and_labels_are_those_of_the_graph(fitted_adata):
    graph = sr.get.graph(fitted_adata, top_n=30)
    ax = sr.pl.grn(fitted_adata, top_n=30, show=False)
    assert set(_arrows(ax)) == {f"{source}->{target}" for source, target in graph.edges}
    assert set(_labels(ax)) == set(graph)
    tfs = {node for node, is_tf in graph.nodes(data="is_tf") if is_tf}
    assert len(_nodes(ax)["TF"].get_offsets()) == len(tfs)
    assert len(_nodes(ax)["target"].get_offsets()) == len(graph) - len(tfs)
    by_place = {tuple(np.round(text.xy, 6)) for name, text in _labels(ax).items() if name in tfs}
    assert by_place == {tuple(np.round(place, 6)) for place in _nodes(ax)["TF"].get_offsets()}


def test_fifty_links_of_a_filter_and_a_word_on_the_others(fitted_adata, caplog):
    with caplog.at_level(logging.INFO, logger="scregnet"):
        ax = sr.pl.grn(fitted_adata, threshold=0.0, show=False)
    assert len(_arrows(ax)) == 50
    n = fitted_adata.varp["grn"].nnz
    assert f"drew 50 of {n} links; {n - 50} hidden (top_n=50)" in caplog.text
    assert ax.get_legend().get_title().get_text() == f"50 of {n} links"


def test_tfs_and_targets_differ_in_shape_and_colour(fitted_adata):
    ax = sr.pl.grn(fitted_adata, palette={"TF": "red", "target": "lime"}, show=False)
    nodes = _nodes(ax)
    np.testing.assert_allclose(nodes["TF"].get_facecolor(), [to_rgba("red")])
    np.testing.assert_allclose(nodes["target"].get_facecolor(), [to_rgba("lime")])
    assert len(nodes["TF"].get_paths()[0].vertices) == 5
    assert len(nodes["target"].get_paths()[0].vertices) > 5


def test_known_and_new_links_differ_in_line_and_colour(fitted_adata):
    net = sr.get.grn(fitted_adata, top_n=50)
    assert 0 < net["in_prior"].sum() < 50
    palette = {"known": "black", "new": "magenta"}
    arrows = _arrows(sr.pl.grn(fitted_adata, palette=palette, top_n=50, show=False))
    for link in net.itertuples():
        arrow = arrows[f"{link.source}->{link.target}"]
        assert arrow.get_edgecolor() == to_rgba("black" if link.in_prior else "magenta")
        assert (arrow.get_linestyle() in ("-", "solid")) == link.in_prior


def test_repressing_links_end_in_a_bar(lifted_adata):
    net = sr.get.grn(lifted_adata, top_n=50)
    assert (net["sign"] < 0).any()
    assert net["sign"].isna().any()
    ax = sr.pl.grn(lifted_adata, top_n=50, show=False)
    arrows = _arrows(ax)
    for link in net.itertuples():
        style = arrows[f"{link.source}->{link.target}"].get_arrowstyle()
        # A bar is a head without depth. An unknown sign (NaN) gets an arrow.
        assert (style.head_length < 0.1) == (link.sign < 0)
    assert "represses" in [text.get_text() for text in ax.get_legend().get_texts()]
    lifted_adata.varp["grn_sign"].data[:] = 0.5
    legend = sr.pl.grn(lifted_adata, top_n=50, show=False).get_legend()
    assert "represses" not in [text.get_text() for text in legend.get_texts()]


def test_width_follows_probability(fitted_adata):
    net = sr.get.grn(fitted_adata, top_n=80)
    arrows = _arrows(sr.pl.grn(fitted_adata, top_n=80, show=False))
    widths = [arrows[f"{link.source}->{link.target}"].get_linewidth() for link in net.itertuples()]
    assert (np.diff(widths) <= 0).all()
    assert widths[0] > 2 * widths[-1]


def test_almost_equal_probabilities_look_alike(fitted_adata):
    matrix = fitted_adata.varp["grn"]
    matrix.data = 0.99 + 0.001 * matrix.data
    # Other values than the fit recorded.
    del fitted_adata.uns["grn"]["pairs"]["probability"]
    widths = [
        arrow.get_linewidth() for arrow in _arrows(sr.pl.grn(fitted_adata, show=False)).values()
    ]
    assert max(widths) - min(widths) < 0.05


def test_arrows_end_at_the_border_of_nodes(fitted_adata):
    ax = sr.pl.grn(fitted_adata, sources="GATA1", node_size=10, show=False)
    ax.figure.draw_without_rendering()
    to_points = 72 / ax.figure.dpi
    centres = {
        name: ax.transData.transform(text.xy) * to_points for name, text in _labels(ax).items()
    }
    tfs = set(fitted_adata.var_names[:8])
    for link, arrow in _arrows(ax).items():
        source, target = link.split("->")
        tip = arrow.get_transform().transform(arrow.get_path().vertices) * to_points
        gaps = np.abs(tip - centres[target])
        reach = gaps.max(axis=1).min() if target in tfs else np.hypot(*gaps.T).min()
        radius = 7.0 if target in tfs else 5.0
        assert radius <= reach + 0.5
        assert np.hypot(*gaps.T).min() < radius * np.sqrt(2) + 4
        assert source == "GATA1"


def test_legend_says_what_is_drawn(fitted_adata):
    def texts(**kwargs):
        legend = sr.pl.grn(fitted_adata, show=False, **kwargs).get_legend()
        return [text.get_text() for text in legend.get_texts()]

    net = sr.get.grn(fitted_adata, top_n=50)
    assert texts()[:4] == ["TF", "target", "known link", "new link"]
    assert texts(top_n=50)[-1] == f"probability {net['weight'].min():.2f}"
    assert "known link" not in texts(new_only=True)
    tfs = list(fitted_adata.var_names[:8])
    assert "target" not in texts(targets=tfs)
    assert sr.pl.grn(fitted_adata, legend=False, show=False).get_legend() is None


def test_legend_lies_next_to_the_network(fitted_adata):
    ax = sr.pl.grn(fitted_adata, show=False)
    boxes = _boxes(ax)
    legend = ax.get_legend().get_window_extent()
    assert not any(legend.overlaps(box) for box in boxes.values())
    assert legend.x1 <= ax.figure.bbox.x1 + 1


@pytest.mark.parametrize("filters", [{}, {"sources": ["GATA1"]}, {"new_only": True}, {"top_n": 15}])
@pytest.mark.parametrize("layout", ["spring", "kamada_kawai"])
def test_labels_do_not_cover_labels_or_nodes(fitted_adata, filters, layout):
    ax = sr.pl.grn(fitted_adata, layout=layout, show=False, **filters)
    boxes = _boxes(ax)
    names = list(boxes)
    overlapping = sum(
        boxes[a].shrunk(0.9, 0.7).overlaps(boxes[b].shrunk(0.9, 0.7))
        for i, a in enumerate(names)
        for b in names[:i]
    )
    centres = np.array([ax.transData.transform(text.xy) for text in ax.texts])
    covered = sum(box.contains(*centre) for box in boxes.values() for centre in centres)
    assert overlapping == 0
    assert covered == 0
    frame = ax.figure.bbox
    assert all(
        frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 for box in boxes.values()
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nodes_lie_apart_in_every_layout(fitted_adata, layout):
    ax = sr.pl.grn(fitted_adata, layout=layout, show=False)
    places = np.concatenate([nodes.get_offsets() for nodes in ax.collections])
    distance = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    # Units are points; a target is 9 wide.
    assert distance.min() > 9


def test_the_seed_settles_the_layout(fitted_adata):
    def places(seed):
        ax = sr.pl.grn(fitted_adata, random_state=seed, show=False)
        return np.concatenate([nodes.get_offsets() for nodes in ax.collections])

    np.testing.assert_array_equal(places(0), places(0))
    assert np.abs(places(0) - places(1)).max() > 5


def test_the_layout_does_not_depend_on_the_session():
    import networkx as nx

    # The order of a set of names changes from session to session. It showed in components with
    # less than half of the nodes.
    graph = nx.DiGraph([("TF", f"G{i}") for i in range(4)] + [("A", f"B{i}") for i in range(9)])
    large, small = _layout._components(graph.to_undirected())
    assert list(large) == sorted(large)
    assert list(small) == ["G0", "G1", "G2", "G3", "TF"]
    assert large.number_of_edges() == 9
    assert small.number_of_edges() == 4


def test_shell_puts_tfs_inside_and_bipartite_left(fitted_adata):
    nodes = _nodes(sr.pl.grn(fitted_adata, layout="bipartite", show=False))
    assert nodes["TF"].get_offsets()[:, 0].max() < nodes["target"].get_offsets()[:, 0].min() - 50
    nodes = _nodes(sr.pl.grn(fitted_adata, layout="shell", figsize=(6, 5), show=False))
    middle = nodes["target"].get_offsets().mean(axis=0)
    inner = np.linalg.norm(nodes["TF"].get_offsets() - middle, axis=1)
    outer = np.linalg.norm(nodes["target"].get_offsets() - middle, axis=1)
    assert inner.max() < outer.max()
    assert inner.mean() < outer.mean()


def test_components_do_not_mix(fitted_adata):
    matrix = fitted_adata.varp["grn"].tolil()
    matrix[:] = 0
    for row, columns in ((0, range(10, 24)), (1, range(24, 30)), (2, range(30, 33)), (3, [40])):
        matrix[row, list(columns)] = 0.9
    fitted_adata.varp["grn"] = matrix.tocsr()
    # Other values than the fit recorded.
    del fitted_adata.uns["grn"]["pairs"]["probability"]
    ax = sr.pl.grn(fitted_adata, top_n=None, show=False)
    place = {name: np.array(text.xy) for name, text in _labels(ax).items()}
    groups = [
        np.array(
            [
                place[name]
                for name in (fitted_adata.var_names[row], *fitted_adata.var_names[list(columns)])
            ]
        )
        for row, columns in ((0, range(10, 24)), (1, range(24, 30)), (2, range(30, 33)), (3, [40]))
    ]
    for i, a in enumerate(groups):
        for b in groups[:i]:
            apart = (a.max(axis=0) < b.min(axis=0)) | (b.max(axis=0) < a.min(axis=0))
            assert apart.any()


def test_loops_and_links_both_ways(fitted_adata):
    matrix = fitted_adata.varp["grn"].tolil()
    for a, b in ((0, 0), (0, 1), (1, 0)):
        matrix[a, b] = 0.9999
    fitted_adata.varp["grn"] = matrix.tocsr()
    # Other values than the fit recorded.
    del fitted_adata.uns["grn"]["pairs"]["probability"]
    ax = sr.pl.grn(fitted_adata, top_n=50, show=False)
    arrows = _arrows(ax)
    ax.figure.canvas.draw()
    assert "GATA1->GATA1" in arrows
    middle = [
        np.mean(arrows[link].get_path().vertices[:3], axis=0)
        for link in ("GATA1->SPI1", "SPI1->GATA1")
    ]
    assert np.hypot(*(middle[0] - middle[1])) > 2
    top = ax.transData.transform(_labels(ax)["GATA1"].xy)[1]
    loop = arrows["GATA1->GATA1"].get_window_extent()
    assert loop.y1 > top
    assert loop.height < 60


def test_chosen_labels(fitted_adata):
    assert _labels(sr.pl.grn(fitted_adata, labels=False, show=False)) == {}
    assert set(_labels(sr.pl.grn(fitted_adata, labels=["GATA1", "SPI1"], show=False))) == {
        "GATA1",
        "SPI1",
    }
    assert set(_labels(sr.pl.grn(fitted_adata, labels="GATA1", show=False))) == {"GATA1"}


def test_sizes(fitted_adata):
    ax = sr.pl.grn(fitted_adata, node_size=12, font_size=5, title="A", show=False)
    assert _nodes(ax)["target"].get_sizes().tolist() == [144]
    assert {text.get_fontsize() for text in ax.texts} == {5}
    assert ax.get_title() == "A"
    with plt.rc_context({"font.size": 20}):
        assert {text.get_fontsize() for text in sr.pl.grn(fitted_adata, show=False).texts} == {15}


def test_one_link_alone(fitted_adata):
    ax = sr.pl.grn(fitted_adata, top_n=1, show=False)
    assert len(_arrows(ax)) == 1
    assert len(ax.texts) == 2


def test_unknown_layout_names_the_valid_ones(fitted_adata):
    with pytest.raises(
        ValueError, match="layout='sprig' is not known; .*'kamada_kawai'.* Did you mean 'spring'"
    ):
        sr.pl.grn(fitted_adata, layout="sprig")


def test_wrong_palette(fitted_adata):
    with pytest.raises(
        ValueError, match="palette='link' is not known; valid values: 'TF', 'target'"
    ):
        sr.pl.grn(fitted_adata, palette={"link": "red"})
    with pytest.raises(TypeError, match="palette must be a mapping .*, got 'red'"):
        sr.pl.grn(fitted_adata, palette="red")


def test_targets_per_tf(fitted_adata, caplog):
    with caplog.at_level(logging.INFO, logger="scregnet"):
        ax = sr.pl.grn(fitted_adata, top_n=None, top_n_targets=2, show=False)
    net = sr.get.grn(fitted_adata, top_n_targets=2)
    assert set(_arrows(ax)) == {f"{row.source}->{row.target}" for row in net.itertuples()}
    assert f"drew 16 of {fitted_adata.varp['grn'].nnz} links" in caplog.text
    assert "hidden (top_n_targets=2)" in caplog.text


def test_nothing_to_draw(fitted_adata):
    with pytest.raises(ValueError, match=r"no link of adata.uns\['grn'\] passes .*threshold=1.0"):
        sr.pl.grn(fitted_adata, threshold=1.0, sources=fitted_adata.var_names[:2])
    assert plt.get_fignums() == []


def test_too_much_to_draw(fitted_adata, monkeypatch):
    from scregnet.pl import _selection

    monkeypatch.setattr(_selection, "MOST_LINKS", 100)
    n = fitted_adata.varp["grn"].nnz
    with pytest.raises(
        ValueError,
        match=f"{n} links are too many to draw .at most 100.; set top_n=, top_n_targets= or",
    ):
        sr.pl.grn(fitted_adata, top_n=None)


def test_unknown_names(fitted_adata):
    with pytest.raises(KeyError, match="Did you mean 'GATA1'"):
        sr.pl.grn(fitted_adata, sources="Gata1")
    with pytest.raises(ValueError, match="candidate TFs"):
        sr.pl.grn(fitted_adata, sources="GENE3")


def test_a_name_with_dollars_is_not_a_formula(fitted_adata):
    name = "a$_b$"
    names = list(fitted_adata.var_names)
    names[names.index("GATA1")] = name
    fitted_adata.var_names = names
    entry = fitted_adata.uns["grn"]
    entry["model"]["genes"] = names
    entry["pairs"] = entry["pairs"].replace({"GATA1": name})
    ax = sr.pl.grn(fitted_adata, sources=name, top_n=5, show=False)
    ax.figure.canvas.draw()
    text = _labels(ax)[name]
    shown = text.get_window_extent().width
    assert text.get_parse_math() is False
    text.set_parse_math(True)
    assert text.get_window_extent().width != shown


def test_several_hundred_links_are_drawn(fitted_adata):
    ax = sr.pl.grn(fitted_adata, top_n=300, figsize=(12, 9), show=False)
    assert len(_arrows(ax)) == 300


def test_a_misspelt_label_is_refused(fitted_adata):
    with pytest.raises(KeyError, match=r"labels: 'gata1' not in .* Did you mean 'GATA1'"):
        sr.pl.grn(fitted_adata, top_n=5, labels=["gata1"])
    assert plt.get_fignums() == []
    # A gene that is there and not drawn gets no label.
    ax = sr.pl.grn(fitted_adata, sources="GATA1", top_n=3, labels=["MYB"], show=False)
    assert not [text for text in ax.texts if text.get_text()]
    plt.close("all")


def test_genes_may_be_an_array_and_messages_do_not_print_it(fitted_adata):
    sources = fitted_adata.var_names[:8].to_numpy()
    ax = sr.pl.grn(fitted_adata, sources=sources, top_n=3, show=False)
    assert len(ax.texts) > 0
    plt.close("all")
    with pytest.raises(ValueError, match="passes sources=a ndarray of 8, threshold=1.0"):
        sr.pl.grn(fitted_adata, sources=sources, threshold=1.0)


def test_many_links_are_a_few_shapes_and_labels_do_not_touch(fitted_adata, caplog):
    with caplog.at_level(logging.INFO, logger="scregnet"):
        ax = sr.pl.grn(fitted_adata, top_n=400, figsize=(4, 3), show=False)
    graph = sr.get.graph(fitted_adata, top_n=400)
    shapes = {one.get_gid(): one for one in ax.collections}
    loops = sum(source == target for source, target in graph.edges)
    assert len(shapes["links"].get_paths()) == len(shapes["heads"].get_paths()) == 400 - loops
    # The tips lie at the border of the target, and the lines start at that of the source.
    places = np.concatenate([nodes.get_offsets() for nodes in ax.collections[2:]])
    for path in shapes["links"].get_paths():
        for end in (path.vertices[0], path.vertices[-1]):
            assert np.hypot(*(places - end).T).min() < 16
    boxes = [text.get_window_extent().shrunk(0.95, 0.8) for text in ax.texts]
    assert 8 < len(boxes) < len(graph)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert f"{len(boxes)} of {len(graph)} labels have room" in caplog.text
    # Named by the user: drawn in any case.
    names = list(graph)
    ax = sr.pl.grn(fitted_adata, top_n=400, figsize=(4, 3), labels=names, show=False)
    assert len(ax.texts) == len(graph)


def test_compiled_forces_are_those_that_they_replace():
    from scregnet.pl._network import forces

    rng = np.random.default_rng(0)
    points, radius = rng.random((30, 2)) * 60, rng.uniform(3, 6, 30)
    edges = rng.integers(0, 30, (40, 2))
    push = np.zeros_like(points)
    for a, b in edges:
        along = points[b] - points[a]
        square = max(float(along @ along), 1e-9)
        for i in set(range(30)) - {a, b}:
            share = (points[i] - points[a]) @ along / square
            gap = points[i] - points[a] - share * along
            distance = np.hypot(*gap)
            if 0 < share < 1 and distance < radius[i]:
                step = gap / distance * (radius[i] - distance)
                push[i] += 0.5 * step
                push[a] -= 0.25 * (1 - share) * step
                push[b] -= 0.25 * share * step
    np.testing.assert_allclose(forces.edge_push(points, radius, edges), push, atol=1e-9)
    gap = points[:, None] - points[None]
    distance = np.hypot(gap[..., 0], gap[..., 1]) + 1e9 * np.eye(30)
    short = np.clip(radius[:, None] + radius - distance, 0, None)
    expected = (gap / distance[..., None] * short[..., None] / 2).sum(axis=1)
    np.testing.assert_allclose(forces.node_push(points, radius), expected, atol=1e-9)


def test_a_large_component_spreads_by_compiled_forces():
    import networkx as nx

    graph = nx.DiGraph([(f"T{i % 5}", f"G{i}") for i in range(250)])
    graph.add_edges_from([("T0", f"T{i}") for i in range(1, 5)])
    nx.set_node_attributes(graph, {n: n[0] == "T" for n in graph}, "is_tf")
    place = _layout.positions(graph, "spring", aspect=1.3, random_state=0)
    at = dict(zip(graph, place, strict=True))
    # Targets lie closer to their own TF than to the others.
    nearest = [
        min(range(5), key=lambda t: np.hypot(*(at[f"T{t}"] - at[f"G{i}"]))) for i in range(250)
    ]
    assert np.mean([near == i % 5 for i, near in enumerate(nearest)]) > 0.95


def _filled(ax):
    """Return the colour of each node, targets and then TFs, and the legend."""
    from matplotlib.colors import to_hex

    nodes = [dots for dots in ax.collections if dots.get_label() in ("TF", "target")]
    colours = [to_hex(colour) for dots in nodes for colour in dots.get_facecolors()]
    return colours, [text.get_text() for text in ax.get_legend().get_texts()]


def test_nodes_by_module(lifted_adata):
    genes = lifted_adata.var_names
    lifted_adata.var["grn_module"] = pd.Categorical(["0", "1"] * 29 + [None, None])
    ax = sr.pl.grn(lifted_adata, color="module", show=False, sources="GATA1", top_n=None)
    colours, told = _filled(ax)
    assert told[:5] == ["TF", "target", "module: 0", "module: 1", "module: none"]
    names = sr.get.graph(lifted_adata, sources="GATA1").nodes
    modules = [str(lifted_adata.var["grn_module"].iloc[genes.get_loc(name)]) for name in names]
    expected = {"0": "#0072b2", "1": "#009e73", "nan": "#d9d9d9"}
    assert sorted(colours) == sorted(expected[module] for module in modules)


def test_nodes_by_a_series(lifted_adata):
    activity = pd.Series({"GATA1": -1.0, "SPI1": 2.0, "MYB": 0.0, "absent": 9.0}, name="$activity$")
    ax = sr.pl.grn(lifted_adata, sources=["GATA1", "SPI1", "MYB"], color=activity, show=False)
    colours, told = _filled(ax)
    # Around 0, which is white; what is not in the data does not stretch the scale.
    assert told[2:6] == [rf"\$activity\$: {v}" for v in ("2", "0", "-2", "none")]
    assert "#67001f" in colours
    assert colours.count("#d9d9d9") == len(colours) - 3


def test_many_groups_share_a_grey(lifted_adata):
    lifted_adata.var["family"] = [f"f{i % 10}" for i in range(lifted_adata.n_vars)]
    _, told = _filled(sr.pl.grn(lifted_adata, top_n=200, color="family", show=False))
    assert sum(text.startswith("family: f") for text in told) == 7
    assert "family: 3 others" in told


def test_wrong_colours(lifted_adata):
    with pytest.raises(KeyError, match=r"nor is 'grn_module'.*Call sr\.tl\.network_stats first"):
        sr.pl.grn(lifted_adata, color="module")
    with pytest.raises(TypeError, match="a column of adata.var or a series"):
        sr.pl.grn(lifted_adata, color=3)
    with pytest.raises(ValueError, match="has a gene twice"):
        sr.pl.grn(lifted_adata, color=pd.Series([1, 2], index=["GATA1", "GATA1"]))
    with pytest.raises(ValueError, match="no gene that is drawn"):
        sr.pl.grn(lifted_adata, color=pd.Series([1.0], index=["absent"]))
