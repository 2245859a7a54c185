# %% [markdown]
# # 8. The benchmark
#
# Agent A earned 1.34 and agent B 1.29. Is A better? It depends on the seeds, on the users that both met, and on what the
# world assumes. This notebook makes a small benchmark by hand, and reads the published one.
#
# *You need* notebooks 1 and 3, and confidence intervals. *You learn* seeds as units, pairs, scores, fairness, robustness
# to assumptions. One minute.

# %%
import importlib.util

if importlib.util.find_spec("recgym") is None:  # a fresh environment: install from this checkout
    # %pip install -q "..[agents]"
    print("installed")

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from agents import make_agent
from recgym.evaluate import coverage, exposure_counts, exposure_gini, paired_difference, t_interval
from recgym.rollout.play import play

ENV, SEEDS, SESSIONS = "recgym/Ecommerce-v1", 6, 250
AGENTS = ("random", "ucb1", "thompson", "linucb", "oracle")

# %% [markdown]
# ## Runs
#
# A *run* is one agent with one seed: it is trained with it, and judged on sessions that depend on it. All agents of one seed
# are judged on the same users with the same random numbers.


# %%
def trained(name, seed, steps=3_000):
    agent = make_agent(name, gym.make(ENV), seed=seed)
    agent.train(agent.env, steps, seed=1_000 * seed)
    return agent


def judged(agent, seed, **arguments):
    """Columns of SESSIONS sessions without exploration: user, return, length, items, ..."""

    def bound(env):
        agent.bind(env)
        return agent

    kwargs = {"observation": agent.env.unwrapped.arguments.observation, **arguments}
    return play(ENV, kwargs, bound, 1_000_000 + 10_000 * seed, SESSIONS)[0]


agents = {name: [trained(name, seed) for seed in range(SEEDS)] for name in AGENTS}
runs = {name: [judged(agent, seed) for seed, agent in enumerate(agents[name])] for name in AGENTS}
returns = {name: np.array([run["return"] for run in runs[name]]) for name in AGENTS}  # (SEEDS, SESSIONS)
for name in AGENTS:
    print(f"{name:9s} mean of each seed: {returns[name].mean(1).round(2)}")

# %% [markdown]
# ## What is the unit?
#
# The sessions of one seed share one training: they are not independent. If $\bar G_s$ is the mean of seed $s$, the interval of
# the mean return is Student's over the $S$ seeds,
#
# $$\bar G \pm t_{S-1}\, \sqrt{\tfrac{1}{S(S-1)} \sum_s (\bar G_s - \bar G)^2}$$
#
# A thousand sessions of one training say how good *that* training was.

# %%
name = "linucb"
seeds, sessions = t_interval(returns[name].mean(1)), t_interval(returns[name].ravel())
print(f"{name}: {seeds.mean:.3f} [{seeds.low:.3f}, {seeds.high:.3f}] over {seeds.n} seeds")
print(
    f"{name}: {sessions.mean:.3f} [{sessions.low:.3f}, {sessions.high:.3f}] over {sessions.n} sessions, wrongly"
)

# %% [markdown]
# ## Pairs
#
# Differences are taken session by session, then averaged within a seed (notebook 9 says why pairs are precise).

# %%
rows = {}
for name in AGENTS[1:]:
    rows[name] = paired_difference(returns[name], returns["random"], is_learned=name != "oracle")
    own = paired_difference(returns["linucb"], returns[name]) if name != "linucb" else None
    over = "" if own is None else f"linucb over it {own.mean:+.2f} [{own.low:+.2f}, {own.high:+.2f}]"
    found = rows[name]
    print(f"{name:9s} over random {found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]  {over}")

# %% [markdown]
# The *score* puts worlds on one scale: 0 is random, 1 is a reference that reads the users' minds,
#
# $$\text{score} = \frac{G - G_{random}}{G_{oracle} - G_{random}}$$
#
# (The published tables take `oracle-plan`, which also looks ahead, as the reference.)

