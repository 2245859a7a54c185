# %% [markdown]
# # 2. From a log to an environment
#
# A log is a table: who was shown what, and what happened. Here it is fitted to a world of simulated users, the world
# becomes an environment, and its *card* says how true it is and what had to be assumed.
#
# *You need* notebook 1 and logistic regression. *You learn* what a log identifies and what it cannot, how a world is
# judged on days that it has not seen, and what the words fitted, assumed and absent mean. One minute.

# %%
import importlib.util

if importlib.util.find_spec("recgym") is None:  # a fresh environment: install from this checkout
    # %pip install -q "..[agents]"
    print("installed")

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from recgym.fit import FitConfig, fit
from recgym.logs import read_log, sample_log, validate
from recgym.sim.synthetic import synthetic

# %% [markdown]
# ## A log whose truth is known
#
# No real log says what its users wanted. So that the fit can be judged, this log is drawn from a world that is known:
# 40 users, 20 videos shown at random, 1,000 sessions. To the fit it is a file like any other.

# %%
truth = synthetic(7, domain="content", num_users=40, num_items=20)
true_env = gym.make("recgym/Content-v1", world=truth, reward="clicks")
drawn = sample_log(true_env, "random", sessions=1_000, seed=1).to_pandas()
table = pd.DataFrame(
    {
        "visitor": "u" + drawn.user.astype(str),
        "video": "v" + drawn.item.astype(str),
        "when": 1_750_000_000 + 1_000 * drawn.session + 20 * drawn.step,  # [s]
        "session": drawn.session,
        "clicked": drawn.click.astype(int),
    }
)
table.to_csv("events.csv", index=False)
print(table.head(4).to_string(index=False))
print(f"{len(table)} impressions, {table.clicked.mean():.1%} with a click")

# %% [markdown]
# A map says which column is what. Nothing is repaired silently: `validate` lists every bad row, remarks say what was
# decided. On the command line this is `recgym validate events.csv --domain content --map ...`.

# %%
columns = "user=visitor,item=video,time=when,session=session,click=clicked"
log = read_log("events.csv", domain="content", mapping=columns)
print("problems:", list(validate(log)))
print("remarks:", *log.remarks)

# %% [markdown]
# ## The fit
#
# The probability of a click of user $u$ on item $i$ is a logit of the *affinity*,
#
# $$P(\text{click}) = \sigma(x_{ui}), \qquad x_{ui} = \langle z_u, q_i\rangle + b_i + a_u + m_s$$
#
# with intent $z$, factors $q$, biases $b, a$, and a random intercept $m$ of the session. `fit` maximises the likelihood
# of the first 80 % of the log by time, chooses on the next 10 %, and judges on the last 10 %, once. A part that does not
# improve the validation days is left out. (`epochs` and `bootstrap` are small here, so that this takes seconds.)

# %%
world = fit(log, name="my_world", config=FitConfig(dim=4, epochs=4, bootstrap=50), progress=False)
world.save("my_world")  # the folder for gym.make(..., world="my_world") and for recgym card my_world
terms = pd.DataFrame(world.card["terms"])
print(terms.columns.to_list())
print(terms["status"].value_counts().to_string())

# %% [markdown]
# *Fitted*: estimated from the log. *Assumed*: the log does not identify it, a stated value is used. *Absent*: not in the
# model. A few of each, with the reason:

# %%
for status in ("fitted", "assumed", "absent"):
    for row in terms[terms["status"] == status].head(4).to_dict("records"):
        print(f"{status:8s} {row['term']:12s} {str(row['source'])[:95]}")

# %% [markdown]
# ## How true is it?
#
# Each figure of the card stands beside the log's own, that of a simple baseline, and the *noise floor*: the difference of
# two halves of the log. A difference below the floor says nothing.

# %%
figures = pd.DataFrame(world.card["figures"]).set_index("figure")
wanted = [
    "rate of click",
    "log-loss of click",
    "AUC of click",
    "free-running: responses a visit",
    "free-running: visit length, mean",
]
shown = figures.loc[wanted, ["log", "world", "toy", "toy_name", "noise"]]
print(shown.rename(columns={"toy": "baseline", "toy_name": "which baseline"}).round(3).to_string())

# %% [markdown]
# All of these are within the floor. Visits of this log have no long pauses, so that the end of a visit counts as leaving and
# `leave_bias` is fitted. In a log with pauses the last row of a visit need not be its end: when users leave is then assumed,
# and the length of a running visit says nothing of the log's users. Rates and log-losses do not depend on that.
#
# Because the truth is known here, there is a stricter test: the fitted probability of a click of every user on every
# item, beside the true one. Both worlds are read through `privileged()`, which no agent may use.


