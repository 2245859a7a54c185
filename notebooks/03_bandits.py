# %% [markdown]
# # 3. Bandits
#
# Show an item, see whether there is a response, learn. A *bandit* is a task in which actions have no effect on later steps:
# what is left of reinforcement learning is to explore and to exploit.
#
# *You need* notebook 1, means and variances, and matrix products for the second half. *You learn* regret,
# epsilon-greedy, UCB1, Thompson sampling, LinUCB, LinTS, and what collaborative filtering adds. Two minutes.

# %%
import importlib.util

if importlib.util.find_spec("recgym") is None:  # a fresh environment: install from this checkout
    # %pip install -q "..[agents]"
    print("installed")

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from agents import Transition, make_agent
from recgym.logs import sample_log

NUM, ITEMS = 64, 50  # sessions at once, items
VIDEOS = {"id": "recgym/Content-v1", "horizon": 1}  # one video for each user who comes
ARTISTS = {"id": "recgym/Social-v2"}  # whole sessions, one artist after another


def make(task, num=NUM, **kwargs):
    return gym.make_vec(**task, num_envs=num, n_items=ITEMS, reward="clicks", **kwargs)


# %% [markdown]
# ## Regret
#
# Each round shows one of $N$ items to a user. If $\mu_t(i)$ is the probability of a response to item $i$ for the user of
# round $t$, the *regret* of showing $i_t$ is
#
# $$\rho_t = \max_i \mu_t(i) - \mu_t(i_t)$$
#
# An agent never sees $\mu$. The simulator does: `privileged().expected_reward()`. The *oracle* shows the maximiser and
# has no regret; the best *single* item, the same for all users, has some.


# %%
def regret_of(policy, task, steps, observation="features"):
    """Mean regret of each step over the sessions, shape (steps,); the policy learns on the way."""
    env = make(task, observation=observation)
    seen, _ = env.reset(seed=3)
    over, rows, regret = np.zeros(NUM, bool), np.arange(NUM), []
    while len(regret) < steps:
        items = policy.act(seen)
        mu = env.unwrapped.privileged().expected_reward()  # (NUM, ITEMS)
        after, reward, terminated, truncated, _ = env.step(items)
        live = np.flatnonzero(~over)  # rows that ended have only begun their next session
        if len(live):
            regret.append((mu.max(1) - mu[rows, items])[live].mean())
            policy.learn(seen, items, reward, after, terminated, truncated, live)
        seen, over = after, terminated | truncated
    return np.array(regret)


floors = {}
for name, task in (("videos", VIDEOS), ("artists", ARTISTS)):
    many = make(task, 5_000)
    many.reset(seed=1)
    mu = many.unwrapped.privileged().expected_reward()
    best, single, chance = mu.max(1).mean(), mu.mean(0).max(), mu.mean()
    floors[name] = best - single, best - chance
    print(f"{name}: rate of responses: oracle {best:.3f}, best single item {single:.3f}, random {chance:.3f}")

# %% [markdown]
# Two very different tasks. In the world of the videos the best single item is nearly as good as the oracle: what is to be
# learned is little more than 50 numbers. In the world of the artists it is far below the oracle: users differ.
#
# ## Three bandits without context
#
# They keep for each item $i$ the number of times $n_i$ it was shown and the number of responses $s_i$; $\hat\mu_i = s_i /
# n_i$. They differ in one line.
#
# * *Epsilon-greedy*: with probability $\varepsilon$ a random item, else $\arg\max_i \hat\mu_i$.
# * *UCB1* (Auer, Cesa-Bianchi and Fischer, 2002): $\arg\max_i\; \hat\mu_i + c\sqrt{2 \ln t / n_i}$, with $c = 1$ in the
#   paper.
# * *Thompson sampling* (Thompson, 1933): draw $\theta_i \sim \mathrm{Beta}(1 + s_i,\, 1 + n_i - s_i)$, show
#   $\arg\max_i \theta_i$.


