"""Copies between host and device, counted where there is no GPU by a fake device."""

import os
import subprocess
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def run_alone(file, case):
    """Run a case of a test file in a process of its own, for a fake device cannot be taken back."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # helpers of tests/
    done = subprocess.run(
        [sys.executable, file, str(case)], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr


class Copies(TorchDispatchMode):
    """Counts the copies between host and device; AssertionError for an operation that mixes them."""

    def __init__(self, device):
        super().__init__()
        self.device, self.up, self.down = device, 0, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        before, after = kinds_of((args, kwargs)), kinds_of(out)
        name = str(operation)
        if "copy" in name and len(before | after) > 1:
            self.up += after == {self.device}
            self.down += after == {"cpu"}
        elif len(kinds_of((args, kwargs), least=1)) > 1:  # a number of the host may join in
            raise AssertionError(f"{name} mixes devices")
        return out


def kinds_of(values, least=0):
    """Device types of the tensors of at least so many dimensions."""
    tensors = [each for each in tree_leaves(values) if isinstance(each, torch.Tensor)]
    return {each.device.type for each in tensors if each.ndim >= least}
