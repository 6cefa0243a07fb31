"""What ``import scregnet`` loads, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    "decoupler",
    "lightgbm",
    "matplotlib.pyplot",
    "mudata",
    "networkx",
    "numba",
    "optuna",
    "rdata",
    "scanpy",
    "sklearn",
    "torch",
    "torch_geometric",
    "transformers",
)

PROBE = """
import json, logging, random, sys, warnings

import anndata, scipy.stats  # allowed, and not ours: what they change by themselves is not counted
import numpy as np

root = logging.getLogger()
filters, handlers, level = list(warnings.filters), list(root.handlers), root.level
seeds = random.getstate(), np.random.get_state()[1].tolist()
import scregnet

print(json.dumps({
    "modules": sorted(set(sys.modules)),
    "filters": warnings.filters == filters,
    "logging": (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level),
    "seeds": (random.getstate(), np.random.get_state()[1].tolist()) == seeds,
}))
"""


def probe() -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_import_is_light_and_has_no_side_effects():
    found = probe()
    assert "scregnet.tl" in found["modules"]
    loaded = [name for name in HEAVY if name in found["modules"]]
    assert loaded == []
    assert found["filters"], "import scregnet changes the warning filters"
    assert found["logging"], "import scregnet changes the root logger"
    assert found["seeds"], "import scregnet draws from or seeds a global generator"
