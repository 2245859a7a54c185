# %% [markdown]
# # 5. Deep collaborative filtering and DCF-DQN
#
# A network learns from a log what users respond to. Then the same network goes on learning from live sessions, and learns
# what is worth showing for the sake of later steps.
#
# *You need* notebook 4 and gradient descent. *You learn* two-tower models, double DQN, and how to see what
# reinforcement adds. Two minutes.

# %%
import importlib.util

if importlib.util.find_spec("recgym") is None:  # a fresh environment: install from this checkout
    # %pip install -q "..[agents]"
    print("installed")

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch

from agents import make_agent
from recgym.evaluate import paired_difference
from recgym.logs import sample_log

ENV = "recgym/EcommercePage-v1"  # a shop: an action names a product and shows its page
torch.set_num_threads(1)
env = gym.make(ENV)
log = sample_log(env, sessions=300, seed=1)
print(f"{log.num_rows} shown pages, {log.column('click').mean():.1%} with a click")

# %% [markdown]
# ## Two towers
#
# Matrix factorisation gives each user a vector. A *two-tower* network computes it from the session so far: $f_\theta(s)$ reads
# what is known of it, $g_\theta(a)$ the item, and the logit of a response is
#
# $$x(s, a) = c + \langle f_\theta(s), g_\theta(a)\rangle + b_a$$
#
# with a constant $c$ and a bias $b_a$ of each item. By hand, small: $s$ is the observation `features`, $g$ has a vector for each
# number of an item, and the loss is the mean cross-entropy of $n$ clicks $y$ (1 or 0),
# $-\frac1n \sum \big[y \log\sigma(x) + (1-y)\log(1-\sigma(x))\big]$. The log is drawn here step by step, with observations,
# and shows random products.

# %%
many = gym.make_vec(ENV, 256)
seen, _ = many.reset(seed=1)
rng = np.random.default_rng(0)
states, items, clicks, over = [], [], [], np.zeros(256, bool)
for _ in range(60):
    action = rng.integers(0, 217, 256)
    after, _, terminated, truncated, infos = many.step(action)
    states.append(seen[~over])
    items.append(action[~over])
    clicks.append(infos["click"][~over])
    seen, over = after, terminated | truncated
s, a, y = (
    torch.as_tensor(np.concatenate(states)),
    torch.as_tensor(np.concatenate(items)),
    torch.as_tensor(np.concatenate(clicks)).float(),
)


class Towers(torch.nn.Module):
    def __init__(self, width, num_items, d=8):
        super().__init__()
        self.f = torch.nn.Sequential(torch.nn.Linear(width, 32), torch.nn.ReLU(), torch.nn.Linear(32, d))
        self.g = torch.nn.Embedding(num_items, d)  # of the item's number alone
        self.b = torch.nn.Embedding(num_items, 1)
        torch.nn.init.normal_(self.g.weight, std=0.1)
        torch.nn.init.zeros_(self.b.weight)
        self.bias = torch.nn.Parameter(torch.logit(y.mean()))

    def forward(self, s, a):  # x(s, a)
        return self.bias + (self.f(s) * self.g(a)).sum(1) + self.b(a)[:, 0]


torch.manual_seed(0)
model = Towers(s.shape[1], 217)
optimiser = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=1e-3)
split, losses = int(0.8 * len(y)), []
for step in range(600):
    rows = torch.randint(split, (512,))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(model(s[rows], a[rows]), y[rows])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 25 == 0:
        with torch.no_grad():
            held = torch.nn.functional.binary_cross_entropy_with_logits(
                model(s[split:], a[split:]), y[split:]
            )
        losses.append((step, float(held)))
base = float(y[:split].mean())
entropy = -float((y[split:] * np.log(base) + (1 - y[split:]) * np.log(1 - base)).mean())
best = min(losses, key=lambda found: found[1])
print(
    f"held-out loss: one rate for all {entropy:.4f}, towers {best[1]:.4f} after {best[0]} steps, {losses[-1][1]:.4f} at the end"
)

# %% [markdown]
# Some ten thousand rows are few for a network: after a while it learns the training rows by heart, and the held-out loss
# rises a little. Whoever trains on a log stops where the loss of held-out rows is lowest (*early stopping*), as `deep-cf`
# does. The lowest loss was picked on the held-out rows themselves, so that it is a little too low; a third part of the log
# would judge it fairly.
#
# ## Offline, then online
#
# The zoo's `deep-cf` has a recurrent $f$ of the last items and events, public features in $g$, and a function $V(s)$ in place of
# $c$. `dcf-dqn` begins with the same offline stage, and then learns
#
# $$Q(s, a) = \underbrace{\text{shift} + \text{scale}\cdot x(s, a)}_{\text{own reward}} + \underbrace{\text{spread}\cdot y(s, a)}_{\text{what comes after}}$$
#
# by double DQN: $\text{spread}\cdot y$ moves towards $\gamma\, Q^-\big(s', \arg\max_{a'} Q(s', a')\big)$, with $Q^-$ a slow copy
# of the network, and $x$ goes on learning from clicks. With `steps=3`, as below, two further rewards are as they were paid: the
# target is $\gamma r' + \gamma^2 r'' + \gamma^3 Q^-$, two steps later. With $\gamma = 0$ the same agent learns online, and plans
# nothing: the difference of the two is what planning adds.

