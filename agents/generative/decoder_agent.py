"""Base class of the agents with a decoder: semantic IDs, the stages on a log, beams, saving; without an online stage.

Axes: B sessions, K slate positions, N items.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.base import BaseAgent
from agents.deep.states import States, to_states
from agents.explain import named
from agents.generative.adapters import (
    add_adapter,
    is_of_adapter,
    read_adapter,
    train_part,
    write_adapter,
)
from agents.generative.beams import Found, search
from agents.generative.by_length import by_length, states_at
from agents.generative.decisions import Decisions, of_log
from agents.generative.decoder import Decoder, Inputs
from agents.generative.decoder_params import DecoderParams
from agents.generative.decoder_shares import input_shares, mean_tokens, place_names
from agents.generative.objectives import Read, imitation_loss, outcome_loss, read_decisions, scaled_rewards
from agents.generative.offline_stages import fit_stage
from agents.generative.open_codes import OpenCodes, Room
from agents.generative.prefix_trie import PrefixTrie
from agents.generative.semantic_ids import item_vectors, semantic_ids, sizes_for
from agents.generative.tastes import Tastes
from agents.generative.transfer import taken_over
from agents.interface import Actions, Figures, Masks, Report
from agents.log_histories import Histories, read_histories
from agents.problem import Problem
from agents.saved import read_about
from agents.slates import check_mask
from agents.torch_utils import (
    GPUS,
    compiled,
    generator_on,
    mixed_precision,
    pick_device,
    put_weights,
    seeded,
    to_host,
    weights_of,
)
from recgym import storage
from recgym.arrays import Doubles

SCORED = 64  # items whose scores are calculated at once


class DecoderAgent(BaseAgent):
    """Shows the items of the largest predicted reward among the decoder's most probable; explores by drawing them."""

    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    devices: ClassVar[tuple[str, ...]] = GPUS
    transfers: ClassVar[bool] = True
    config: ClassVar[type[Any]] = DecoderParams
    context_size: ClassVar[int] = 3  # numbers of a decision beside the user and the history
    params: Any

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        p = self.params
        self.torch_device, self.seed = pick_device(device), int(seed) % (1 << 31)
        levels, codes = sizes_for(problem.num_items)
        self.sizes = p.levels or levels, p.codes or codes
        self._name_items(semantic_ids(item_vectors(problem), *self.sizes, self.seed))
        with seeded(seed):
            self.model = self._decoder()
        self.trained: Decoder = compiled(self.model, self.torch_device, p.compile)  # of the same weights
        self.generator = generator_on(self.torch_device, seed)

    @property
    def lora_rank(self) -> int:
        """Rank of an adapter, 0 for none."""
        return 0

    def _decoder(self) -> Decoder:
        p = self.params
        levels, codes = self.sizes
        model = Decoder(
            self.problem,
            width=p.width,
            layers=p.layers,
            heads=p.heads,
            levels=levels + 1,
            codes=codes,
            context=self.context_size,
        )
        if p.tastes:
            model.tastes = Tastes(self.problem, p.tastes, p.width)
        if self.lora_rank:
            add_adapter(model, self.lora_rank)
        return model.to(self.torch_device).eval()

    def _name_items(self, codes: NDArray[np.int64]) -> None:
        """Take semantic IDs (N, L + 1); the last code is not written where the others are unique."""
        self.item_codes = codes
        used = codes if codes[:, -1].any() else codes[:, :-1]
        self.trie = OpenCodes(PrefixTrie(used, self.sizes[1]), self.torch_device)

    # the offline stages

    def stages(self) -> dict[str, int]:
        """Names of the stages on a log, of "pretrain" and "sft", and the epochs of each."""
        return {"pretrain": self.params.epochs}

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """The stages on a log; `report` gets the number of slates so far and the validation loss."""
        histories = read_histories(self.problem, log)
        if not self.is_learnt:
            has = histories.events[:, 0] > 0
            vectors = item_vectors(self.problem, histories.session[has], histories.item[has])
            self._name_items(semantic_ids(vectors, *self.sizes, self.seed))
        self.begin_stages(histories)
        figures: Figures = {"offline_rows": float(len(histories.item))}
        for stage, epochs in self.stages().items():
            self.model.requires_grad_(True)
            if self.lora_rank:
                train_part(self.model, adapter=stage == "sft")
            settings = self.params.offline_settings(epochs)
            figures[f"{stage}_loss"] = fit_stage(
                self, histories, seed, settings, rewarded=stage == "sft", report=report
            )
            figures["loss"] = figures[f"{stage}_loss"]
        self.end_stages(histories)
        return figures

    def begin_stages(self, histories: Histories) -> None:
        """Called with the rows of the log before its stages."""

    def end_stages(self, histories: Histories) -> None:
        """Called with the rows of the log after its stages."""

    def decisions_of(self, histories: Histories, rows: NDArray[np.int64]) -> Decisions:
        """The slates of a log of which the first row is among some rows."""
        return of_log(self.problem, histories, rows)

    def loss_of(self, decisions: Decisions, *, rewarded: bool) -> Tensor:
        """The loss of stage (b) if `rewarded`, else of (a)."""
        slate, earned, _, weight = decisions.tensors(self.torch_device)
        states = decisions.states(self.torch_device)
        with mixed_precision(self.torch_device, self.params.mixed_precision):
            read = read_decisions(self.trained, states, slate, self.trie, None)
        chosen = weight * earned.clamp(min=0.0) if rewarded else weight
        return imitation_loss(read, chosen) + self.prediction_loss(read, decisions)

    def prediction_loss(self, read: Read, decisions: Decisions) -> Tensor:
        """The loss of what is predicted of the shown items: their events and rewards."""
        _, earned, happened, weight = decisions.tensors(self.torch_device)
        return outcome_loss(read, scaled_rewards(self.problem, earned), happened, weight)

    # acting

    def states_of(self, observation: Any) -> States:
        """The observation as tensors."""
        return to_states(observation, self.torch_device)

    def room(self, states: States, mask: Masks | None) -> Room | None:
        """The items that may be shown."""
        allowed = None if mask is None else torch.as_tensor(mask, device=self.torch_device)
        shown = states.items if self.params.fresh else None
        return self.trie.room(shown, allowed, self.problem.slate_size)

    @torch.no_grad()
    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best of the most probable items; with `explore`, slates drawn without replacement."""
        slots = self.problem.slate_size
        check_mask(mask, slots)
        states = self.states_of(observation)
        room = self.room(states, mask)
        items: Actions = to_host(self.explored(states, room) if explore else self.best(states, room)[0])
        return items[:, 0] if slots == 1 else items

    def explored(self, states: States, room: Room | None) -> Tensor:
        """Slates (B, K) for exploration."""
        return self.drawn(states, room).items

    def drawn(self, states: States, room: Room | None) -> Found:
        """Slates drawn without replacement."""
        self.generator.manual_seed(int(self.rng.integers(1 << 62)))
        return search(self.model, states, self.trie, room, self.problem.slate_size, self.generator)

    def best(self, states: States, room: Room | None) -> tuple[Tensor, ...]:
        """Slates (B, K) of the most probable items that are worth most, and the outputs (B, d) before them."""

        def best(rows: Tensor) -> tuple[Tensor, ...]:
            return self._best(states_at(states, rows), None if room is None else room.rows(rows))

        return by_length(states, self.problem.num_items, 2, best)

    def _best(self, states: States, room: Room | None) -> tuple[Tensor, ...]:
        slots, wide = self.problem.slate_size, self.params.candidates
        if wide <= slots:
            found = search(self.model, states, self.trie, room, slots)
            return found.items, found.last
        found = search(self.model, states, self.trie, room, wide, with_hidden=True)
        worth = self.worth(found, states).masked_fill(~torch.isfinite(found.log_probs), -torch.inf)
        return found.items.gather(1, worth.topk(slots, dim=1).indices), found.last

    def worth(self, found: Found, states: States) -> Tensor:
        """What the beams are ranked by, (B, W): here the predicted reward."""
        assert found.hidden is not None
        return self.model.outcomes(states, found.last, found.hidden, found.items)[..., -1]

    # explaining

    def scores(self, observation: Any) -> Doubles:
        """What `act` ranks all items by, (B, N): predicted reward, or log-probability with as few beams as slots."""
        states = self.states_of(observation)
        num_items = self.problem.num_items
        every = [range(start, min(start + SCORED, num_items)) for start in range(0, num_items, SCORED)]
        with torch.no_grad():
            parts = [
                self._score(states, torch.tensor(part, device=self.torch_device).expand(len(states.user), -1))
                for part in every
            ]
        return to_host(torch.cat(parts, dim=1)).astype(np.float64)

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Contributions of the session, past items and the codes of the items (`agents.generative.decoder_shares`)."""
        items = torch.as_tensor(action, device=self.torch_device)
        states = self.states_of(observation)
        inputs = self.model.inputs(states, items, self.trie)

        def score(inputs: Inputs) -> Tensor:
            return self._score_of(states, items, inputs)

        shares = to_host(input_shares(inputs, mean_tokens(self.model, states, items, self.trie), score))
        with torch.no_grad():
            total = to_host(score(inputs).sum(dim=1)).astype(np.float64)
        found = []
        for b, row in enumerate(shares.astype(np.float64)):
            there = place_names(self.problem, states, items, self.trie, inputs.past, b)
            found.append(named(["always", *there], np.append(total[b] - row.sum(), row)))
        return found

    def _score(self, states: States, items: Tensor) -> Tensor:
        return self._score_of(states, items, self.model.inputs(states, items, self.trie))

    def _score_of(self, states: States, items: Tensor, inputs: Inputs) -> Tensor:
        last, hidden = self.model.outputs(inputs, self.trie.levels)
        log_probs = self.model.log_probs(last, hidden, items, self.trie, None)
        if self.params.candidates <= self.problem.slate_size:
            return log_probs
        return self.worth(Found(items, log_probs, last, hidden[:, :, -1]), states)

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights without the adapter's, and the items' codes."""
        weights = {name: value for name, value in weights_of(self.model).items() if not self._is_apart(name)}
        return {**{f"model.{name}": value for name, value in weights.items()}, "codes": self.item_codes}

    def _is_apart(self, name: str) -> bool:
        return self.lora_rank > 0 and is_of_adapter(name)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`."""
        self._name_items(np.array(state["codes"]))
        put_weights(self.model, {**weights_of(self.model, "model."), **state}, "model.")

    def write(self, folder: Path) -> None:
        """Write the agent's files, and where there is an adapter its own."""
        super().write(folder)
        if self.lora_rank:
            write_adapter(folder, self.model)

    def take_over(self, folder: Path) -> None:
        """Take what another task's agent has learnt that holds here too (`agents.generative.transfer`)."""
        stored, events = (
            storage.Stored(folder, "saved agent"),
            read_about(folder).get("task", {}).get("event_names"),
        )
        with storage.refusing(folder):
            saved = {
                name.removeprefix("model."): value
                for name, value in stored.arrays("agent.safetensors").items()
            }
            same_events = events == list(self.problem.event_names)
            put_weights(self.model, taken_over(weights_of(self.model), saved, same_events=same_events))

    def reload(self, folder: Path) -> None:
        """Load what `write` wrote; ValueError for an adapter of another base."""
        super().reload(folder)
        if self.lora_rank:
            read_adapter(folder, self.model)
