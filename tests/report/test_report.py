"""sr.report: what the page holds, that it is whole and safe, and that it changes nothing."""

from __future__ import annotations

import html
import logging
import re
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet._report.html import Html, join, number, tag
from scregnet._report.page import ReportPage
from scregnet._report.papers import PAPERS
from scregnet.links import LINK_METHODS, method_class

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "</title><script>document.title='run'</script><img src=x onerror=alert(1)>\"'&"
SECTIONS = [
    "summary",
    "data",
    "known",
    "pairs",
    "performance",
    "controls",
    "calibration",
    "training",
    "network",
    "links",
    "activities",
    "parameters",
    "citing",
]


@pytest.fixture(scope="session")
def _whole(_simulated):
    """A fit with folds, statistics and activities."""
    data = _simulated.copy()
    net = data.uns["network"]
    sr.pp.prior(data, net)
    sr.tl.fit_grn(
        data,
        net,
        n_folds=2,
        n_trees=10,
        n_forest_trees=5,
        n_bootstrap=20,
        n_models=2,
        show_progress_bar=False,
    )
    sr.tl.network_stats(data, n_random=2)
    sr.tl.tf_activity(data, tmin=1)
    data.obs["half"] = pd.Categorical(np.where(np.arange(data.n_obs) % 2, "odd", "even"))
    return data


@pytest.fixture(scope="session")
def whole_page(_whole):
    return sr.report(_whole, groupby="half", n_links=5)


@pytest.fixture
def no_drawing(monkeypatch):
    """Leave figures out: for most tests, one page with all of them is enough."""
    monkeypatch.setattr("scregnet._report.figures._written", lambda _: ("png", b"", (1, 1)))
    for name in ("calibration", "grn", "history", "metrics"):
        monkeypatch.setattr(sr.pl, name, lambda *_, **__: None)


@pytest.fixture
def whole(_whole):
    return _whole.copy()


def without_images(page):
    return re.sub(r'src="data:image/[^"]*"', 'src=""', page.html)


def section(page, name):
    """Return the text of a section, without markup."""
    found = re.search(rf'<section id="{name}">(.*?)</section>', without_images(page), re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[1])))


def rows(page, name):
    """Return the rows of the tables of a section, as lists of cells."""
    found = re.search(rf'<section id="{name}">(.*?)</section>', without_images(page), re.DOTALL)
    return [
        [
            html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cell))).strip()
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)
    ]


def test_all_sections_are_there_and_in_the_contents(whole_page):
    assert re.findall(r'<section id="(\w+)">', whole_page.html) == SECTIONS
    assert re.findall(r'<a href="#(\w+)">', whole_page.html) == SECTIONS


def test_metrics_are_those_of_get(whole_page, whole):
    table = sr.get.metrics(whole, split="folds").query("model == 'joint'").set_index("metric")
    told = {row[0].split(" how")[0]: row for row in rows(whole_page, "performance") if row}
    auroc = table.loc["auroc"]
    assert told["AUROC"][1] == (f"{auroc['value']:.3f} {auroc['low']:.3f} to {auroc['high']:.3f}")
    assert told["AUROC"][2].endswith(str(auroc["best_null"]))
    assert told["AUROC"][3].split()[0] == number(auroc["difference"])
    # The verdict is the sign of the interval.
    above, below = auroc["difference_low"] > 0, auroc["difference_high"] < 0
    expected = "ahead" if above else "behind" if below else "not told apart"
    assert told["AUROC"][4] == expected
    assert f"AUROC {auroc['value']:.3f} on all labelled pairs" in section(whole_page, "summary")


