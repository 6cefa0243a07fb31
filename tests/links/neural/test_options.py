"""Names and checks of hyper-parameters, without torch."""

import subprocess
import sys

import pytest

from scregnet.links import get_method
from scregnet.links.neural import options
from scregnet.links.neural.options import Fusion, Training, layer_sizes


@pytest.mark.parametrize("name", ["scregnet", "sctransnet"])
def test_a_method_is_made_and_checked_without_torch(name):
    probe = f"""
import sys
from scregnet.links import get_method

get_method({name!r}, optimizer="sgd", fusion="cross_attention")
try:
    get_method({name!r}, optimizer="lion")
except ValueError as error:
    print(error)
print([module for module in ("torch", "torch_geometric", "sklearn") if module in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    message, loaded = done.stdout.splitlines()
    assert message.startswith("optimizer='lion' is not known; valid values: 'adam'")
    assert loaded == "[]"


def test_every_name_has_its_class():
    from scregnet.links.neural.gnns import CONVOLUTIONS
    from scregnet.links.neural.training import OPTIMIZER_CLASSES

    assert (*CONVOLUTIONS, "gat") == options.GNNS
    assert tuple(OPTIMIZER_CLASSES) == options.OPTIMIZERS


@pytest.mark.parametrize("name", ["scregnet", "sctransnet"])
def test_options_are_read_from_a_method(name):
    method = get_method(name, learning_rate=0.5, batch_size=7, fusion_heads=3, dropout=0.1)
    training, fusion = Training.of(method), Fusion.of(method)
    assert training == Training(
        "adam", 0.5, method.weight_decay, 7, method.max_epochs, method.patience
    )
    assert fusion == Fusion("concat", 128, 4, 3, 1, 0.1)


def test_sizes_become_a_tuple_of_integers():
    assert layer_sizes("dims", [3, 5]) == (3, 5)
    assert layer_sizes("dims", (size for size in (2, 1))) == (2, 1)
    assert layer_sizes("dims", ()) == ()
    for wrong in (3, "35"):
        with pytest.raises(TypeError, match="dims must be a sequence of integers, one a layer"):
            layer_sizes("dims", wrong)
    with pytest.raises(ValueError, match=r"dims\[1\] must be at least 1, got 0"):
        layer_sizes("dims", (3, 0))
    with pytest.raises(TypeError, match=r"dims\[0\] must be an integer, got 1.5"):
        layer_sizes("dims", (1.5,))