# %%
class Counts:
    """Bandit without context; `index` gives a number for each item, the largest is shown."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.n, self.s = np.zeros(ITEMS), np.zeros(ITEMS)

    def act(self, observation):
        return np.argmax(self.index(), axis=1)

    def learn(self, seen, items, reward, after, terminated, truncated, live):
        np.add.at(self.n, items[live], 1)
        np.add.at(self.s, items[live], reward[live])

    def mean(self):
        return self.s / np.maximum(self.n, 1)


class EpsilonGreedy(Counts):
    def index(self, epsilon=0.1):
        noise = self.rng.random((NUM, ITEMS))
        explores = self.rng.random((NUM, 1)) < epsilon
        return np.where(explores, noise, self.mean() + 1e-6 * noise)


class Ucb1(Counts):
    def index(self, c=1.0):
        bonus = c * np.sqrt(2 * np.log(max(self.n.sum(), 2)) / np.maximum(self.n, 0.1))
        return self.mean() + bonus + 1e-6 * self.rng.random((NUM, ITEMS))


class Thompson(Counts):
    def index(self):
        return self.rng.beta(1 + self.s, 1 + self.n - self.s, (NUM, ITEMS))


videos = {kind.__name__: regret_of(kind(), VIDEOS, 1_500) for kind in (EpsilonGreedy, Ucb1, Thompson)}
for name, regret in videos.items():
    print(f"{name:15s} sum of regrets {regret.sum():5.1f}, last 50 steps {regret[-50:].mean():.3f} a step")

# %%
colours = plt.get_cmap("tab10").colors
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for (name, regret), colour in zip(videos.items(), colours, strict=False):
    left.plot(np.convolve(regret, np.ones(20) / 20, "valid"), color=colour, label=name)
    right.plot(np.cumsum(regret), color=colour)
for level, style, label in zip(floors["videos"], ("-", ":"), ("best single item", "random"), strict=True):
    left.axhline(level, color="black", linestyle=style, linewidth=1, label=label)
left.set(
    xlabel="step (64 users each)", ylabel="regret, mean of 20 steps", ylim=(0, 0.24), title="Regret, videos"
)
left.legend(frameon=False, fontsize=8)
right.set(xlabel="step (64 users each)", ylabel="sum of mean regrets", title="Cumulative regret, videos")
plt.show()

# %% [markdown]
# *50 videos, 64 new users a step, one run each. Epsilon-greedy stays with a good item until one of its random steps shows a
# better one, is ahead at first, and pays for exploring for ever: its line on the right stays straight. UCB1's bonus is made
# for the worst case, and explores for long. Thompson sampling explores an item as often as it is likely to be the best: its
# line bends, crosses the other after some 1,000 steps, and comes down to the best single item. Only an agent that
# knows users apart can stay below that line.*
#
# ## Context
#
# LinUCB (Li, Chu, Langford and Schapire, 2010) has for each item a ridge regression of the reward on the user's features
# $\phi$,
#
# $$A_i = \lambda I + \sum \phi\phi^\top, \qquad b_i = \sum r\,\phi, \qquad \hat w_i = A_i^{-1} b_i$$
#
# and shows $\arg\max_i\; \phi^\top\hat w_i + \alpha\sqrt{\phi^\top A_i^{-1}\phi}$. LinTS (Agrawal and Goyal, 2013) draws $w_i
# \sim \mathcal N(\hat w_i, \alpha^2 A_i^{-1})$ instead. With $\phi = 1$ they are nearly the bandits above. Here $\phi$ is a 1
# and, for each category, the share of it in the recent listens of the session: columns of the observation.


# %%
names = make(ARTISTS).unwrapped.observation_columns
TASTE = [column for column, name in enumerate(names) if name.startswith("category histogram of responses")]
WIDTH = 1 + len(TASTE)


class LinUcb:
    def __init__(self, alpha=0.2, ridge=1.0, seed=0):
        self.alpha, self.rng = alpha, np.random.default_rng(seed)
        self.A = np.tile(ridge * np.eye(WIDTH), (ITEMS, 1, 1))  # (items, WIDTH, WIDTH)
        self.b = np.zeros((ITEMS, WIDTH))

    def phi(self, observation):
        return np.column_stack([np.ones(NUM), 3 * observation[:, TASTE]])  # (NUM, WIDTH)

    def act(self, observation):
        phi, inverse = self.phi(observation), np.linalg.inv(self.A)
        mean = phi @ np.einsum("nij,nj->in", inverse, self.b)  # phi' w
        width = np.sqrt(np.einsum("bi,nij,bj->bn", phi, inverse, phi, optimize=True))  # sqrt(phi' A^-1 phi)
        return np.argmax(self.score(mean, width) + 1e-9 * self.rng.random(mean.shape), axis=1)

    def score(self, mean, width):
        return mean + self.alpha * width

    def learn(self, seen, items, reward, after, terminated, truncated, live):
        phi = self.phi(seen)[live]
        np.add.at(self.A, items[live], phi[:, :, None] * phi[:, None, :])
        np.add.at(self.b, items[live], reward[live][:, None] * phi)


class LinTs(LinUcb):
    def score(self, mean, width):  # phi' w of a draw of w is normal with this mean and width
        return mean + self.alpha * width * self.rng.standard_normal(mean.shape)


artists = {kind.__name__: regret_of(kind(), ARTISTS, 300) for kind in (Thompson, LinUcb, LinTs)}
for name, regret in artists.items():
    print(f"{name:15s} mean regret of the last 100 steps {regret[-100:].mean():.3f}")

# %% [markdown]
# ## What other users liked
#
# Thompson sampling without context is hardly better than random here, and not only because users differ: an artist who was
# heard is less attractive for the rest of the session. LinUCB and LinTS see what the session has brought so far, and need
# time to learn fifty regressions. LinUCB is slower than LinTS, because decisions come in batches of 64: it shows the item
# with the largest bound to all of them, where LinTS draws 64 times.
#
# Matrix factorisation brings what *other* users liked: $P(\text{listen}) \approx \langle p_u, q_i\rangle + b_i$, with factors
# $q$ from a *log* of other sessions and a posterior of $p_u$, which begins with what the user's other sessions say and is updated
# within the session. The agent `mf` of the zoo does this, with Thompson sampling. `linucb` and `lints` of the zoo have 43 features
# of the session: beside shares of listens those of what was shown, the events of the last step, the hour and the step; and they show
# no artist again within 20 steps. `make_agent` makes them, `prepare` gives `mf` its log.


# %%
class FromTheZoo:
    def __init__(self, name, log=None):
        self.agent = make_agent(name, make(ARTISTS), seed=0)
        self.observation = self.agent.env.unwrapped.arguments.observation  # the one that it reads
        if log is not None:
            self.agent.prepare(log, seed=2)

    def act(self, observation):
        return self.agent.act(observation, explore=True)

    def learn(self, seen, items, reward, after, terminated, truncated, live):
        def take(batch):
            return {k: v[live] for k, v in batch.items()} if isinstance(batch, dict) else batch[live]

        self.agent.learn(
            Transition(
                take(seen),
                items[live],
                reward[live],
                take(after),
                terminated[live],
                truncated[live],
                row=live,
            )
        )


log = sample_log(make(ARTISTS), sessions=2_000, seed=1)
for name, offline in (("linucb", None), ("lints", None), ("mf", log)):
    policy = FromTheZoo(name, offline)
    artists[f"{name} (zoo)"] = regret_of(policy, ARTISTS, 300, policy.observation)
    print(f"{name:15s} mean regret of the last 100 steps {artists[f'{name} (zoo)'][-100:].mean():.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for (name, regret), colour in zip(artists.items(), colours, strict=False):
    style = "--" if "zoo" in name else "-"
    left.plot(np.convolve(regret, np.ones(50) / 50, "valid"), style, color=colour, label=name)
    right.plot(np.cumsum(regret), style, color=colour)
for level, style, name in zip(
    floors["artists"], ("-", ":"), ("best single item, new to all", "random"), strict=True
):
    left.axhline(level, color="black", linestyle=style, linewidth=1, label=name)
left.set(
    xlabel="step (64 sessions)", ylabel="regret, mean of 50 steps", ylim=(0, 0.75), title="Regret, artists"
)
left.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")
right.set(xlabel="step (64 sessions)", ylabel="sum of mean regrets", title="Cumulative regret, artists")
plt.show()

# %% [markdown]
# *64 sessions at once, 50 artists, one run each. Under the black line an agent knows users apart.* One run is not a
# comparison: seeds differ (notebook 8). Of what is left between `mf` and 0 no agent can have all: at the
# first step of a new user, before a single response, the oracle knows the taste, and an agent at most what the friends' libraries
# say of it. These are columns of the observation `features`; no agent of this notebook reads them.
#
# ## Exercises
#
# 1. Run UCB1 with $c = 0.2$. Why is it better here, and when would it be worse?
# 2. The regret of epsilon-greedy grows in a straight line. Which $\varepsilon_t$ would bend it?
# 3. Set `ITEMS = 500`. Which agents suffer most?
#
# <details><summary>Answers</summary>
#
# 1. `regret_of(type("Small", (Ucb1,), {"index": lambda self: Ucb1.index(self, 0.2)})(), VIDEOS, 1_500)`. The bonus of the
#    paper is for any rewards in [0, 1] and any horizon; rates near .5 and thousands of rounds need less. With a few unlucky
#    first rounds a small bonus gives up a good item.
# 2. One that falls as $c / t$ (Auer, Cesa-Bianchi and Fischer, 2002): the cost of exploring is then a sum of $1 / t$, a
#    logarithm. Too small a $c$ stops exploring before the best item is known.
#
# </details>
#
# <details><summary>Answer to 3</summary>
#
# Those that learn each item by itself: ten times as many items need ten times as many rounds. LinUCB with a model for
# each item suffers most: it has 27 numbers an item to learn. `mf` has learned the items from the log.
#
# </details>