# %%
bottom, top = returns["random"].mean(), returns["oracle"].mean()
scores = {name: (returns[name].mean(1) - bottom) / (top - bottom) for name in AGENTS}
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
for place, name in enumerate(AGENTS):
    found = t_interval(scores[name])
    axes.plot(scores[name], np.full(SEEDS, place), ".", color="#babdb6")
    axes.errorbar(
        found.mean,
        place,
        xerr=[[found.mean - found.low], [found.high - found.mean]],
        fmt="o",
        color="#3465a4",
    )
axes.set_yticks(range(len(AGENTS)), AGENTS)
axes.set(xlabel="score (0: random, 1: oracle)", ylabel="agent", title=f"{ENV}, 3,000 steps, {SEEDS} seeds")
plt.show()

# %% [markdown]
# *Points are seeds, bars 95 % intervals of the mean over seeds.* Where two bars overlap, look at the paired difference
# before saying that nothing is known.
#
# ## Whom does it serve, and what does it show?
#
# Two agents with the same return may show five products or two hundred, and serve one group of users better than another.
# *Coverage* is the share of the catalogue that was shown, the *Gini coefficient* the inequality of impressions.

# %%
env = gym.make(ENV)
features, names = env.unwrapped.user_features, env.unwrapped.observation_columns
poland = features[:, 0] > 0  # column 0 of the observation
print("group:", names[0])
for name in AGENTS:
    items = np.concatenate([run["items"] for run in runs[name]])
    users = np.concatenate([run["user"] for run in runs[name]])
    counts = exposure_counts(items, env.action_space.n)
    group = returns[name].ravel()
    print(
        f"{name:9s} coverage {coverage(counts):4.0%}  Gini {exposure_gini(counts):.2f}  "
        f"return in the group {group[poland[users]].mean():.2f}, of others {group[~poland[users]].mean():.2f}"
    )

# %% [markdown]
# ## Does the ranking rest on an assumption?
#
# In this world the share of pages with a click is assumed (`outside`): the log has clicks alone. Judge the same trained
# agents at both ends of the stated range. `recgym bench --assume sweep` does it for every assumed term.

# %%
settings = ("low", "middle", "high")
table = {}
for name in AGENTS:
    table[name] = [
        np.mean(
            [
                judged(agent, seed, assume={"outside": setting})["return"].mean()
                for seed, agent in enumerate(agents[name])
            ]
        )
        for setting in settings
    ]
    print(f"{name:9s}", "  ".join(f"{s} {v:.2f}" for s, v in zip(settings, table[name], strict=True)))

# %%
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for name, values in table.items():
    axes.plot(settings, values, "o-", label=name)
axes.set(
    xlabel="assumed outside option",
    ylabel="return [clicks a session]",
    title="Returns change, the ranking hardly",
)
axes.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Means of six seeds. What random products earn falls by nearly a half, which says nothing about the real shop: it was
# assumed. The order of the agents stays, but for `linucb` and `random`, which 3,000 steps do not tell apart.*
#
# ## Reading the published table
#
# results/README.md has a row for each agent: return, paired difference to random, what the reference agent gains over it, score,
# response rate, length, coverage, seconds. Ask of each comparison: how many seeds (under twenty is preliminary)? Is 0
# in the interval of the *paired* difference? Were the settings chosen on these seeds (here: on others)? How many
# comparisons are made (Holm's correction)? On what assumption does it rest?
#
# ## Exercises
#
# 1. How many seeds would halve the interval of `linucb`?
# 2. Agent A is above B on 9 of 10 seeds. How likely is this if they are equally good?
# 3. Why are all agents of one seed judged on the same users, and why not train them on the same users, too?
#
# <details><summary>Answers</summary>
#
# 1. 17, not quite three times as many: the standard error falls as $1/\sqrt S$, by 1.68, and $t_{S-1}$ falls, too, from 2.57
#    at six seeds to 2.12 at 17.
# 2. The sign test: $2 (10 + 1) / 2^{10} = 2.1\ \%$ for at least nine of ten on either side.
#
# </details>
#
# <details><summary>Answer to 3</summary>
#
# Judging on the same users makes differences precise. In training, which users an agent meets next depends on its own
# slates (who leaves, and when), so that seeds can be the same and the sessions still differ.
#
# </details>