def test_new_links_are_those_of_get_with_their_largest_terms(whole_page, whole):
    known = sr.get.grn(whole).query("in_prior")["source"].unique()
    new = sr.get.grn(whole, new_only=True)
    terms = sr.get.evidence(whole, links=new.head(5))
    table = [row for row in rows(whole_page, "links") if row]
    assert len(table) == 10
    lift, probable = table[:5], table[5:]
    assert [row[:2] for row in probable] == new.head(5)[["source", "target"]].to_numpy().tolist()
    assert [row[2] for row in probable] == [f"{value:.3f}" for value in new["weight"].head(5)]
    assert [row[3] for row in probable] == [f"{value:.3f}" for value in new["sd"].head(5)]
    names = [name for name in terms.columns[4:] if name != "baseline"]
    first = terms.loc[0, names].astype(float)
    largest = first.abs().idxmax()
    said = f"{largest.replace('_', ' ').replace('tf', 'TF')} {first[largest]:+.1f}"
    assert probable[0][-1].startswith(said.replace("-", "−"))
    # By lift: of TFs with known targets, in falling order.
    lifts = new.set_index(["source", "target"])["lift"]
    found = [lifts[tuple(row[:2])] for row in lift]
    assert found == sorted(found, reverse=True)
    assert {row[0] for row in lift} <= set(known)


def test_known_network_split_and_parameters(whole_page, whole):
    report = whole.uns["prior"]
    assert ["Links", f"{report['n_edges_given']:,}"] == rows(whole_page, "known")[1][:2]
    parts = {row[0]: row for row in rows(whole_page, "pairs") if row}
    pairs = whole.uns["grn"]["pairs"]
    for part in ("train", "validation", "test"):
        own = pairs[pairs["split"] == part]
        assert parts[part][1:3] == [f"{len(own):,}", f"{int(own['label'].sum()):,}"]
    audit = sr.bm.audit_split(whole, pairs, null_models=False).query("check != 'gene_not_in_data'")
    assert f"{len(audit)} checks" in section(whole_page, "pairs")
    text = section(whole_page, "parameters")
    assert "n_bootstrap 20" in text
    assert "n_trees 10" in text
    assert f"numpy {np.__version__}" in text


def test_activities_and_statistics(whole_page, whole):
    mean = whole.obsm["grn_ulm"][(whole.obs["half"] == "even").to_numpy()].mean()
    table = {row[0]: row for row in rows(whole_page, "activities") if row}
    for tf in mean.index[:3]:
        assert table[tf][1] == number(mean[tf], 1, fixed=True)
    degree = whole.var["grn_out_degree"]
    assert [degree.idxmax(), f"{int(degree.max())}"] == rows(whole_page, "network")[1][:2]


@pytest.mark.usefixtures("no_drawing")
def test_what_was_not_run_is_named_with_its_call(lifted_adata):
    page = sr.report(lifted_adata)
    assert "not run. Call sr.bm.controls(adata)" in section(page, "controls")
    assert "not run. Call sr.bm.stability(adata" in section(page, "controls")
    assert "not run. Call sr.tl.tf_activity(adata)" in section(page, "activities")
    assert "not run. Call sr.tl.network_stats(adata)" in section(page, "network")
    assert "Not run: controls and stability" in section(page, "summary")
    # The hand-made fit has a history, one model, and no comparison with null models.
    assert "40 epochs. Kept: epoch 23." in section(page, "training")
    assert "n_folds=1" in section(page, "summary")
    assert "no yardstick" in section(page, "summary")
    # Its model was not stored, so no term can be told.
    assert "not told" in section(page, "links")


def controls_like(adata, *, shift=0.0):
    """A table as sr.bm.controls returns it, of this fit or of another one."""
    value = sr.get.metrics(adata, split="folds").query("model == 'joint'").set_index("metric")
    full = float(value.loc["per_tf_auroc", "value"]) + shift
    return pd.DataFrame(
        {
            "auroc": [0.9, 0.8, 0.85],
            "per_tf_auroc": [full, full - 0.01, full - 0.2],
            "difference": [np.nan, 0.01, 0.2],
            "difference_low": [np.nan, -0.02, 0.1],
            "difference_high": [np.nan, 0.04, 0.3],
            "top_overlap": [1.0, 0.9, 0.2],
            "top_overlap_lift": [1.0, 0.8, np.nan],
        },
        index=["full", "shuffled cells", "degree"],
    )


@pytest.mark.usefixtures("no_drawing")
def test_controls_are_read_and_judged(whole):
    page = sr.report(whole, controls=controls_like(whole))
    table = {row[0].split("  ")[0]: row for row in rows(page, "controls") if row}
    assert table["degree"][2:4] == ["0.200 0.100 to 0.300", "ahead"]
    (shuffled,) = (row for name, row in table.items() if name.startswith("shuffled cells"))
    assert shuffled[3] == "not told apart"
    assert "that co-expression adds something is not shown" in section(page, "summary")
    assert "another fit" not in section(page, "controls")
    other = sr.report(whole, controls=controls_like(whole, shift=0.05))
    assert "These controls are about another fit" in section(other, "controls")


