"""sr.pl.grn_html: what the page holds, and what it does in a browser where there is one."""

from __future__ import annotations

import hashlib
import html
import json
import logging
import re
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest

import scregnet as sr
from scregnet.pl._html.page import safe_json

HOSTILE = "</script><img src=x onerror=\"document.title='run'\">"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

# The library as its authors published it.
LIBRARY = "71fa9ebec21a7ca2c40cff6aacc30d1f"

# What a reader does: search, read the regulon, filter, click a link, change the theme, save.
READER = """
const told = {}, cy = window.scregnet.cy, el = (id) => document.getElementById(id);
const set = (id, value, event) => { el(id).value = value; el(id).dispatchEvent(new Event(event)); };
const visible = () => cy.edges().not(".hidden").length;
told.edges = visible();
set("search", "spi", "input");
told.found = [...el("matches").children].map((one) => one.textContent);
el("search").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
told.card = el("card").querySelector("h2").textContent;
told.rows = [...el("card").querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent);
told.selected = cy.nodes(":selected").map((one) => one.data("name"));
set("weight", 0.9, "input");
told.weight = visible();
told.count = el("count").textContent;
set("weight", 0, "input");
set("lift", 1, "input");
told.lift = visible();
set("lift", -99, "input");
set("kind", "new", "change");
told.new = visible();
set("kind", "", "change");
set("tf", el("tf").options[1].value, "change");
told.tf = [el("tf").options[1].textContent, visible()];
set("tf", "", "change");
cy.getElementById("e0").emit("tap");
told.link = el("card").querySelector("h2").textContent;
set("search", "onerror", "input");
told.hostile = [...el("matches").children].map((one) => one.textContent);
const back = getComputedStyle(document.body).backgroundColor;
el("theme").click();
told.theme = back !== getComputedStyle(document.body).backgroundColor;
el("fit").click();
const at = cy.nodes().map((one) => one.renderedPosition());
told.inside = at.every((p) => p.x > 0 && p.y > 0 && p.x < cy.width() && p.y < cy.height());
// It fills the window, in one direction at least.
const ends = (axis) => at.map((p) => p[axis]).sort((a, b) => a - b);
const reach = (axis, size) => (ends(axis).at(-1) - ends(axis)[0]) / size;
told.filled = Math.max(reach("x", cy.width()), reach("y", cy.height()));
told.png = cy.png({ full: true }).slice(0, 22);
told.images = document.images.length;
told.title = document.title;
const pre = document.createElement("pre");
pre.id = "told";
pre.textContent = JSON.stringify(told);
document.body.append(pre);
"""


@pytest.fixture
def hostile_adata(lifted_adata):
    """A gene whose name is a piece of HTML."""
    names = lifted_adata.var_names.tolist()
    names[names.index("MYB")] = HOSTILE
    lifted_adata.var_names = names
    entry = lifted_adata.uns["grn"]
    entry["model"]["genes"] = names
    entry["pairs"] = entry["pairs"].replace({"MYB": HOSTILE})
    return lifted_adata


def _data(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.html)
    return json.loads(text)


def test_the_page_holds_the_links_of_the_network(lifted_adata):
    net = sr.get.grn(lifted_adata, top_n=80)
    data = _data(sr.pl.grn_html(lifted_adata, top_n=80))
    genes, links = data["genes"], data["links"]
    by_pair = net.set_index(["source", "target"])
    assert len(links["source"]) == 80
    for k, (source, target) in enumerate(zip(links["source"], links["target"], strict=True)):
        link = by_pair.loc[(genes[source], genes[target])]
        assert links["weight"][k] == pytest.approx(link["weight"], rel=1e-5)
        assert links["lift"][k] == pytest.approx(link["lift"], rel=1e-2, abs=1e-3)
        assert links["known"][k] == link["in_prior"]
        assert (links["sign"][k] is None) == np.isnan(link["sign"])
    tfs = set(lifted_adata.var_names[lifted_adata.var["is_tf"]])
    assert [name in tfs for name in genes] == [bool(one) for one in data["tf"]]
    assert data["note"].endswith("are not on this page")


def test_nodes_of_a_page_lie_apart(fitted_adata):
    for layout in ("spring", "circular", "bipartite"):
        data = _data(sr.pl.grn_html(fitted_adata, top_n=100, layout=layout))
        places = np.stack([data["x"], data["y"]], axis=1)
        distance = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
        assert (distance + 99 * np.eye(len(places))).min() > 15
    first, second = (sr.pl.grn_html(fitted_adata, top_n=50).html for _ in range(2))
    assert first == second


def test_a_page_needs_nothing_else_and_names_run_nothing(hostile_adata, tmp_path):
    path = tmp_path / "network.html"
    page = sr.pl.grn_html(hostile_adata, path, title=HOSTILE)
    text = path.read_text("utf-8")
    assert text == page.html
    assert HOSTILE in _data(page)["genes"]
    # Neither the data nor the title can end a tag.
    assert text.count("</script>") == 3
    assert "<img" not in text
    assert html.escape(HOSTILE) in text
    assert "default-src 'none'" in text
    ours = "".join(
        files("scregnet.pl._html").joinpath(n).read_text() for n in ("page.js", "page.html")
    )
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?://", ours
    )


def test_json_ends_no_script():
    value = {"a": ["</script>", "<!--", "&amp;", "\u2028", "é"]}
    assert json.loads(safe_json(value)) == value
    assert not set("<>&\u2028") & set(safe_json(value))


def test_the_library_is_as_published_and_its_licence_is_there():
    folder = files("scregnet.pl._html").joinpath("cytoscape")
    library = folder.joinpath("cytoscape.min.js").read_bytes()
    assert hashlib.sha256(library).hexdigest().startswith(LIBRARY)
    assert "The Cytoscape Consortium" in folder.joinpath("LICENSE").read_text()
    # It stands inside a script tag.
    assert b"</script" not in library
    assert b"<!--" not in library


