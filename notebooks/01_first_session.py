# %% [markdown]
# # 1. What a session is
#
# One simulated user, one slate after another: recommendation as a Markov decision process, seen from the inside. The
# users of `content-2` were fitted to a log of a short-video feed (KuaiRand); `recgym card content-2` says how close they
# are to it, and which numbers are assumed.
#
# *You need* Python and what a probability is. *You learn* slates, events, rewards, leaving, random seeds, and ten
# thousand sessions at once. One minute.

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

print(recgym.__version__, "with", ", ".join(row.id for row in recgym.envs.ENVIRONMENTS))

# %% [markdown]
# ## A user and a slate
#
# `reset(seed=...)` draws a user. The observation is public: a few features of the user, the context, and the events of
# this session. The intent of the user is hidden; `render_hidden=True` shows it here, and no agent may read it.

# %%
env = gym.make("recgym/ContentSlate-v1", render_mode="ansi", render_hidden=True)
observation, info = env.reset(seed=3)
print(env.action_space)
print("observation", observation.shape, observation.dtype, "in [-1, 1]")
for column in (0, 13, 115, 116):
    print(f"column {column}: {env.unwrapped.observation_columns[column]}")
print(info)
print(env.render())

# %% [markdown]
# An action is a slate of six videos. The feedback is events, and `info` counts them over the slate. Click and long view
# are drawn first, then the watch time given these two and the video's length, then the other events. The reward is a
# weighted sum of the events $e$ of the shown items $k$,
#
# $$r_t = \sum_k \sum_e w_e\, y_{t,k,e}$$

# %%
slate = np.arange(6)
observation, reward, terminated, truncated, info = env.step(slate)
print(env.render())
weights = env.unwrapped.reward_weights  # w_e
events = env.unwrapped.slate_events  # y: (6 items, 7 events), 0 or 1
print(weights)
print("sum of w y:", (events @ np.array(list(weights.values()))).sum(), " reward:", reward)

# %% [markdown]
# ## A whole session
#
# The session goes on until the user leaves (`terminated`) or the horizon is reached (`truncated`). The *return* is
# $G = \sum_t r_t$: what an agent is judged by. After each slate the user leaves with a probability that depends on the
# session so far, the hazard
#
# $$h_t = \sigma(\text{bias} + \text{effects of responses}), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}$$

# %%
rng = np.random.default_rng(0)
observation, info = env.reset(seed=3)
over, rewards = False, []
while not over:
    observation, reward, terminated, truncated, info = env.step(rng.choice(500, size=6, replace=False))
    rewards.append(reward)
    over = terminated or truncated
    ending = "the user left" if terminated else "horizon" if truncated else ""
    print(
        f"step {len(rewards):2d}  clicks {info['click']}  long views {info['long_view']}  reward {reward:4.1f}  {ending}"
    )
print(f"return {sum(rewards)}")

# %% [markdown]
# The same seed gives the same user and the same random numbers, so two policies can be compared in pairs (*common random
# numbers*). Show the very same users one slate for ever instead of random ones:


# %%
def play(choose, seed):
    """Return of one session under a policy `choose(rng) -> slate`."""
    env.reset(seed=seed)
    rng, total, over = np.random.default_rng(seed), 0.0, False
    while not over:
        _, reward, terminated, truncated, _ = env.step(choose(rng))
        total, over = total + reward, terminated or truncated
    return total


fixed = np.arange(6)
pairs = np.array(
    [
        (play(lambda rng: rng.choice(500, 6, replace=False), seed), play(lambda rng: fixed, seed))
        for seed in range(200, 400)
    ]
)
difference = pairs[:, 1] - pairs[:, 0]
paired = 1.96 * difference.std(ddof=1) / np.sqrt(200)
apart = 1.96 * np.sqrt(pairs.var(axis=0, ddof=1).sum() / 200)
print(f"random {pairs[:, 0].mean():.2f}, fixed slate {pairs[:, 1].mean():.2f}")
print(f"difference {difference.mean():+.2f} +- {paired:.2f} (as two separate samples: +- {apart:.2f})")

# %% [markdown]
# ## Ten thousand sessions at once
#
# The native vector environment runs compiled code over all sessions. Row *i*, reset with seed *s*, is bit for bit the
# single environment reset with seed *s + i*.

