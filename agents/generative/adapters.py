"""Adapters: low-rank updates of the decoder's attention (LoRA: Hu et al., 2022, ICLR), by the library peft.

Stage (a) trains the base. Stages (b) and (c) train the adapter and the heads, which are a file of their own; it
names its base by digest, and is refused beside another one.
"""

from pathlib import Path
from typing import Any

from torch import nn

from agents.generative.decoder import Decoder
from agents.saved import check_arrays
from agents.torch_utils import put_weights, weights_of
from recgym import storage
from recgym.checks import quoted

SCHEMA = "recgym.adapter/1"
HEADS = ("event_head.", "value_head.", "continuation.")
TUNED = (*HEADS, "tastes.")  # with tune="heads"


def add_adapter(model: Decoder, rank: int) -> None:
    """Low-rank matrices beside the attention's projections; they change nothing before they are trained."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError(
            "lora_rank needs the extra 'generative': pip install 'recgym[generative]'"
        ) from error
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["c_attn"], fan_in_fan_out=True)
    inject_adapter_in_model(config, model.network)
    train_part(model, adapter=False)


def is_of_adapter(name: str) -> bool:
    """Whether a weight belongs to the adapter's file."""
    return ".lora_" in name or name.startswith(HEADS)


def train_part(model: Decoder, *, adapter: bool) -> None:
    """Let the adapter and the heads be trained, else the base and the heads."""
    for name, weight in model.named_parameters():
        is_base = not is_of_adapter(name)
        weight.requires_grad_(name.startswith(HEADS) or is_base != adapter)


def train_heads(model: Decoder) -> None:
    """Let the heads and tastes alone be trained, of those that may be."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(weight.requires_grad and name.startswith(TUNED))


def share_of(model: nn.Module) -> float:
    """Share of the weights that are trained."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    return sum(size for size, is_trained in sizes if is_trained) / sum(size for size, _ in sizes)


def write_adapter(folder: Path, model: Decoder) -> None:
    """Write adapter.safetensors and adapter.json beside the base's agent.safetensors."""
    weights = {name: value for name, value in weights_of(model).items() if is_of_adapter(name)}
    storage.write_arrays(folder / "adapter.safetensors", weights)
    digests = {
        name: storage.file_sha256(folder / f"{file}.safetensors")
        for name, file in (("base", "agent"), ("adapter", "adapter"))
    }
    storage.write_json(folder / "adapter.json", {"schema": SCHEMA, **digests})


def read_adapter(folder: Path, model: Decoder) -> None:
    """Read what `write_adapter` wrote; ValueError for an adapter of another base, or a changed one."""
    stored = storage.Stored(folder, "saved agent")
    about: dict[str, Any] = stored.json("adapter.json", {"schema": str, "base": str, "adapter": str})
    place = Path(folder) / "adapter.json"
    if about["schema"] != SCHEMA:
        raise ValueError(f"{place}: schema is {quoted(about['schema'])}, expected {SCHEMA!r}")
    for name, file in (("base", "agent"), ("adapter", "adapter")):
        found = storage.file_sha256(Path(folder) / f"{file}.safetensors")
        if about[name] != found:
            raise ValueError(
                f"{place}: the adapter is for the {name} {about[name][:12]}, {file}.safetensors is {found[:12]}"
            )
    arrays = stored.arrays("adapter.safetensors")
    own = {name: value for name, value in weights_of(model).items() if is_of_adapter(name)}
    with storage.refusing(folder):
        check_arrays("saved adapter", own, arrays)
        put_weights(model, {**weights_of(model), **arrays})
