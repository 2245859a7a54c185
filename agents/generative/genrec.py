"""GenRec: a generative recommender, pretrained on a log and trained by reinforcement on the users.

Items are semantic IDs (`agents.generative.semantic_ids`), which a causal decoder writes under the constraint of their
trie (`agents.generative.decoder`, `agents.generative.beams`). Stages: (a) self-supervised and (b) supervised on a log
in `prepare`, (c) GRPO in `train` (`agents.generative.objectives`). Related: TIGER (Rajput et al., 2023), OneRec (Deng
et al., 2025) and MiniOneRec (Kong et al., 2025), whose reward is a match with the next logged item; here it is what the
users do.

Axes: B sessions, b rows of a transition, K slate positions.
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.deep.pretraining import descend
from agents.deep.states import States
from agents.generative.adapters import train_heads, train_part
from agents.generative.advantages import advantages, normalised
from agents.generative.by_length import states_at
from agents.generative.continuation_agent import ContinuationAgent
from agents.generative.decisions import Decisions
from agents.generative.decoder import Decoder, in_slates
from agents.generative.genrec_params import GenRecParams
from agents.generative.objectives import NOT_DRAWN, Read, clipped_loss, read_decisions
from agents.generative.open_codes import Room
from agents.generative.rollouts import Acted, GroupedVector, Rollouts
from agents.interface import Figures, Transition
from agents.log_histories import Histories
from agents.problem import Problem
from agents.saved import join_parts, split_parts
from agents.slates import credit
from agents.torch_utils import mixed_precision, moments_of, put_moments, put_weights, to_host, weights_of
from recgym.arrays import Arrays


class GenRec(ContinuationAgent):
    """The decoder of `DecoderAgent`, with GRPO on rollouts in groups.

    Idea:
        Each item is a short sequence of codes (a semantic ID), near items sharing the first ones; a small
        causal transformer that reads the session writes the next item code by code, as a language model
        writes words. It is pretrained and fine-tuned on the log, then trained on the users by GRPO: visits of
        one user with the same random numbers are compared with each other.

    Formula:
        log p(a | s) = sum over levels of log softmax of (h E_level' + b_level) over the codes that the trie allows
        loss = -min(ratio A, clip(ratio, 1 - ratio_clip, 1 + ratio_clip) A) + kl_weight KL(pi || stage (b)) + replay
        r's logit is linear in h at the last code; with `tastes` a product of vectors of session and item is added
        with `look_ahead` beams are ranked by r(s, a) + F_0(s) + K w(s, a) (F(s, a) - F_0(s))

    Reads:
        The log; the user's number; public user features where the task observes them; items and events of
        this session; context.

    Cost:
        Offline up to `pretrain_epochs` + `epochs` passes; a decision is one forward pass and a beam search of
        `candidates` beams over the levels.

    Source:
        Rajput et al. (2023), Recommender systems with generative retrieval (TIGER), NeurIPS; GRPO: Shao et
        al. (2024), DeepSeekMath, arXiv:2402.03300.
    """

    name: ClassVar[str] = "genrec"

    config: ClassVar[type[Any]] = GenRecParams
    params: GenRecParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.memory: Decisions | None = None  # decisions of the log and of rollouts, the latest at the end
        self.reference: Decoder | None = None  # stage (b), in stage (c)
        self.optimizer = self._optimizer()
        self.rollouts: Rollouts | None = None
        self.acted: tuple[Tensor, Tensor, Tensor] | None = None  # slates, their log-probabilities, values
        self.counts = np.zeros(2, np.int64)  # environment steps, updates

    @property
    def learns_online(self) -> bool:
        """Whether there is a stage (c)."""
        return self.params.stage == "rl"

    @property
    def lora_rank(self) -> int:
        """Rank of the adapter of stages (b) and (c), 0 for none."""
        return self.params.lora_rank

    def stages(self) -> dict[str, int]:
        """Stages (a) and (b) with their epochs."""
        p = self.params
        supervised = {} if p.stage == "pretrain" else {"sft": p.epochs}
        return {"pretrain": p.pretrain_epochs, **supervised}

    def _optimizer(self) -> torch.optim.Optimizer:
        p = self.params
        if p.lora_rank:
            train_part(self.model, adapter=True)
        if p.tune == "heads":
            train_heads(self.model)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        return torch.optim.AdamW(trained, lr=p.online_rate, weight_decay=p.weight_decay, fused=True)

    def end_stages(self, histories: Histories) -> None:
        """Replay the latest rows of the log online; the reference is the policy that was fitted."""
        rows = len(histories.item)
        latest = np.arange(max(rows - self.params.replay * self.problem.slate_size, 0), rows)
        self.memory = self.decisions_of(histories, latest)
        self.optimizer, self.reference = self._optimizer(), None

    # acting

    def explored(self, states: States, room: Room | None) -> Tensor:
        """The best slates, and drawn ones with probability `epsilon`; their probabilities are kept."""
        is_drawn = self.rng.random(len(states.user)) < self.params.epsilon
        parts: list[tuple[Tensor, Tensor, Tensor]] = []  # items, log-probabilities, outputs before them
        for drawn in (True, False):
            if not len(places := np.flatnonzero(is_drawn == drawn)):
                continue
            rows = torch.as_tensor(places, device=self.torch_device)
            some = states_at(states, rows), None if room is None else room.rows(rows)
            if drawn:
                found = self.drawn(*some)
                parts.append((found.items, in_slates(found.log_probs), found.last))
            else:
                items, last = self.best(*some)
                parts.append((items, torch.full_like(items, NOT_DRAWN, dtype=last.dtype), last))
        back = torch.as_tensor(np.argsort(np.argsort(~is_drawn, kind="stable")), device=self.torch_device)
        items, log_prob, last = (torch.cat(each)[back] for each in zip(*parts, strict=True))
        self.acted = items, log_prob, self.model.value_head(last)[:, 0]
        return items

    # the online stage

    def training_vector(self, env: Any) -> Any:
        """Stage (c) is played in groups of visits."""
        return GroupedVector(super().training_vector(env), self.params.group)

    def part_from_sessions(self) -> None:
        """Start without rollouts; the reference is the present policy."""
        self.rollouts, self.acted = None, None
        self.reference = self._copy() if self.params.policy_weight else None

    def _copy(self) -> Decoder:
        return copy.deepcopy(self.model).requires_grad_(False)

    def learn(self, transition: Transition) -> Figures:
        """Add a vector step to the rollouts, and update where enough groups of visits have ended."""
        rows = np.arange(len(transition.reward)) if transition.row is None else transition.row
        if self.rollouts is None:
            self.rollouts = Rollouts(int(rows.max()) + 1, self.params.group)
        decisions = self._decisions(transition)
        log_prob, value = self._as_acted(decisions, rows)
        over, after = transition.terminated | transition.truncated, self.values_after_horizon(transition)
        self.rollouts.add(decisions, log_prob, value, rows, over, after)
        before = int(self.counts[0])
        self.counts[0] += len(rows)
        if self.counts[0] // self.params.rollout == before // self.params.rollout:
            return {}
        acted = self.rollouts.whole()
        return {} if acted is None else self._update(acted)

    def _decisions(self, transition: Transition) -> Decisions:
        seen, after, slots = transition.observation, transition.next_observation, self.problem.slate_size
        shape = (len(transition.reward), slots)
        mask = np.ones((shape[0], 0), np.bool_) if transition.mask is None else transition.mask
        return Decisions(
            user=np.asarray(seen["user"], np.int32),
            items=np.array(seen["shown"], np.int32),
            events=seen["events"].reshape(*seen["shown"].shape, -1).astype(np.uint8),
            context=np.array(seen["context"], np.float32),
            slate=np.asarray(transition.action, np.int64).reshape(shape),
            credit=credit(self.problem, transition).astype(np.float32),
            happened=after["events"].reshape(*after["shown"].shape, -1)[:, -slots:].astype(np.uint8),
            weight=np.ones(shape, np.float32),
            later=np.zeros(shape[0], np.float32),
            known=np.zeros(shape[0], np.uint8),
            allowed=np.packbits(mask, axis=1),
        )

    @torch.no_grad()
    def _as_acted(self, decisions: Decisions, rows: NDArray[np.int64]) -> tuple[Any, Any]:
        """Log-probabilities (b, K) and values (b,) of slates when they were drawn."""
        if self.acted is not None and rows[-1] < len(self.acted[0]):
            slate, log_prob, value = (to_host(each)[rows] for each in self.acted)
            if (slate == decisions.slate).all():
                return log_prob, value
        read = self._read(self.model, decisions)
        return to_host(in_slates(read.log_probs)), to_host(read.value)

    def _read(self, model: Decoder, decisions: Decisions, *, written: bool = True) -> Read:
        """What a decoder says of decisions, of the items that could be shown."""
        states, slate = decisions.states(self.torch_device), decisions.tensors(self.torch_device)[0]
        room = self.room(states, decisions.mask(self.problem.num_items))
        return read_decisions(model, states, slate, self.trie, room, written=written)

    def _update(self, acted: Acted) -> Figures:
        """GRPO on whole visits, with rows of the log and of earlier rollouts beside."""
        p = self.params
        raw, returns = advantages(acted, p.group, p.discount, p.trace, p.baseline)
        gain, wanted = normalised(raw), returns.astype(np.float32)
        later = wanted - acted.decisions.credit.mean(axis=1)
        followed = acted.decisions._replace(later=later, known=np.ones_like(acted.decisions.known))
        acted = acted._replace(decisions=followed)
        reference = self._reference_log_probs(acted) if p.policy_weight else np.zeros_like(gain)
        figures: list[Tensor] = []
        for _ in range(p.reuse):
            order = self.rng.permutation(len(wanted))
            for rows in np.array_split(order, -(-len(order) // p.online_batch)):
                loss, divergence = self._loss(acted.some(rows), gain[rows], wanted[rows], reference[rows])
                descend(self.model, self.optimizer, loss, p.clip)
                figures.append(torch.stack([loss.detach(), divergence]))
        self.counts[1] += len(figures)
        self._remember(acted.decisions)
        loss, divergence = torch.stack(figures).mean(dim=0)
        return {"loss": float(loss), "divergence": float(divergence), "updates": float(self.counts[1])}

    @torch.no_grad()
    def _reference_log_probs(self, acted: Acted) -> NDArray[np.float32]:
        if self.reference is None:
            self.reference = self._copy()
        found = []
        for part in np.array_split(np.arange(len(acted.row)), -(-len(acted.row) // 1_024)):
            read = self._read(self.reference, acted.decisions.some(part))
            found.append(to_host(in_slates(read.log_probs)))
        return np.concatenate(found).astype(np.float32)

    def _loss(
        self,
        acted: Acted,
        gain: NDArray[np.float32],
        wanted: NDArray[np.float32],
        reference: NDArray[np.float32],
    ) -> tuple[Tensor, Tensor]:
        p, device = self.params, self.torch_device
        with mixed_precision(device, p.mixed_precision):
            read = self._read(self.trained, acted.decisions, written=p.policy_weight > 0)
        before, apart, advantage, value = (
            torch.as_tensor(each, device=device) for each in (acted.log_prob, reference, gain, wanted)
        )
        spread = value.var(correction=0).clamp(min=1e-6)
        loss = 0.5 * ((read.value - value) ** 2).mean() / spread
        loss = loss + self.prediction_loss(read, acted.decisions)
        divergence = torch.zeros((), device=device)
        if p.policy_weight:
            policy, divergence = clipped_loss(read, before, apart, advantage, p.ratio_clip, p.kl_weight)
            loss = loss + p.policy_weight * policy
        if self.memory is not None and p.replay_weight > 0:
            rows = self.rng.integers(self.memory.size, size=p.online_batch // 2 + 1)
            loss = loss + p.replay_weight * self.loss_of(self.memory.some(rows), rewarded=True)
        return loss, divergence

    def _remember(self, decisions: Decisions) -> None:
        """Add decisions to those that are replayed; the oldest leave."""
        if self.memory is not None and self.memory.slate.shape[1] < decisions.slate.shape[1]:
            self.memory = None  # a log of narrower slates
        decisions = decisions._replace(allowed=decisions.allowed[:, :0])  # of a log, nobody knows them
        joined = decisions if self.memory is None else Decisions.join([self.memory, decisions])
        self.memory = joined.some(slice(-self.params.replay, None))

    # saving

    def state(self) -> dict[str, NDArray[Any]]:
        """Adds counts."""
        return {**super().state(), "counts": self.counts}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`."""
        super().restore(state)
        self.counts = np.array(state["counts"])

    def training_state(self) -> Arrays:
        """Moments, reference, rollouts and the memory, each array named PART.NAME."""
        parts: dict[str, Arrays] = {"optimizer": moments_of(self.optimizer)}
        parts["reference"] = {} if self.reference is None else weights_of(self.reference)
        parts["rollouts"] = {} if self.rollouts is None else self.rollouts.arrays()
        parts["memory"] = {} if self.memory is None else self.memory.arrays()
        return join_parts(parts)

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Restore the result of `training_state`."""
        parts = split_parts(state)
        put_moments(self.optimizer, parts.get("optimizer", {}))
        if "reference" in parts:
            self.reference = self._copy()
            put_weights(self.reference, parts["reference"])
        group, past = self.params.group, parts.get("memory")
        self.rollouts = Rollouts.of(parts["rollouts"], num_envs, group) if "rollouts" in parts else None
        self.memory = Decisions(*(np.array(past[name]) for name in Decisions._fields)) if past else None