def test_page_loads_nothing_and_runs_nothing(whole_page):
    text = without_images(whole_page).replace("img-src data:", "")
    assert "<script" not in text.lower()
    assert not re.search(r"\son\w+=", text)
    assert re.findall(r"(?:src|url|@import)[=(\s]+[\"']?(\w+:)", text) == []
    assert "<link" not in text
    assert "default-src 'none'" in text
    # Addresses are those of papers, to be clicked.
    for address in re.findall(r'https?://[^"<\s]+', text):
        assert f'href="{address}"' in text
    images = re.findall(r"<img [^>]*>", whole_page.html)
    assert len(images) >= 3
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    assert all('src="data:image/' in image for image in images)


@pytest.mark.usefixtures("no_drawing")
def test_hostile_names_are_text(lifted_adata):
    names = lifted_adata.var_names.tolist()
    names[names.index("MYB")] = HOSTILE
    lifted_adata.var_names = names
    entry = lifted_adata.uns["grn"]
    entry["model"]["genes"] = names
    entry["pairs"] = entry["pairs"].replace({"MYB": HOSTILE})
    entry["params"]["layer"] = HOSTILE
    page = sr.report(lifted_adata, n_links=400, title=HOSTILE, note=HOSTILE)
    assert "<script" not in page.html
    assert "<img src=x" not in page.html
    assert page.html.count(html.escape(HOSTILE)) > 5
    assert HOSTILE not in page._repr_html_()


def test_only_markup_is_put_in_as_it_is():
    assert tag("p", "<b>", Html("<i>"), title='"') == '<p title="&quot;">&lt;b&gt;<i></p>'
    assert isinstance(join("a", Html("b")), Html)
    # What comes of markup by a method of str is plain text again.
    assert tag("p", Html("<i>").upper()) == "<p>&lt;I&gt;</p>"


@pytest.mark.parametrize(
    ("value", "digits", "told"),
    [(0.12345, 3, "0.123"), (-0.5, 2, "−0.50"), (np.nan, 3, "–"), (1234, 3, "1,234")]
    + [(2e-5, 3, "2e−5"), (0.0, 3, "0.000"), (pd.NA, 3, "–"), (-1e-9, 3, "−1e−9")],
)
def test_numbers(value, digits, told):
    assert number(value, digits) == told
    assert number(-0.0004, 2, fixed=True) == "0.00"


def test_nothing_is_changed_and_no_figure_stays(whole, contents):
    before, settings = contents(whole), dict(mpl.rcParams)
    plt.close("all")
    sr.report(whole, n_links=1)
    assert contents(whole) == before
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == settings


def test_same_fit_same_page(whole_page, whole):
    assert sr.report(whole, groupby="half", n_links=5).html == whole_page.html


@pytest.mark.usefixtures("no_drawing")
def test_groups(tmp_path, grouped_adata):
    adata = grouped_adata
    adata.obs["cell_type"] = ["B", "CD4+/T"] * 15
    page = sr.report(adata, tmp_path / "groups.html")
    assert "CD4+/T: q ≤ 0.2 in" in section(page, "summary")
    assert "CD4+/T 15" in section(page, "data")
    assert [row[0] for row in rows(page, "performance") if row][:2] == ["B", "CD4+/T"]
    assert "sr.tl.compare_grns(adata)" in section(page, "groups")
    one = sr.report(adata, group="CD4+/T")
    assert "group CD4+/T" in one.html
    assert "Groups" not in section(one, "summary")
    with pytest.raises(KeyError, match="group='NK'"):
        sr.report(adata, group="NK")


