from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scregnet._logging import logger
from scregnet._settings import Settings, settings


@pytest.fixture(autouse=True)
def _logger_as_it_was():
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


def test_defaults():
    fresh = Settings()
    assert (fresh.verbosity, fresh.device, fresh.n_jobs, fresh.progress_bar) == (
        "warning",
        "auto",
        -1,
        True,
    )
    assert isinstance(fresh.cache_dir, Path)


@pytest.mark.parametrize(
    "name, value, error",
    [
        ("verbosity", "loud", ValueError),
        ("verbosity", 5, ValueError),
        ("verbosity", -1, ValueError),
        ("verbosity", True, ValueError),
        ("verbosity", 2.0, ValueError),
        ("n_jobs", 0, ValueError),
        ("n_jobs", 1.5, TypeError),
        ("progress_bar", "no", TypeError),
        ("verbose", True, AttributeError),
    ],
)
def test_bad_values_are_refused_and_change_nothing(name, value, error):
    fresh = Settings()
    before = dict(vars(fresh))
    with pytest.raises(error, match=name):
        setattr(fresh, name, value)
    assert vars(fresh) == before


def test_cache_dir_becomes_a_path():
    fresh = Settings()
    fresh.cache_dir = "~/somewhere"
    assert fresh.cache_dir == Path.home() / "somewhere"


def test_override_puts_back_also_after_an_error():
    fresh = Settings()
    with fresh.override(device="cpu", n_jobs=2) as inside:
        assert inside is fresh
        assert (fresh.device, fresh.n_jobs) == ("cpu", 2)
    assert (fresh.device, fresh.n_jobs) == ("auto", -1)
    with pytest.raises(KeyError), fresh.override(device="cpu"):
        raise KeyError
    assert fresh.device == "auto"
    with pytest.raises(ValueError, match="n_jobs"), fresh.override(device="cpu", n_jobs=0):
        pytest.fail("the block must not run")
    assert fresh.device == "auto"
    with pytest.raises(AttributeError, match="'colour'"), fresh.override(colour="red"):
        pytest.fail("the block must not run")


def test_verbosity_takes_scanpys_names_and_numbers():
    from scanpy import Verbosity

    fresh = Settings()
    names = ["error", "warning", "info", "info", "debug"]
    assert [level.name for level in Verbosity] == ["error", "warning", "info", "hint", "debug"]
    for level, name in zip(Verbosity, names, strict=True):
        for given in (level, int(level), level.name, np.int64(level)):
            fresh.verbosity = given
            assert fresh.verbosity == name
            assert logger.level == getattr(logging, name.upper())


def test_verbosity_reaches_the_logger_and_other_handlers(caplog):
    with settings.override(verbosity="info"):
        logger.info("heard")
        logger.debug("not heard")
    logger.info("no longer heard")
    assert caplog.messages == ["heard"]


def test_verbosity_attaches_one_handler_only():
    before, root = len(logger.handlers), list(logging.getLogger().handlers)
    for _ in range(3):
        with settings.override(verbosity="debug"):
            pass
    assert len(logger.handlers) <= before + 1
    assert logging.getLogger().handlers == root


_SCRIPT = """
import logging
from scregnet._logging import logger
from scregnet._settings import settings
{first}
logger.warning("a warning")
logger.info("a piece of news")
"""


@pytest.mark.parametrize(
    "first, printed",
    [
        ("", ["a warning"]),
        ("settings.verbosity = 'warning'", ["a warning"]),
        ("settings.verbosity = 'info'", ["a warning", "a piece of news"]),
        ("settings.verbosity = 'error'", []),
        (
            "settings.verbosity = 'info'\nlogging.basicConfig(format='app: %(message)s')",
            ["app: a warning", "app: a piece of news"],
        ),
    ],
)
def test_what_a_session_prints(first, printed):
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(first=first)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stderr.splitlines() == printed
    assert run.stdout == ""


def run_python(code, **environment):
    import os
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_user_without_a_home_gets_a_temporary_cache():
    found = run_python(
        "import os, pwd\n"
        "os.environ.pop('HOME', None)\n"
        "def unknown(uid): raise KeyError('uid not found')\n"
        "pwd.getpwuid = unknown\n"
        "import tempfile, scregnet as sr\n"
        "print(sr.settings.cache_dir.parent == __import__('pathlib').Path(tempfile.gettempdir()))"
    )
    assert found == "True"


@pytest.mark.parametrize("closed", ["stderr", "stdout"])
def test_a_program_without_a_console_can_fit(closed):
    found = run_python(
        "import sys, os\n"
        f"out, sys.{closed} = sys.stdout, None\n"
        "import scregnet as sr\n"
        "sr.settings.verbosity = 'debug'\n"
        "adata = sr.datasets.simulated(n_obs=100, n_vars=100)\n"
        "sr.tl.embed(adata, model='svd', n_components=4)\n"
        "sr.tl.fit_grn(adata, adata.uns['network'], method='degree', n_bootstrap=0)\n"
        "print(adata.varp['grn'].nnz > 0, file=out)"
    )
    assert found == "True"


def test_an_ascii_locale_changes_nothing():
    found = run_python(
        "import scregnet as sr\n"
        "adata = sr.datasets.simulated(n_obs=100, n_vars=100)\n"
        "names = adata.var_names.to_series()\n"
        "names.iloc[0] = '\\u03b2-G'\n"
        "adata.var_names = names\n"
        "sr.tl.embed(adata, model='svd', n_components=4)\n"
        "print(adata.varm['svd'].shape)",
        LANG="C",
        LC_ALL="C",
        PYTHONUTF8="0",
    )
    assert found == "(100, 4)"
