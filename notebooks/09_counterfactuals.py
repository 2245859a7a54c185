# %% [markdown]
# # 9. The same user, another slate
#
# What would this user have done if we had shown something else? A log cannot say: it holds one response to one slate. A
# simulator can play the same user twice with the same random numbers.
#
# *You need* notebook 1. *You learn* counterfactuals, common random numbers, why pairs are precise, and how an early slate
# acts on later steps. One minute.

# %%
import importlib.util

if importlib.util.find_spec("recgym") is None:  # a fresh environment: install from this checkout
    # %pip install -q "..[agents]"
    print("installed")

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

import recgym
from agents import make_agent
from recgym.rng import LEAVE, uniform

# %% [markdown]
# ## One user, two lists of slates
#
# `counterfactual` plays one episode twice: same seed, so same user, same context, same draws. Only the slates differ.
# Lists a and b have a slate for each step.

# %%
env = gym.make("recgym/EcommerceSlate-v1", slate_size=3)
rng = np.random.default_rng(0)
slates = [rng.choice(217, 3, replace=False) for _ in range(5)]
other = [np.array([7, 8, 9]), *slates[1:]]  # another first slate, the same afterwards
pair = recgym.counterfactual(env, 2, slates, other)
print(pair)

# %% [markdown]
# The first click is on trousers in a, on a blouse in b, and a click moves the intent: at the second step product 3 is clicked
# in b alone, at the fourth product 136 in a and 117 in b. (Seed 2 was chosen because later events differ: with these two
# lists they or the end of the session do for 9 of the seeds 0 to 59.)
#
# From the second step on both are shown the same products. Where the events differ, the cause is the first slate, through the
# state of the user that it left behind. Where they are equal, it made no difference to this user.
#
# ## How it works
#
# An event with the logit $x$ happens if a uniform number $U$ is below its probability,
#
# $$y = 1\{\,U < \sigma(x)\,\}, \qquad U = f(\text{seed}, \text{episode}, \text{step}, \text{use}, \text{position})$$
#
# and $U$ is a *function*, not the next number of a generator: no slate changes it. (The one clicked product of a slate is chosen
# by such numbers, too.) The use is what the number decides: a click, another event, leaving. Both sessions have the same $U$,
# and their own $x$: what was shown changes the hazard below, but not the number beside it.

# %%
key = env.unwrapped.privileged().sessions.key[0]
for step in range(3):
    print(
        f"step {step}: the user leaves if the hazard is above {uniform(key, step, LEAVE, 0):.3f}, in a and in b"
    )

# %% [markdown]
# As a table, with a row for each shown item (`to_pandas()` for a data frame):

# %%
for row in pair.records()[:3]:
    print(
        {
            name: row[name]
            for name in ("step", "position", "item_a", "click_a", "item_b", "click_b", "reward_b")
        }
    )

# %% [markdown]
# ## Two policies
#
# Instead of slates: functions of the observation, or agents. Here random artists against the oracle, which reads the user's
# mind and suggests what this user most wants.

# %%
single = gym.make("recgym/Social-v2", reward="clicks")
oracle = make_agent("oracle", single)
draws = np.random.default_rng(5)
print(recgym.counterfactual(single, 11, lambda observation: int(draws.integers(500)), oracle))

# %% [markdown]
# Both sessions end at the same step here: the user's draw of leaving is the same number in both, and the hazards are alike.
# %% [markdown]
# ## Why pairs are precise
#
# The difference of two means has the variance
#
# $$\operatorname{Var}(\bar B - \bar A) = \frac{\operatorname{Var} A + \operatorname{Var} B - 2\operatorname{Cov}(A, B)}{n}$$
#
# and common random numbers make the covariance positive: who listens much and stays long does so in both sessions. The gain is the
# number of independent sessions that one pair is worth.


# %%
def returns(items, seeds):
    """Returns of sessions in which step t shows items[t]; row i has the seed seeds + i."""
    many = gym.make_vec("recgym/Social-v2", 1_000, reward="clicks")
    many.reset(seed=seeds)
    alive, total = np.ones(1_000, bool), np.zeros(1_000)
    for item in items:
        _, reward, terminated, truncated, _ = many.step(np.full(1_000, item))
        total += np.where(alive, reward, 0)
        alive &= ~(terminated | truncated)
    return total


