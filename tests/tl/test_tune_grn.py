import gc
import sqlite3

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData

import scregnet as sr
from scregnet.links.methods.scregnet.method import ScRegNet

optuna = pytest.importorskip("optuna")

SMALL = {
    "method": "scregnet",
    "space": {
        "learning_rate": (1e-3, 1e-1, "log"),
        "optimizer": ["adam", "sgd"],
        "gnn_dims": [(8,), (4, 4)],
        "dropout": (0.1, 0.6),
    },
    "mlp_dims": (8,),
    "max_epochs": 8,
    "device": "cpu",
    "show_progress_bar": False,
}


def tune(adata, net=None, **changes):
    sr.tl.tune_grn(adata, net, **{**SMALL, "n_trials": 6, **changes})
    return adata.uns["tune"]


def without_time(entry):
    return entry["trials"].drop(columns="seconds")


@pytest.fixture(scope="module")
def _pairs(_simulated):
    data = _simulated.copy()
    sr.tl.fit_grn(data, data.uns["network"], "degree", n_folds=1, n_bootstrap=0)
    return data.uns["grn"]["pairs"][["source", "target", "label", "split"]]


@pytest.fixture
def pairs(_pairs):
    return _pairs.copy()


@pytest.fixture(scope="module")
def _tuned(_simulated, _pairs):
    data = _simulated.copy()
    tune(data, split=_pairs.copy())
    return data


@pytest.fixture
def tuned(_tuned):
    return _tuned.copy()


def test_the_trials_and_the_best_of_them(tuned):
    entry = tuned.uns["tune"]
    trials = entry["trials"]
    assert list(trials.columns[:7]) == [
        "number",
        "state",
        "validation_auroc",
        "validation_auprc",
        "n_epochs",
        "seconds",
        "failure",
    ]
    assert list(trials.columns[7:]) == list(SMALL["space"])
    assert trials["number"].tolist() == list(range(6))
    assert set(trials["state"]) == {"complete", "pruned"}
    assert trials["learning_rate"].between(1e-3, 1e-1).all()
    assert set(trials["gnn_dims"]) <= {"8", "4, 4"}
    complete = trials[trials["state"] == "complete"]
    assert entry["value"] == (complete["validation_auroc"] + complete["validation_auprc"]).max()
    best = trials.iloc[int(entry["best_trial"])]
    assert entry["best"]["learning_rate"] == best["learning_rate"]
    assert (trials.loc[trials["state"] == "pruned", "n_epochs"] < 8).all()


@pytest.mark.parametrize("pass_through_a_file", [False, True])
def test_a_fit_with_what_was_found_repeats_the_best_trial(
    adata, net, tmp_path, pass_through_a_file
):
    sr.pp.split(adata, net, kind="targets")
    entry = tune(adata, net, n_trials=3, split="split")
    if pass_through_a_file:
        adata.write_h5ad(tmp_path / "a.h5ad")
        adata = ad.read_h5ad(tmp_path / "a.h5ad")
    keywords = sr.get.tuned(adata)
    assert keywords["method"] == "scregnet"
    assert keywords["split"] == "split"
    assert keywords["mlp_dims"] == (8,)
    sr.tl.fit_grn(adata, net, **keywords, device="cpu", show_progress_bar=False, n_bootstrap=0)
    history = adata.uns["grn"]["history"]
    assert (history["validation_auroc"] + history["validation_auprc"]).max() == entry["value"]


def test_labels_of_test_pairs_change_nothing(adata, tuned, pairs):
    is_test = pairs["split"] == "test"
    flipped = pairs.assign(label=np.where(is_test, 1 - pairs["label"], pairs["label"]))
    entry = tune(adata, split=flipped)
    pd.testing.assert_frame_equal(
        without_time(entry), without_time(tuned.uns["tune"]), check_exact=True
    )
    assert sr.get.tuned(adata) == sr.get.tuned(tuned)


def test_labels_of_validation_pairs_do_matter(adata, tuned, pairs):
    rng = np.random.default_rng(0)
    here = (pairs["split"] == "validation").to_numpy()
    labels = pairs["label"].to_numpy().copy()
    labels[here] = rng.permutation(labels[here])
    entry = tune(adata, split=pairs.assign(label=labels))
    assert not without_time(entry)["validation_auroc"].equals(
        tuned.uns["tune"]["trials"]["validation_auroc"]
    )