# %%
STEPS = 8_000
rows, pages, curves = {}, {}, {}


def judged(agent, sessions=600):
    """Return and number of pages of each of the same sessions."""
    from recgym.rollout.play import play

    def bound(env):
        agent.bind(env)
        return agent

    kwargs = {"observation": agent.env.unwrapped.arguments.observation}
    columns = play(ENV, kwargs, bound, 500_000, sessions)[0]
    return columns["return"], columns["length"]


for name in ("random", "popularity", "oracle"):
    agent = make_agent(name, env, seed=0)
    agent.prepare(log, seed=2)
    rows[name], pages[name] = judged(agent)
settings = {"steps": 3, "online_rate": 2e-3, "log_weight": 0.1}
for label, gamma in (("online, discount 0", 0.0), ("online, discount .9", 0.9)):
    agent = make_agent("dcf-dqn", env, seed=0, discount=gamma, **settings)
    agent.prepare(log, seed=2)
    if "offline" not in rows:
        rows["offline"], pages["offline"] = judged(agent)
    seen_steps = []
    agent.train(
        agent.env,
        STEPS,
        seed=3,
        report=lambda steps, found, to=seen_steps: to.append((steps, found["return"])),
    )
    (rows[label], pages[label]), curves[label] = judged(agent), np.array(seen_steps)
for name, values in rows.items():
    print(
        f"{name:20s} {values.mean():5.2f} +- {1.96 * values.std() / np.sqrt(len(values)):.2f} clicks, "
        f"{pages[name].mean():4.1f} pages, {values.sum() / pages[name].sum():.2f} clicks a page"
    )
for second, first in (("online, discount 0", "offline"), ("online, discount .9", "online, discount 0")):
    gain = paired_difference([rows[second]], [rows[first]])
    print(f"{second} over {first}: {gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for label, points in curves.items():
    smooth = np.convolve(points[:, 1], np.ones(5) / 5, "valid")
    left.plot(points[4:, 0], smooth, label=label)
left.set(xlabel="environment steps", ylabel="return while exploring [clicks]", title="Training")
left.legend(frameon=False, fontsize=8)
means = {name: values.mean() for name, values in rows.items()}
bars = [1.96 * values.std() / np.sqrt(len(values)) for values in rows.values()]
right.barh(list(means), list(means.values()), xerr=bars, color="#3465a4")
right.set(xlabel="return [clicks a session]", ylabel="agent", title="Judged on the same 600 users")
plt.show()

# %% [markdown]
# *One training each, 95 % intervals over sessions.* Look at the oracle first: it knows the probability of a click exactly, and has
# the most clicks a page. A click acts on leaving, too, by its item and by repeats, and the oracle's users leave after some 8 pages.
# Learning online with discount 0 goes the same way: more clicks a page than the offline stage where it began, on fewer pages, and
# in all no sure difference. With discount .9 the same agent, from the same log, in as many steps, keeps its users for 12 pages. It
# earns over 3 clicks more than with discount 0, and more than the oracle, which does not plan: this is what planning adds here. Another training (other seeds) can differ by more than these intervals say, as
# they are of the sessions alone; that is why the benchmark has many seeds.
#
# ## What reinforcement adds, and when it cannot
#
# Planning can only be worth something where a slate changes later steps. `recgym card --planning` computes what it is worth:
# the return of an oracle that looks ahead less that of one that does not. The cards of the worlds have it,
# per session of one item a step:

# %%
from recgym.envs.world_lookup import load_world

for name in ("ecommerce-2", "content-2", "social-3"):
    worth = load_world(name).card["planning"]
    print(
        f"{worth['env']:20s} oracle {worth['oracle']:.2f}, planning adds {worth['difference']:+.2f} "
        f"[{worth['low']:+.2f}, {worth['high']:+.2f}]"
    )

# %% [markdown]
# ## Exercises
#
# 1. Why is the maximum of a noisy $Q$ too large, and how does double DQN help?
# 2. Train with `log_weight=0`. What does the agent lose in its first thousand steps?
# 3. In a world where planning is worth nothing the best discount is 0. Is it then still reinforcement learning?
#
# <details><summary>Answers</summary>
#
# 1. $\mathbb E \max_a (Q_a + \epsilon_a) \ge \max_a Q_a$: the maximum picks positive errors. Double DQN takes the action from one
#    network and its value from another, whose errors are not those that made it the maximum.
# 2. Rows of the log keep $x$ from forgetting items that are not shown any more. Without them the network is fitted to the few
#    items that it shows.
#
# </details>
#
# <details><summary>Answer to 3</summary>
#
# It is a contextual bandit with a network: it explores and learns online, and plans nothing. That a world is a bandit is a
# finding of its card, within its interval, and not a fault of the agent.
#
# </details>