first = np.random.default_rng(1).integers(0, 500, 50)
second = first.copy()
second[:5] = np.random.default_rng(2).integers(0, 500, 5)  # other artists in the first five steps
a, b, elsewhere = returns(first, 0), returns(second, 0), returns(second, 50_000)
paired, apart = (b - a).var(ddof=1), (elsewhere - a).var(ddof=1)
print(f"correlation of a user's two sessions {np.corrcoef(a, b)[0, 1]:.2f}")
print(f"difference {(b - a).mean():+.2f}, standard error {np.sqrt(paired / 1000):.3f} in pairs")
print(
    f"difference {(elsewhere - a).mean():+.2f}, standard error {np.sqrt(apart / 1000):.3f} with other users"
)
print(f"one pair is worth {apart / paired:.1f} pairs of strangers")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
jitter = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 1_000))
left.scatter(a + jitter[0], b + jitter[1], s=4, color="#3465a4", alpha=0.5)
left.set(xlabel="listens with list a", ylabel="listens with list b", title="The same users")
right.scatter(a + jitter[0], elsewhere + jitter[1], s=4, color="#babdb6")
right.set(xlabel="listens with list a", ylabel="listens with list b of others", title="Other users")
plt.show()

# %% [markdown]
# *1,000 sessions, a point each (moved a little, so that points do not cover one another). Lists a and b differ in the
# first five artists. Left: common random numbers. Right: independent users.*
#
# ## How long does a slate act?
#
# In the shop, show another page at the first step and compare the clicks of later steps. What remains after the first step
# is the effect on the state: the intent, and who is still there.

# %%
pages = np.random.default_rng(1).integers(0, 217, 20)  # a product stands for its page
changed = pages.copy()
changed[0] = (pages[0] + 108) % 217


def clicks_by_step(items):
    many = gym.make_vec("recgym/EcommercePage-v1", 5_000, reward="clicks")
    many.reset(seed=0)
    alive, rows = np.ones(5_000, bool), []
    for item in items:
        _, reward, terminated, truncated, _ = many.step(np.full(5_000, item))
        rows.append(np.where(alive, reward, 0))
        alive &= ~(terminated | truncated)
    return np.array(rows)  # (20 steps, 5,000 users)


effect = clicks_by_step(changed) - clicks_by_step(pages)
mean, error = effect.mean(1), 1.96 * effect.std(1) / np.sqrt(5_000)
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
axes.axhline(0, color="#babdb6", linewidth=1)
axes.errorbar(range(1, 21), mean, error, fmt="o", color="#4e9a06", markersize=4)
axes.set(
    xlabel="step", ylabel="difference in clicks a user", xticks=range(1, 21), title="Another page at step 1"
)
plt.show()
later = effect[1:].sum(0)
spread = 1.96 * later.std() / np.sqrt(5_000)
print(
    f"step 1: {mean[0]:+.3f} +- {error[0]:.3f}; steps 2 to 20 together: {later.mean():+.3f} +- {spread:.3f}"
)

# %% [markdown]
# *Mean over 5,000 users with 95 % intervals. Only step 1 was changed.* The other page has fewer clicks at once, and part of
# them comes later: in this world who has not clicked yet is less likely to leave (`leave_idle`, assumed: the log has no pages
# without a click).
#
# ## Exercises
#
# 1. Play `counterfactual(env, 2, slates, slates)`. What must `difference` be, and why is this a test of the simulator?
# 2. In which case is the interval of pairs *wider* than that of independent samples?
# 3. Is a counterfactual of the simulator one of the real user?
#
# <details><summary>Answers</summary>
#
# 1. Exactly 0, with equal events. If it is not, something besides seed and slates acts on a session: a generator that is
#    shared, or a state that was not reset.
# 2. If the covariance is negative: a user who clicks more under a clicks less under b. With independent tastes it is 0.
# 3. Only as far as the model is true. The coupling by common $U$ is a choice, too: two models with equal probabilities for
#    each slate can disagree about one user's pair of responses, and no experiment can decide between them. Means over users do
#    not depend on it.
#
# </details>
#
# <details><summary>How to go on</summary>
#
# [8. The benchmark](08_the_benchmark.ipynb) compares agents by such pairs. `env.unwrapped.slate_events` says at any time which
# item of the last slate had which event.
#
# </details>