@pytest.mark.parametrize("name", ["study.log", "study.db"])
def test_killed_and_started_again_is_the_same_search(
    adata, tuned, pairs, tmp_path, monkeypatch, name
):
    fit = ScRegNet.fit
    fits = []

    def fail_in_the_fourth(self, task, *, progress, **how):
        fits.append(self)

        def watch(epoch, row):
            progress(epoch, row)
            if len(fits) == 4 and epoch == 0:
                raise KeyboardInterrupt

        return fit(self, task, progress=watch, **how)

    monkeypatch.setattr(ScRegNet, "fit", fail_in_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        tune(adata, split=pairs, storage=tmp_path / name)
    assert "tune" not in adata.uns
    entry = tune(adata, split=pairs, storage=str(tmp_path / name))
    # Three were there, the fourth is fitted again.
    assert len(fits) == 4 + 3
    pd.testing.assert_frame_equal(
        without_time(entry), without_time(tuned.uns["tune"]), check_exact=True
    )
    entry = tune(adata, split=pairs, storage=tmp_path / name)
    assert len(fits) == 7, "nothing is left to do"
    pd.testing.assert_frame_equal(
        without_time(entry), without_time(tuned.uns["tune"]), check_exact=True
    )


def open_connections():
    """Connections to databases that nobody has closed; by type, as proxies answer for others."""
    found = [one for one in gc.get_objects() if issubclass(type(one), sqlite3.Connection)]
    return {id(one) for one in found if is_open(one)}


def is_open(connection):
    try:
        connection.execute("select 1")
    except sqlite3.ProgrammingError:
        return False
    return True


@pytest.mark.parametrize("refused", [False, True])
def test_no_connection_to_a_database_stays_open(adata, pairs, tmp_path, refused):
    """Python 3.13 warns of one, and Windows does not let the file go. Nor after a refusal."""
    call = {"method": "degree", "storage": tmp_path / "a.db", "show_progress_bar": False}
    before = open_connections()
    sr.tl.tune_grn(adata, split=pairs, n_trials=1, **call)
    if refused:
        flipped = pairs.assign(label=1 - pairs["label"])
        with pytest.raises(ValueError, match="storage holds a study"):
            sr.tl.tune_grn(adata, split=flipped, n_trials=2, **call)
    assert open_connections() <= before
    # It is a database that was written.
    assert (tmp_path / "a.db").read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text.db", r"storage='.*text\.db' is no SQLite database; name another file"),
        ("cut.db", r"storage: the database could not be opened \(.*\)"),
        (
            "nosuch://user:secret@host/base",
            r"storage: the database could not be opened \(Can't load",
        ),
    ],
)
def test_what_is_no_database_is_refused(adata, pairs, tmp_path, name, message):
    (tmp_path / "text.db").write_text("not a database " * 100)
    # The right beginning, and nothing that follows from it.
    (tmp_path / "cut.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 2000)
    storage = name if "://" in name else tmp_path / name
    with pytest.raises(ValueError, match=message) as caught:
        sr.tl.tune_grn(adata, split=pairs, method="degree", n_trials=1, storage=storage)
    assert "secret" not in str(caught.value)
    assert "tune" not in adata.uns


def test_a_stored_search_of_something_else_is_refused(adata, pairs, tmp_path):
    call = {
        "method": "degree",
        "n_trials": 1,
        "storage": tmp_path / "a.log",
        "show_progress_bar": False,
    }
    sr.tl.tune_grn(adata, split=pairs, **call)
    flipped = pairs.assign(
        label=np.where(pairs["split"] == "test", 1 - pairs["label"], pairs["label"])
    )
    sr.tl.tune_grn(adata, split=flipped, **call)
    changed = pairs.copy()
    changed.loc[changed.index[0], "label"] = 1 - changed["label"].iloc[0]
    others = [{"split": changed}, {"random_state": 1}, {"space": {"pseudo_count": [1.0, 2.0]}}]
    for other in others:
        with pytest.raises(ValueError, match="holds a study 'scregnet_degree' of another problem"):
            sr.tl.tune_grn(adata, **{"split": pairs, **call, **other})
    sr.tl.tune_grn(adata, split=changed, **call, study_name="another")


def test_failed_fits_are_recorded(adata, net, monkeypatch):
    fit = ScRegNet.fit

    def collapse_with_sgd(self, task, **how):
        if self.optimizer == "sgd":
            raise RuntimeError("training collapsed")
        return fit(self, task, **how)

    monkeypatch.setattr(ScRegNet, "fit", collapse_with_sgd)
    trials = tune(adata, net)["trials"]
    failed = trials[trials["optimizer"] == "sgd"]
    assert len(failed) > 0
    assert set(failed["state"]) == {"failed"}
    assert set(failed["failure"]) == {"training collapsed"}
    assert failed["validation_auroc"].isna().all()
    assert adata.uns["tune"]["best"]["optimizer"] == "adam"
    with pytest.raises(RuntimeError, match="none of 2 trials was completed.* training collapsed"):
        tune(adata, net, n_trials=2, space={"dropout": (0.1, 0.2)}, optimizer="sgd")


def test_the_search_finds_what_is_better(adata, net):
    # Shrunk by this much all rates are equal, and only one choice tells pairs apart.
    space = {"pseudo_count": [1e12, 2e12, 3e12, 3.0]}
    sr.tl.tune_grn(adata, net, "degree", n_trials=12, space=space, show_progress_bar=False)
    trials = adata.uns["tune"]["trials"]
    assert sr.get.tuned(adata)["pseudo_count"] == 3.0
    assert set(trials["pseudo_count"]) == set(space["pseudo_count"])
    best = trials[trials["pseudo_count"] == 3.0]
    assert len(best) > 3, "what is better is proposed again"
    assert best["validation_auroc"].nunique() == 1


def test_method_without_epochs_and_copy_and_key(adata, net):
    result = sr.tl.tune_grn(
        adata,
        net,
        "degree",
        n_trials=3,
        key_added="search",
        copy=True,
        random_state=4,
        show_progress_bar=False,
    )
    assert "search" not in adata.uns
    assert set(result.uns["search"]["trials"]["state"]) == {"complete"}
    keywords = sr.get.tuned(result, key="search")
    assert keywords["random_state"] == 4
    assert 0.1 <= keywords["pseudo_count"] <= 100
    assert "embedding" in keywords


def test_what_is_no_search_is_not_overwritten(adata, net):
    adata.uns["tune"] = {"mine": 1}
    with pytest.raises(ValueError, match=r"key_added='tune' is taken: adata.uns\['tune'\]"):
        # Before the work: the number of trials is not read.
        sr.tl.tune_grn(adata, net, "degree", n_trials=0)
    assert adata.uns["tune"] == {"mine": 1}
    del adata.uns["tune"]
    for _ in range(2):
        sr.tl.tune_grn(adata, net, "degree", n_trials=1, show_progress_bar=False)
    assert len(adata.uns["tune"]["trials"]) == 1


def test_the_embedding_is_named(adata, net):
    sr.tl.embed(adata, model="svd", n_components=4, show_progress_bar=False)
    tune(adata, net, n_trials=1)
    assert sr.get.tuned(adata)["embedding"] == "svd"
    tune(adata, net, n_trials=1, embedding=None)
    assert sr.get.tuned(adata)["embedding"] is None


def test_timeout_ends_the_search(adata, net, monkeypatch):
    import scregnet.links.search.tuning as module

    now = iter(range(1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    # Each trial reads the clock four times here: once before it, twice around the fit, and so on.
    entry = tune(adata, net, timeout=5)
    assert 1 <= len(entry["trials"]) < 6


def test_optunas_own_log_is_as_before(adata, net, capfd):
    level = optuna.logging.get_verbosity()
    sr.tl.tune_grn(adata, net, "degree", n_trials=1, show_progress_bar=False)
    assert optuna.logging.get_verbosity() == level
    assert capfd.readouterr().err == ""


def test_wrong_calls(adata, net, tmp_path):
    with pytest.raises(TypeError, match="'droput' is not a parameter of method='scregnet'"):
        tune(adata, net, droput=0.1)
    with pytest.raises(ValueError, match="n_trials must be at least 1"):
        tune(adata, net, n_trials=0)
    with pytest.raises(ValueError, match="timeout must lie in"):
        tune(adata, net, timeout=0)
    with pytest.raises(FileNotFoundError, match="storage: the folder"):
        tune(adata, net, storage=tmp_path / "absent" / "a.log")
    with pytest.raises(KeyError, match=r"adata.uns\['tune'\] is not there: call sr.tl.tune_grn"):
        sr.get.tuned(adata)
    adata.uns["x"] = 1
    with pytest.raises(
        KeyError, match=r"is not a search: call sr.tl.tune_grn\(adata, prior, key_added='x'\)"
    ):
        sr.get.tuned(adata, key="x")


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning")
def test_mudata(adata, net):
    mdata = MuData({"gex": adata})
    sr.tl.tune_grn(mdata, net, "degree", n_trials=1, mod="gex", show_progress_bar=False)
    assert sr.get.tuned(mdata, mod="gex")["method"] == "degree"