# %%
def click_probability(env):
    """P(click) (users, items) at the start of a session, averaged over 200 seeds of the session's draws."""
    users, count = env.unwrapped.num_users, 200
    many = gym.make_vec(
        "recgym/Content-v1", users * count, world=env.unwrapped.arguments.world, reward="clicks"
    )
    many.reset(seed=0, options={"user": np.repeat(np.arange(users), count)})
    return many.unwrapped.privileged().expected_reward().reshape(users, count, -1).mean(1)


fitted_env = gym.make("recgym/Content-v1", world="my_world", reward="clicks")
users = [
    int(name[1:]) for name in fitted_env.unwrapped.user_ids
]  # the fit numbers users and items its own way
items = [int(name[1:]) for name in fitted_env.unwrapped.item_ids]
fitted, true = click_probability(fitted_env), click_probability(true_env)[np.ix_(users, items)]
share = np.corrcoef(fitted.ravel(), true.ravel())[0, 1] ** 2
by_item = np.corrcoef(fitted.mean(0), true.mean(0))[0, 1] ** 2
by_user = np.corrcoef(fitted.mean(1), true.mean(1))[0, 1] ** 2
print(f"explained variance: items {by_item:.2f}, users {by_user:.2f}, pairs of user and item {share:.2f}")

# %%
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for axes, x, y, title in (
    (left, true.mean(0), fitted.mean(0), "20 items"),
    (middle, true.mean(1), fitted.mean(1), "40 users"),
    (right, true.ravel(), fitted.ravel(), "800 pairs of user and item"),
):
    axes.scatter(x, y, s=12 if len(x) < 100 else 3, color="#3465a4")
    axes.plot([0, 1], [0, 1], color="#babdb6", linewidth=1)
    axes.set(xlabel="true P(click)", ylabel="fitted P(click)", xlim=(0, 1), ylim=(0, 1), title=title)
plt.show()

# %% [markdown]
# *Means are found best: an item has some 500 impressions, a user 250. A pair of user and item has a dozen; what a user wants
# beyond the item's popularity is shrunk towards the mean, as it should be where the data do not say more.*
#
# ## What is assumed, and what depends on it
#
# When a log does not identify a term, results that depend on it are conditional on the assumption. `assume=` sets such a
# term to the low or high end of its stated range. In the shipped world `content-2` it is `leave_bias`: play the same users
# under each.

# %%
names = [row["term"] for row in world.card["terms"] if row["status"] == "assumed"]
print("assumed:", ", ".join(names))
for setting in ("low", "middle", "high"):
    env = gym.make_vec("recgym/Content-v1", 1_000, assume={"leave_bias": setting}, reward="clicks")
    env.reset(seed=0)
    alive, total = np.ones(1_000, bool), np.zeros(1_000)
    rng = np.random.default_rng(0)
    for _ in range(env.unwrapped.horizon):
        _, reward, terminated, truncated, _ = env.step(rng.integers(0, 500, 1_000))
        total += np.where(alive, reward, 0)
        alive &= ~(terminated | truncated)
    print(f"content-2, leave_bias {setting:6s}: {total.mean():5.2f} clicks a session of random videos")

# %% [markdown]
# The number of clicks a session rests on an assumption (KuaiRand's sessions have holes, so that leaving cannot be fitted);
# the ranking of two agents on the same users rests on it much less. That is why `recgym bench --assume sweep` judges
# agents at both ends.
#
# ## Exercises
#
# 1. Fit on a tenth of the sessions. How far do the three explained variances fall, and why?
# 2. Remove all rows without a click from the table, and fit again. What becomes assumed? (The card then has other figures:
#    `figures.index` lists them.)
# 3. A world has an AUC of .58 and the baseline of item rates .59, with a noise floor of .10. Is the world worse?
#
# <details><summary>Answers</summary>
#
# 1. In one draw of 100 sessions from .88 to .19 (items), from .84 to .25 (users) and from .35 to .08 (pairs). 100 sessions
#    are some 1,000 rows: 50 an item, 25 a user, about one a pair. A click rate from 50 rows has a standard error of .07,
#    as large as the differences between items; and the validation days, 100 rows, can hardly tell which terms to keep.
# 2. The response rate: a log of clicks alone says which items were clicked, not how often a shown item was not. So the
#    biases of items and the exposure are assumed as well, and when users leave, as nobody sees what came after the last click.
#    Returns are no longer numbers of clicks.
# 3. It cannot be said: the difference is far below the noise floor, the difference between two halves of the same log.
#    More test days would tell.
#
# </details>
#
# <details><summary>How to go on</summary>
#
# `recgym fit LOG --out DIR` does all of this for a file of yours, `recgym card DIR --png card.png` draws the card.
# [3. Bandits](03_bandits.ipynb) begins with the agents.
#
# </details>
