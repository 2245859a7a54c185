"""One rule for the devices of agents and fits."""

import pandas as pd
import pytest
import torch
from refusals import refused
from zoo_cases import ENV, NAMES, SETTINGS, env_for, one_line

from agents import Problem, agent_class, make_agent
from recgym.device import DEVICES, resolve
from recgym.fit import fit
from recgym.logs import Log


@pytest.mark.parametrize("name", NAMES)
def test_a_device_is_used_or_refused(name):
    params = SETTINGS[name]
    assert make_agent(name, Problem.of(env_for(name, params)), device="auto", **params).device == resolve(
        "auto", agent_class(name).devices
    )
    agent = make_agent(name, Problem.of(env_for(name, params)), device="cpu:0", **params)
    assert agent.device == "cpu"
    absent = [each for each in ("cuda", "cuda:99", "mps") if not there(each)]
    assert "cuda:99" in absent
    for device in (*absent, "tpu", "", None, "cuda:x", "cpu:1"):
        with pytest.raises(ValueError, match=r"device (is )?('|None)") as error:
            make_agent(name, Problem.of(env_for(name, params)), device=device, **params)
        assert one_line(error)
    if agent_class(name).devices == ("cpu",):
        with pytest.raises(ValueError, match=f"device is 'cuda', agent {name} can use only 'auto', 'cpu'"):
            make_agent(name, Problem.of(env_for(name, params)), device="cuda", **params)


def there(device):
    kind, _, number = device.partition(":")
    return (
        torch.cuda.device_count() > int(number or 0) if kind == "cuda" else torch.backends.mps.is_available()
    )


def test_one_rule_for_devices():
    assert DEVICES == ("auto", "cpu", "cuda", "mps")
    assert resolve("auto", ("cpu",)) == resolve("cpu") == resolve(torch.device("cpu")) == "cpu"
    assert resolve("cpu:0") == resolve(torch.device("cpu", 0)) == "cpu"
    named = "allowed: 'auto', 'cpu', 'cuda', 'mps', or one of several GPUs as 'cuda:1'"
    for name in ("cuda:x", "cuda:", "cuda:-1", "cuda:\uff11", "auto:0", "gpu", 0):
        with pytest.raises(ValueError, match=f"device is {name!r}, {named}"):
            resolve(name)
    with pytest.raises(ValueError, match="device is 'mps', fitting can use only 'auto', 'cpu', 'cuda'"):
        fit(
            Log.from_pandas(pd.DataFrame({"user": ["a"], "item": ["b"]}), domain="ecommerce"),
            name="x",
            device="mps",
        )
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device 'cuda' is not available here; use 'auto' or 'cpu'"):
            resolve("cuda")


def test_the_command_line_refuses_devices_before_it_begins(run, tmp_path):
    log = tmp_path / "none.csv"
    refused(
        run("fit", log, "--out", tmp_path / "w", "--device", "mps"),
        "recgym fit can use only 'auto', 'cpu', 'cuda'",
    )
    refused(run("fit", log, "--out", tmp_path / "w", "--device", "tpu"), "device is 'tpu', allowed: 'auto'")
    train = ("train", "ucb1", ENV, "--out", tmp_path / "a", "--device")
    if not torch.cuda.is_available():
        refused(run(*train, "cuda"), "'cuda' is not available here")
        refused(run("fit", log, "--out", tmp_path / "w", "--device", "cuda"), "'cuda' is not available here")
    assert not any(tmp_path.iterdir())


def test_a_gpu_is_refused_by_agents_that_run_on_the_cpu(monkeypatch):
    monkeypatch.setattr("recgym.device._count", lambda kind: 1)
    with pytest.raises(ValueError, match="device is 'cuda', agent ucb1 can use only 'auto', 'cpu'"):
        make_agent("ucb1", Problem.of(env_for("ucb1", {})), device="cuda")
    assert make_agent("ucb1", Problem.of(env_for("ucb1", {})), device="auto").device == "cpu"
    assert resolve("auto") == "cuda"
    assert resolve("auto", ("cpu", "mps")) == "mps"