@pytest.mark.usefixtures("no_drawing")
def test_network_without_labels(adata):
    sr.tl.fit_grn(adata, method="pearson", show_progress_bar=False)
    page = sr.report(adata, n_links=3)
    assert "scores and no probabilities" in section(page, "summary")
    assert "no metrics" in section(page, "performance")
    first = sr.get.grn(adata, top_n=3)
    assert [row[:2] for row in rows(page, "links") if row] == (
        first[["source", "target"]].to_numpy().tolist()
    )
    assert not {"pairs", "controls", "calibration"} & set(
        re.findall(r'<section id="(\w+)">', page.html)
    )


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_mudata_and_symbols(lifted_adata):
    import mudata

    lifted_adata.var["symbol"] = [f"S-{name}" for name in lifted_adata.var_names]
    alone = sr.report(lifted_adata, gene_symbols="symbol")
    both = mudata.MuData({"cells": lifted_adata})
    both = sr.report(both, mod="cells", gene_symbols="symbol")
    assert alone.html == both.html
    assert "S-SPI1" in section(alone, "links")


@pytest.mark.usefixtures("no_drawing")
def test_labels_of_dropped_genes_are_no_fault(whole):
    genes = [*whole.var_names[whole.var["is_tf"]], *whole.var_names[-20:]]
    page = sr.report(whole[:, list(dict.fromkeys(genes))].copy(), n_links=1)
    assert "Check of the labelled pairs: 0 failed" in section(page, "summary")


@pytest.mark.usefixtures("no_drawing")
def test_file_is_written_whole_or_not_at_all(lifted_adata, tmp_path, monkeypatch):
    file = tmp_path / "report.html"
    page = sr.report(lifted_adata, file)
    assert file.read_text(encoding="utf-8") == page.html
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        ReportPage("other").save(file)
    monkeypatch.undo()
    assert file.read_text(encoding="utf-8") == page.html
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert repr(page).startswith("<report, ")
    assert "sandbox title" in page._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"path": 3}, TypeError, "path must be the path of a file"),
        ({"path": "absent/report.html"}, FileNotFoundError, "does not exist"),
        ({"path": "."}, ValueError, "is a folder"),
        ({"key": "other"}, KeyError, r"call sr\.tl\.fit_grn"),
        ({"group": "B"}, ValueError, "single network"),
        ({"groupby": "absent"}, KeyError, "not a column of adata.obs"),
        ({"n_links": 0}, ValueError, "n_links"),
        ({"gene_symbols": "absent"}, KeyError, "absent"),
        ({"controls": 3}, TypeError, "sr.bm.controls"),
        ({"controls": pd.DataFrame({"auroc": [1]})}, ValueError, "lacks the columns"),
        (
            {
                "controls": pd.DataFrame(
                    0.0,
                    index=["a"],
                    columns=["difference", "difference_low", "difference_high"],
                )
            },
            ValueError,
            "no row 'full'",
        ),
    ],
)
def test_errors_come_before_work(lifted_adata, monkeypatch, arguments, error, match):
    # The package has the function under the name of its module.
    module = sys.modules["scregnet._report.report"]
    monkeypatch.setattr(module, "SECTIONS", [lambda _: 1 / 0])
    with pytest.raises(error, match=match):
        sr.report(lifted_adata, **arguments)


@pytest.mark.usefixtures("no_drawing")
def test_says_nothing_twice(lifted_adata, caplog):
    """The check of the split is on the page, and not in the log as well."""
    with caplog.at_level(logging.INFO, logger="scregnet"):
        sr.report(lifted_adata)
    assert "audit_split" not in caplog.text


@pytest.mark.usefixtures("no_drawing")
def test_a_model_that_was_asked_about_pairs_is_cited(lifted_adata):
    assert "Transfer learning enables" not in section(sr.report(lifted_adata), "citing")
    lifted_adata.uns["grn"]["params"]["evidence"] = ["attention"]
    lifted_adata.uns["attention"] = {"made_by": {"model": "geneformer:V1-10M"}}
    assert "Transfer learning enables" in section(sr.report(lifted_adata), "citing")


def test_papers_are_those_of_the_documentation():
    bib = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    entries = dict(re.findall(r"@\w+\{(.*?),\n(.*?)\n\}", bib, re.DOTALL))
    for key, paper in PAPERS.items():
        entry = entries[key].replace("{", "").replace("}", "")
        assert f"title = {paper.title}," in entry
        assert f"year = {paper.year}," in entry
        if paper.link:
            assert paper.link.split("/", 3)[3].removeprefix("abs/") in entry
    cited = {method_class(name).citation for name in LINK_METHODS} - {""}
    assert cited <= set(PAPERS)