def test_two_thousand_links_are_less_than_a_megabyte():
    import networkx as nx

    from scregnet.pl._html.page import make_page

    rng = np.random.default_rng(0)
    graph = nx.DiGraph()
    while graph.number_of_edges() < 2000:
        p, null = rng.random(2)
        link = {"weight": p, "null": null, "lift": 3 * rng.normal(), "sd": p / 9, "sign": p - null}
        target = f"ENSG{rng.integers(900):011d}"
        graph.add_edge(f"TF{rng.integers(90)}", target, **link, q=1 - p, in_prior=p > 0.5)
    nx.set_node_attributes(graph, {name: name[0] == "T" for name in graph}, "is_tf")
    options = {"title": "", "note": "", "theme": "auto", "layout": "spring", "random_state": 0}
    assert len(make_page(graph, **options).encode()) < 1_000_000


def test_a_page_holds_more_links_than_a_picture(fitted_adata, monkeypatch):
    from scregnet.pl import _grn_html, _selection

    monkeypatch.setattr(_selection, "MOST_LINKS", 100)
    n = fitted_adata.varp["grn"].nnz
    page = sr.pl.grn_html(fitted_adata, top_n=101)
    assert len(_data(page)["links"]["source"]) == 101
    monkeypatch.setattr(_grn_html, "PAGE", _selection.Amount(most=n - 1))
    with pytest.raises(ValueError, match=f"{n:,} links are too many to draw .at most {n - 1:,}.;"):
        sr.pl.grn_html(fitted_adata, top_n=None)


def test_a_notebook_shows_the_page_in_a_frame(fitted_adata):
    page = sr.pl.grn_html(fitted_adata, height=321)
    shown = page._repr_html_()
    assert shown.startswith("<iframe")
    assert "321px" in shown
    (inner,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert html.unescape(inner) == page.html
    # A frame without the rights of the notebook.
    assert 'sandbox="allow-scripts allow-downloads"' in shown
    assert re.fullmatch(r"<page of a network, \d+ kB; save\(path\) writes it>", repr(page))


def test_more_links_than_a_picture_and_a_word_on_the_others(lifted_adata, caplog):
    with caplog.at_level(logging.INFO, logger="scregnet"):
        links = _data(sr.pl.grn_html(lifted_adata))["links"]
    counts = np.unique(np.stack([links["source"], links["known"]]), axis=1, return_counts=True)[1]
    assert counts.max() == 10
    assert f"page of {len(links['source'])} of {lifted_adata.varp['grn'].nnz} links" in caplog.text
    n = lifted_adata.varp["grn"].nnz
    assert len(_data(sr.pl.grn_html(lifted_adata, threshold=0.0))["links"]["source"]) == min(n, 500)


def test_scores_of_a_network_without_labels():
    adata = sr.datasets.simulated(n_obs=60, n_vars=40)
    sr.tl.fit_grn(adata, method="pearson")
    data = _data(sr.pl.grn_html(adata, top_n=30))
    assert data["scores"]
    assert "lift" not in data["links"]
    assert data["links"]["weight"][0] == pytest.approx(
        sr.get.grn(adata, top_n=1)["score"][0], rel=1e-5
    )


def test_pages_that_cannot_be_made(fitted_adata, tmp_path):
    with pytest.raises(TypeError, match="path must be the path of a file.*got True"):
        sr.pl.grn_html(fitted_adata, True)
    with pytest.raises(ValueError, match="theme='black' is not known; .*'dark'"):
        sr.pl.grn_html(fitted_adata, theme="black")
    with pytest.raises(ValueError, match="no link of .* passes"):
        sr.pl.grn_html(fitted_adata, tmp_path / "a.html", threshold=1.0)
    with pytest.raises(ValueError, match="height must be at least 100"):
        sr.pl.grn_html(fitted_adata, height=3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_what_a_reader_does_in_a_browser(hostile_adata, tmp_path):
    page = sr.pl.grn_html(hostile_adata, top_n=200, title="a network")
    net = sr.get.grn(hostile_adata, top_n=200)
    assert HOSTILE in set(net["source"]) | set(net["target"])
    path = tmp_path / "network.html"
    path.write_text(page.html.replace("</body>", f"<script>{READER}</script></body>"), "utf-8")
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/user",
    ]
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", path.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    (text,) = re.findall(r'<pre id="told">(.*?)</pre>', done.stdout.decode(), flags=re.DOTALL)
    told = json.loads(html.unescape(text))
    assert told["edges"] == 200
    assert told["found"] == ["SPI1"]
    assert told["card"] == "SPI1"
    assert told["selected"] == ["SPI1"]
    regulon = net[net["source"] == "SPI1"]
    assert told["rows"][: len(regulon)] == regulon["target"].tolist()
    assert told["weight"] == (net["weight"] >= 0.9).sum()
    assert told["count"].startswith(f"{told['weight']} of 200 links shown; ")
    assert told["lift"] == (net["lift"] >= 1).sum()
    assert told["new"] == (~net["in_prior"]).sum()
    assert told["tf"][1] == (net["source"] == told["tf"][0]).sum()
    first = net.iloc[0]
    assert told["link"] == f"{first['source']} → {first['target']}"
    assert told["hostile"] == [HOSTILE]
    assert told["inside"]
    assert told["filled"] > 0.75
    assert told["theme"]
    assert told["png"] == "data:image/png;base64,"
    # The name was never run: no picture was made, the title is the page's own.
    assert told["images"] == 0
    assert told["title"] == "a network"
