# %% [markdown]
# # 7. Judging without live users
#
# A new policy, and only the log of an old one. What would the new one have earned? *Off-policy evaluation* answers from the
# log's propensities. Here the truth can be computed, so that each estimator can be judged.
#
# *You need* notebooks 1 and 3, expectations, variances. *You learn* IPS, SNIPS, the direct method, doubly robust
# estimates, and when not to believe an interval. One minute.

# %%
import importlib.util

if importlib.util.find_spec("recgym") is None:  # a fresh environment: install from this checkout
    # %pip install -q "..[agents]"
    print("installed")

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from recgym.evaluate import cross_fit, dm, dr, ips, snips
from recgym.logs import sample_log

ENV, ITEMS = "recgym/Social-v2", 20
env = gym.make(ENV, n_items=ITEMS, horizon=1, reward="clicks")

# %% [markdown]
# ## The value of a policy
#
# One slate of one artist for each user who comes: a contextual bandit. The value of a policy $\pi$ is
#
# $$V(\pi) = \mathbb E_u \sum_a \pi(a)\, \mu_u(a)$$
#
# with $\mu_u(a)$ the probability of a listen. The log was made by a policy $\pi_0$ that prefers what is popular. The new
# policy $\pi$ is a softmax with other preferences. The simulator knows $\mu$, so $V$ is a mean over users.

# %%
many = gym.make_vec(ENV, 20_000, n_items=ITEMS, horizon=1, reward="clicks")
many.reset(seed=1)
mu = many.unwrapped.privileged().expected_reward()  # (20,000 users, 20 artists)


def softmax(x):
    weights = np.exp(x - x.max())
    return weights / weights.sum()


rng = np.random.default_rng(0)
logging = softmax(0.8 * rng.standard_normal(ITEMS))  # pi_0
near = softmax(np.log(logging) + 3 * mu.mean(0))  # pi: moves towards what is liked
far = softmax(-1.5 * np.log(logging) + 3 * mu.mean(0))  # pi: shows what the log showed least
truth = {"near": (mu @ near).mean(), "far": (mu @ far).mean()}
print(
    f"V(logging) {(mu @ logging).mean():.4f}", {name: round(float(value), 4) for name, value in truth.items()}
)
print(f"largest weight pi / pi_0: near {(near / logging).max():.1f}, far {(far / logging).max():.1f}")

# %% [markdown]
# ## Four estimators
#
# With actions $a_j$, rewards $r_j$ and weights $w_j = \pi(a_j) / \pi_0(a_j)$ of $n$ logged rounds:
#
# $$\hat V_{IPS} = \frac1n \sum_j w_j r_j, \qquad \hat V_{SNIPS} = \frac{\sum_j w_j r_j}{\sum_j w_j}$$
#
# A reward model $\hat\mu$ gives the *direct method*, and both together the *doubly robust* estimate (Dudík, Langford and Li,
# 2011):
#
# $$\hat V_{DM} = \frac1n\sum_j \sum_a \pi(a)\hat\mu_j(a), \qquad
# \hat V_{DR} = \hat V_{DM} + \frac1n\sum_j w_j\,(r_j - \hat\mu_j(a_j))$$
#
# By hand, on one log of 2,000 rounds:


# %%
def draw_log(policy, rounds, seed):
    """Actions, rewards, propensities and users of so many rounds under a policy."""

    def choose(engine):
        actions = np.random.default_rng(seed).choice(ITEMS, engine.num, p=policy)
        return actions[:, None].astype(np.int64), policy[actions][:, None]

    log = sample_log(env, choose, sessions=rounds, seed=seed * 1_000_003)
    return (
        log.column("item"),
        log.column("listen").astype(float),
        log.column("propensity"),
        log.column("user"),
    )


action, reward, propensity, user = draw_log(logging, 2_000, seed=1)
w = near[action] / propensity
model = np.bincount(action, reward, ITEMS) / np.maximum(np.bincount(action, minlength=ITEMS), 1)  # mu(a)
model[:] = 0.5 * model + 0.5 * reward.mean()  # a crude model, pulled half-way to the mean
by_hand = {
    "IPS": (w * reward).mean(),
    "SNIPS": (w * reward).sum() / w.sum(),
    "DM": near @ model,
    "DR": near @ model + (w * (reward - model[action])).mean(),
}
print("truth", round(float(truth["near"]), 4), {name: round(float(v), 4) for name, v in by_hand.items()})

# %% [markdown]
# `recgym.evaluate` has the same with intervals, an effective sample size $n_e = (\sum w)^2 / \sum w^2$, and reasons
# against the interval:

# %%
predicted = np.tile(model, (2_000, 1))
for name, pi in (("near", near), ("far", far)):
    target = np.tile(pi, (2_000, 1))
    for label, found in (
        ("ips", ips(reward, pi[action], propensity)),
        ("snips", snips(reward, pi[action], propensity)),
        ("dr", dr(reward, target, propensity, predicted, action=action)),
    ):
        print(
            f"{name:4s} {label:6s} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}], worth "
            f"{found.effective_sample_size:.0f} rounds  {found.warning}"
        )

# %% [markdown]
# ## Bias and variance over many logs
#
# One log is one draw. Over 300 logs of 500 rounds each the estimates have a mean (is it right?) and a spread.


