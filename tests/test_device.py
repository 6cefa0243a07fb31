from __future__ import annotations

import pytest
import torch

from scregnet._device import check_device_name, resolve_device
from scregnet._settings import settings


def test_named_device():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")


def test_none_takes_the_setting():
    with settings.override(device="cpu"):
        assert resolve_device(None) == torch.device("cpu")
    with (
        settings.override(device="cuda:99"),
        pytest.raises(ValueError, match="'cuda:99' is not there"),
    ):
        resolve_device(None)


def test_auto_falls_back_to_the_cpu_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with settings.override(verbosity="info"):
        assert resolve_device("auto") == torch.device("cpu")
    assert "device: cpu" in caplog.messages


def test_auto_prefers_cuda_then_mps(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto").type == "mps"


@pytest.mark.parametrize("device", ["gpu", "", "cpu:x", "meta", "cuda:-1", 3])
def test_unknown_device(device):
    with pytest.raises(ValueError, match="is not a device; use 'auto'|is not there"):
        resolve_device(device)


def test_absent_devices_raise(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cuda:0").index == 0
    with pytest.raises(ValueError, match=r"'cuda:1' is not there: torch sees 1 CUDA devices"):
        resolve_device("cuda:1")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'mps' is not there"):
        resolve_device("mps")


@pytest.mark.parametrize("device", ["nope", "CPU", "cuda:x", "cpu 0", ""])
def test_a_name_is_checked_where_torch_is_not_needed(device):
    with pytest.raises(ValueError, match="is not a device; use 'auto', 'cpu'"):
        check_device_name(device)


@pytest.mark.parametrize(
    "device", [None, "auto", "cpu", "cuda", "cuda:7", "mps", torch.device("cpu")]
)
def test_devices_that_may_be_absent_are_names(device):
    check_device_name(device)