# %%
many = gym.make_vec("recgym/Content-v1", num_envs=10_000)
many.reset(seed=0)
alive = np.ones(10_000, bool)
rng = np.random.default_rng(1)
share_alive, click_rate = [1.0], []
for _ in range(50):
    _, _, terminated, truncated, infos = many.step(rng.integers(0, 500, 10_000))
    click_rate.append(infos["click"][alive].mean() if alive.any() else np.nan)
    alive &= ~(
        terminated | truncated
    )  # first sessions only; rows that ended begin the next one by themselves
    share_alive.append(alive.mean())
print(f"mean session {sum(share_alive):.1f} slates, first click rate {click_rate[0]:.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.step(range(51), share_alive, where="post", color="#3465a4")
left.set(
    xlabel="slates shown", ylabel="share of users still there", ylim=(0, 1), title="Leaving, random videos"
)
right.plot(range(1, 26), click_rate[:25], "o-", color="#4e9a06", markersize=3)
right.set(
    xlabel="slate", ylabel="click rate of those who are there", ylim=(0, 1), title="Clicks along the session"
)
plt.show()

# %% [markdown]
# *10,000 users, one random video a step. Left: half of the users have left after about thirteen slates. Right: clicks become
# rarer, and the first steps differ: the place in the session has an effect that was fitted to the log. Who clicks does not
# stay longer in this world (`leave_idle`, assumed).*
#
# ## Users differ
#
# The same ten videos, shown as one slate to all users: how often is there a click, and by whom? If all users were alike,
# the number of clicks would be a sum of independent Bernoulli variables with the videos' rates $p_j$ and variance
# $\sum_j p_j (1 - p_j)$. What is above that is what an agent can learn about users.

# %%
slates = gym.make_vec("recgym/ContentSlate-v1", num_envs=10_000, slate_size=10, observation="history")
slates.reset(seed=0)
observations, *_ = slates.step(np.tile(np.arange(10), (10_000, 1)))
events = observations["events"].reshape(10_000, 20, -1)  # the last twenty shown items, oldest first
clicks = events[:, -10:, 0]  # (10,000 users, 10 videos); event 0 is the click
rates, counts = clicks.mean(0), clicks.sum(1)
alike = np.random.default_rng(0).binomial(1, rates, clicks.shape).sum(1)
print(f"variance of the clicks {counts.var():.2f}; if all users were alike {(rates * (1 - rates)).sum():.2f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.bar(range(10), rates, color="#3465a4")
left.set(xlabel="video", ylabel="click rate over users", ylim=(0, 1), title="Videos differ")
right.hist(
    [counts, alike],
    bins=np.arange(12) - 0.5,
    label=["simulated users", "one rate a video"],
    color=["#4e9a06", "#babdb6"],
)
right.set(xlabel="clicks on the ten videos", ylabel="users", ylim=(0, 3_300), title="Users differ")
right.legend(frameon=False)
plt.show()

# %% [markdown]
# *Left: click rates of ten videos. Right: clicks of each of 10,000 users, beside what users without tastes would do.*
#
# ## Exercises
#
# 1. How wide would the interval of the paired difference be with 800 sessions instead of 200?
# 2. Which reward would you give an agent that shall keep users for long? `gym.make(..., reward={"click": 1, "like": 5})`
#    makes your own.
# 3. Is the sequence of observations of `"features"` a Markov chain?
#
# <details><summary>Answers</summary>
#
# 1. Half as wide: a standard error falls as one over the root of the number of sessions.
# 2. One reward a slate, whatever happens, would be the length of the session; there is no event for it, so take a wrapper
#    with `reward = 1.0`. Rewarding clicks alone also favours long sessions: each further slate may bring clicks.
# 3. No. The observation is a summary of the events; the intent, and in worlds that have one the random intercept
#    of the session, are hidden. This is a partially observed process. The observation `"history"` holds more of the past.
#
# </details>
#
# <details><summary>How to go on</summary>
#
# [2. From a log to an environment](02_from_a_log.ipynb) shows where these users come from. `recgym bench --preset quick`
# compares agents on the same users.
#
# </details>
