"""Stages of a call: their bars, and what is logged of them."""

from scregnet._progress import announce, stage, stages


def test_stages_are_named_and_logged_under_the_title_of_their_call(caplog):
    caplog.set_level("INFO", logger="scregnet")
    with stages("grn", show=False), stage("folds", 3) as tick:
        tick()
    assert [record.message.split(" took ")[0] for record in caplog.records] == ["grn: folds"]


def test_a_stage_outside_of_a_call_says_nothing(caplog):
    caplog.set_level("INFO", logger="scregnet")
    with stage("folds", 3) as tick:
        tick()
    assert not caplog.records


def test_a_stage_shows_its_bar_if_the_call_does(capsys, monkeypatch):
    monkeypatch.setattr("scregnet._progress._DELAY", 0)
    with stages("grn", show=True), stage("folds", 2) as tick:
        tick()
        tick()
    assert "grn: folds:   0%" in capsys.readouterr().err
    with stages("grn", show=True), stage("everything", 0):
        pass
    assert not capsys.readouterr().err


def test_a_rough_time_is_logged_and_stands_in_the_titles_to_come(capsys, caplog, monkeypatch):
    monkeypatch.setattr("scregnet._progress._DELAY", 0)
    caplog.set_level("INFO", logger="scregnet")
    with stages("grn", show=True):
        announce(230)
        with stage("folds", 2):
            pass
    assert caplog.messages[0] == "grn: takes about 4 minutes on an ordinary CPU"
    assert caplog.messages[1].startswith("grn: folds took")
    assert "grn (about 4 minutes): folds" in capsys.readouterr().err
    announce(60)
    assert len(caplog.messages) == 2
