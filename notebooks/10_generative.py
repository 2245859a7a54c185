# %% [markdown]
# # 10. A generative recommender
#
# An item becomes a short word of codes, and a small transformer writes the next item code by code, as a language model writes
# words. It is pretrained on a log, tuned on what had a response, and trained by reinforcement on the users themselves.
#
# *You need* notebook 5 and the idea of a transformer. *You learn* semantic IDs, decoding under a constraint, and group-relative
# policy optimisation, with users in place of a reward model. Two minutes.

# %%
import importlib.util

if importlib.util.find_spec("recgym") is None:  # a fresh environment: install from this checkout
    # %pip install -q "..[agents,generative]"
    print("installed")

# %%
import warnings

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch

from agents import judge, make_agent
from recgym.logs import sample_log
from recgym.sim.synthetic import synthetic

warnings.filterwarnings("ignore", message=".*IProgress.*")  # of a library that would draw progress bars
torch.set_num_threads(1)
world = synthetic(
    2, domain="social", num_items=60, num_users=40, spread=2.0
)  # a small world, so that it is quick
ENV, TASK = "recgym/Social-v2", {"world": world, "reward": "clicks", "horizon": 10}
env = gym.make(ENV, **TASK)
log = sample_log(env, sessions=300, seed=1)
print(f"{log.num_rows:,} items shown, {log.column('listen').mean():.1%} with a response")

# %% [markdown]
# ## Items as words
#
# *Residual k-means*: the first code of an item is the cluster of its vector, the second the cluster of what the first centroid
# leaves. Vectors are public features and factors of the log's co-occurrences. Items that share a code are near one another.

# %%
small = {"width": 32, "layers": 1, "pretrain_epochs": 1, "epochs": 3, "batch": 128, "candidates": 4}
online = {"rollout": 512, "online_batch": 128, "reuse": 2}
agent = make_agent("genrec", env, 0, **small, **online)
figures = agent.prepare(log, 0)
codes = agent.item_codes
print({name: round(value, 2) for name, value in figures.items()})
print("items 0 to 3:", codes[:4].tolist())

# %%
factors = world.arrays.factors  # hidden from agents; here it shows whether near codes are near tastes
unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
alike = unit @ unit.T
same = codes[:, None, 0] == codes[None, :, 0]
np.fill_diagonal(same, False)
other = ~same
np.fill_diagonal(other, False)
fig, ax = plt.subplots(figsize=(6, 3.2))
bins = np.linspace(-1, 1, 21)
ax.hist(alike[same], bins, density=True, alpha=0.6, label="same first code")
ax.hist(alike[other], bins, density=True, alpha=0.6, label="another first code")
ax.set_xlabel("cosine of the hidden factors of two items")
ax.set_ylabel("density of pairs")
ax.set_title("Items of one first code are nearer in taste")
ax.legend()
plt.show()
print(f"mean cosine: {alike[same].mean():.2f} with the same first code, {alike[other].mean():.2f} without")

# %% [markdown]
# *Pairs of items with one first code have a mean cosine of .38, others .20: the codes, made of public features and of what had
# responses in one session, hold something of the hidden tastes.*
#
# The decoder writes only codes that lead to an item which may still be shown, so that no word is invalid and no item is shown
# twice. The probability of an item is the product of the probabilities of its codes:
#
# $$p(a \mid s) = \prod_{l} \mathrm{softmax}_{c \in \mathrm{open}(a_{<l})}\big(\langle h_l, E_{l,c}\rangle + b_{l,c}\big)_{a_l}$$
#
# ## Reinforcement
#
# GRPO compares visits of one user, drawn with the same random numbers. A value head forecasts what a visit earns from a step on.
# The advantage of an item is what its visit earned above the forecast, less the same of the other visits at that step, on
# average. Ratios of probabilities are clipped, and leaving the tuned policy costs.

# %%
seeds = {"sessions": 300, "seed": 10_000}
popular = make_agent("popularity", env, 0)
popular.prepare(log, 0)
returns = {
    "popularity": judge(popular, popular.env, **seeds),
    "tuned on the log": judge(agent, agent.env, **seeds),
}
curve = []
agent.train(agent.env, 12_000, 0, lambda steps, now: curve.append((steps, now.get("return", np.nan))))
returns["and reinforced"] = judge(agent, agent.env, **seeds)

# %%
means = {name: found["return"]["mean"] for name, found in returns.items()}
bars = [1.96 * found["return"]["se"] for found in returns.values()]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
left.plot(*np.array(curve).T, color="#3465a4")
left.set(xlabel="environment steps", ylabel="return while exploring [listens]", title="Reinforcement")
right.barh(list(means), list(means.values()), xerr=bars, color="#3465a4")
right.set(xlabel="return [listens a session]", ylabel="agent", title="Judged on the same 300 sessions")
plt.show()
print({name: round(mean, 2) for name, mean in means.items()})

# %% [markdown]
# *One training, 95 % intervals over sessions.* The curve begins low because the first visits that end are the short ones. Drawing
# slates at random, as reinforcement must, earns less than showing the best of a few probable items: compare the end of the curve
# with the bars. Here the reinforced agent earns about one listen more than the one that was tuned on 300 sessions, and as much as
# popularity, within the intervals. One seed is no evidence for a ranking; the page on generative recommenders has the figures of
# the shipped environments, and where reinforcement does not move the policy.
#
# ## Exercises
#
# 1. Two items have the same codes after all levels. What must a semantic ID have, and what does the agent do?
# 2. Why is a group of visits of one user, with the same random numbers, a baseline? What does it leave in the advantage?
# 3. Train with `policy_weight=0`. What still learns?
#
# <details><summary>Answers</summary>
#
# 1. IDs must differ: a last code numbers the items of equal codes. It is written only where it is needed.
# 2. The baseline must not depend on the item that is judged. The other visits of the group do not, and they share the user, the
#    context and chance; what is left is what the slates of the visits have changed, and the visits' own slates later on.
# </details>
#
# <details><summary>Answer to 3</summary>
#
# The head that predicts an item's reward, and the decoder by the log's loss on replayed rows. Since the agent shows
# the best predicted of its most probable items, it improves although its probabilities hardly move.
#
# </details>
