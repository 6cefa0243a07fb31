"""A call that is killed and run again gives what an undisturbed one gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed.py")
N_KILLS = int(os.environ.get("SCREGNET_KILLS", "30"))


def kill(job, kills, seed=0):
    command = [sys.executable, str(SCRIPT), job, "--kills", str(kills), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("job", ["embed", "tune_grn"])
def test_a_call_that_is_killed_once_and_run_again(job):
    pytest.importorskip("optuna")
    counts = kill(job, 1)
    assert counts["kills"] == 1
    assert counts["different"] == 0


@pytest.mark.fuzz
@pytest.mark.parametrize("job", ["embed", "finetune", "tune_grn", "fit_grn"])
def test_a_call_that_is_killed_at_many_moments(job):
    counts = kill(job, N_KILLS, seed=1)
    assert counts["kills"] == N_KILLS
    assert counts["hit"] > N_KILLS // 3
    assert counts["different"] == 0