# %%
def estimates(pi, rounds, logs=300):
    rows = []
    for _ in range(logs):
        a = rng.choice(ITEMS, rounds, p=logging)
        user = rng.integers(0, len(mu), rounds)
        r = (rng.random(rounds) < mu[user, a]).astype(float)
        w = pi[a] / logging[a]
        crude = (
            0.5 * np.bincount(a, r, ITEMS) / np.maximum(np.bincount(a, minlength=ITEMS), 1) + 0.5 * r.mean()
        )
        rows.append(
            ((w * r).mean(), (w * r).sum() / w.sum(), pi @ crude, pi @ crude + (w * (r - crude[a])).mean())
        )
    return np.array(rows)


names = ("IPS", "SNIPS", "DM", "DR")
found = {name: estimates(pi, 500) for name, pi in (("near", near), ("far", far))}
for name, values in found.items():
    for label, column in zip(names, values.T, strict=True):
        bias, sd = column.mean() - truth[name], column.std(ddof=1)
        print(
            f"{name:4s} {label:6s} bias {bias:+.4f}  standard deviation {sd:.4f}  rmse {np.hypot(bias, sd):.4f}"
        )

# %%
figure, both = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for axes, (name, values) in zip(both, found.items(), strict=True):
    axes.boxplot(values, tick_labels=names, whis=(2.5, 97.5), showfliers=False)
    axes.axhline(truth[name], color="#cc0000", linewidth=1)
    axes.set(xlabel="estimator", ylabel="estimated listens a user", title=f"Policy {name}, 500 rounds")
plt.show()

# %% [markdown]
# *300 logs. Boxes are quartiles, whiskers hold 95 %, the red line is the truth. Near the logging policy all work. Far from it
# IPS is right on average and wide; SNIPS is narrower; the direct method is narrow around its model's error; DR takes the
# model's precision, and mends its bias with the weights.*
#
# ## How many rounds?
#
# The standard error falls as one over the root of $n$, a bias does not fall at all.

# %%
sizes = (100, 300, 1_000, 3_000)
errors = np.array([np.sqrt(((estimates(far, n, 100) - truth["far"]) ** 2).mean(0)) for n in sizes])
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for label, column in zip(names, errors.T, strict=True):
    axes.loglog(sizes, column, "o-", label=label, markersize=4)
axes.loglog(
    sizes, errors[0, 0] * np.sqrt(sizes[0] / np.array(sizes)), ":", color="black", label=r"$1/\sqrt{n}$"
)
axes.set(xlabel="logged rounds", ylabel="root mean squared error", title="Policy far")
axes.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *100 logs for each point.*
#
# A better model helps both: `cross_fit` fits a model of scikit-learn on other folds than it predicts, so that no round is
# judged by a model that has seen its reward. What is known of a user at the first step in this world is what the friends
# listen to: the shares of categories in their libraries are columns of the observation. The model has a weight for each
# pair of such a share and an artist.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

columns = env.unwrapped.observation_columns
FRIENDS = [number for number, column in enumerate(columns) if "friends' libraries" in column]
same = gym.make_vec(ENV, 2_000, n_items=ITEMS, horizon=1, reward="clicks")
observation, _ = same.reset(seed=1, options={"user": user})  # the users of the log
context = observation[:, FRIENDS]
context = context[:, context.std(0) > 0]
print(f"{context.shape[1]} categories are in friends' libraries of these {ITEMS} artists")
pairs = make_pipeline(PolynomialFeatures(interaction_only=True), LogisticRegression())
fitted = cross_fit(context, action, reward, np.eye(ITEMS), model=pairs)
target = np.tile(far, (2_000, 1))
for label, judge in (("dm", dm), ("dr", dr)):
    found = judge(reward, target, propensity, fitted, action=action)
    print(f"{label} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]", "; ".join(found.reasons))

# %% [markdown]
# The interval of DR is about a tenth narrower than with the crude model above: knowing users apart helps, and the poor overlap
# stays.
#
# ## Exercises
#
# 1. Show that IPS is unbiased, and where the proof uses $\pi_0(a) > 0$.
# 2. The log has deterministic rows: an editor pinned one artist at the top. What is their propensity, and what can be
#    learned from them?
# 3. Sessions of ten steps: how large do products of ten weights become?
#
# <details><summary>Answers</summary>
#
# 1. $\mathbb E[w r] = \sum_a \pi_0(a) \frac{\pi(a)}{\pi_0(a)} \mu(a) = \sum_a \pi(a)\mu(a)$. An action with $\pi_0(a) = 0$
#    and $\pi(a) > 0$ never occurs in the sum: its share of the value is missing, and no estimator can find it from the log.
# 2. The propensity is 1: they say how that artist is received, and nothing of any other. A policy that shows another one
#    there has weight 0 on all of them.
# 3. If each weight has the second moment $m$, the product has $m^{10}$: with $m = 2$ a thousand rounds are worth one.
#    `recgym.evaluate.per_decision_ips` uses the shorter products that each reward needs.
#
# </details>
#
# <details><summary>How to go on</summary>
#
# `recgym ope LOG --policy DIR` does this for a trained agent; results/ope/ has bias, coverage and ranking of all
# estimators in three worlds. [8. The benchmark](08_the_benchmark.ipynb) has live (simulated) users.
#
# </details>