@pytest.mark.usefixtures("no_drawing")
def test_every_comparison_is_shown(whole):
    whole.obs["time"] = np.linspace(0, 1, whole.n_obs)
    whole.obs["donor"] = pd.Categorical([f"d{k % 6}" for k in range(whole.n_obs)])
    common = {"min_cells": 20, "n_permutations": 20, "show_progress_bar": False, "fdr": 1.0}
    sr.tl.compare_grns(whole, groupby="half", key_added="halves", **common)
    sr.tl.compare_grns(whole, along="time", n_bins=3, key_added="course", **common)
    donors = {"donor": "donor", "min_donor_cells": 4}
    sr.tl.compare_grns(whole, groupby="half", key_added="over_donors", **donors, **common)
    # One of another network is not about this one.
    other = {**whole.uns["halves"], "params": {**whole.uns["halves"]["params"], "key": "other"}}
    whole.uns["of_other"] = other
    page = sr.report(whole, n_links=2)
    text = section(page, "groups")
    for name in ("halves", "course", "over_donors"):
        assert f"From uns['{name}']" in text
        pairs = sr.get.comparison(whole, "pairs", key=name).iloc[0]
        told = [f"{pairs['group_a']} | {pairs['group_b']}", *map(str, pairs[["n_a", "n_b"]])]
        told += [f"{pairs['n_links']:,}", f"{pairs['n_changed']:,}", number(pairs["p"])]
        assert told in rows(page, "groups")
        for what, ends in (("links", ["source", "target"]), ("tfs", ["tf"])):
            frame = sr.get.comparison(whole, what, key=name, max_q=1)
            most = f"; the clearest {min(2, len(frame))}" if len(frame) > 2 else ""
            kind = what[:-1].replace("tf", "TF")
            assert f"{len(frame):,} {kind}s have q ≤ 1{most}" in text
            first = frame.iloc[0]
            assert [*first[ends], number(first["p"], 4)] in [
                [*row[: len(ends)], row[-2]] for row in rows(page, "groups") if len(row) > 2
            ]
    assert "of_other" not in text
    assert "by half, over donors" in text
    assert f"in 3 bins, first to last: {'; '.join(whole.uns['course']['params']['bins'])}." in text


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize(
    ("unsupported", "told", "aside"),
    [
        ("set_aside", "They were set aside : they are neither links nor non-links", True),
        ("drop", "They were dropped : they count as pairs without a known link", False),
        ("mark", "They were kept : they count as links", False),
    ],
)
def test_links_without_support_are_counted(adata, net, unsupported, told, aside):
    data = adata
    # Every third link has no motif in the peak of its gene.
    peaks = pd.DataFrame({"peak": [f"chr1:{k}-{k + 1}" for k in range(data.n_vars)]})
    peaks["gene"] = data.var_names
    motif = net[np.arange(len(net)) % 3 > 0]
    place = peaks.set_index("gene")["peak"]
    hits = pd.DataFrame(
        {"tf": motif["source"].astype(str), "peak": [place[g] for g in motif["target"]]}
    )
    sr.pp.chromatin(data, peaks, hits, n_components=2)
    sr.pp.prior(data, net, support="chromatin", unsupported=unsupported)
    sr.tl.fit_grn(data, method="degree", n_folds=1, show_progress_bar=False)
    page = sr.report(data)
    support = data.uns["prior"]["support"]
    n = support["n_without_support"]
    assert 0 < n <= len(net) / 3 + 1
    text = section(page, "known")
    assert f"{n} of the {data.uns['prior']['n_edges_matched']} links have no support" in text
    assert told in text
    assert f"Links with support {support['n_supported']}" in text
    assert (f"{n} set aside" in section(page, "summary")) is aside
    # The split knows the pairs, where the prior is gone.
    if aside:
        sr.pp.split(data)
        sr.tl.fit_grn(data, split="split", method="degree", n_folds=1, show_progress_bar=False)
        del data.uns["prior"]
        assert f"{n} pairs were set aside" in section(sr.report(data), "known")
