# %% [markdown]
# # 6. Other libraries
#
# An environment of recgym is a Gymnasium environment. Here Stable-Baselines3, sb3-contrib, a loop of one's own in the style
# of CleanRL, and TorchRL train in it, each in a few lines.
#
# *You need* notebook 4. *You learn* to train by other libraries, action masks, and the two ways in which a vector restarts
# its sessions. Two minutes.

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
from gymnasium.vector import AutoresetMode
from torch import nn

from agents.sb3 import as_vec_env

ENV = "recgym/EcommercePage-v1"  # a shop: an action names a product and shows its page
torch.set_num_threads(1)


# %%
def mean_return(choose, env_id=ENV, sessions=500):
    """Mean return of the same 500 users under `choose(observations, infos) -> items`."""
    many = gym.make_vec(env_id, sessions, action_mask=True)
    seen, infos = many.reset(seed=10_000)
    alive, total = np.ones(sessions, bool), np.zeros(sessions)
    while alive.any():
        seen, reward, terminated, truncated, infos = many.step(choose(seen, infos))
        total += np.where(alive, reward, 0)
        alive &= ~(terminated | truncated)
    return total.mean()


rng = np.random.default_rng(0)
results = {"random": mean_return(lambda seen, infos: rng.integers(0, 217, len(seen)))}
print(results)

# %% [markdown]
# ## Stable-Baselines3
#
# No wrapper is needed. `as_vec_env` makes an SB3 `VecEnv` of our native vector, whose rows run in compiled code.

# %%
from stable_baselines3 import DQN

envs = as_vec_env(gym.make_vec(ENV, 16, autoreset_mode="SameStep"))
dqn = DQN(
    "MlpPolicy", envs, learning_rate=1e-3, learning_starts=500, gamma=0.5, exploration_fraction=0.6, seed=0
)
dqn.learn(6_000)
results["SB3 DQN"] = mean_return(lambda seen, infos: dqn.predict(seen, deterministic=True)[0])
print(f"{results['SB3 DQN']:.2f} clicks a session after 6,000 steps")

# %% [markdown]
# ## sb3-contrib, with action masks
#
# Who has become a friend is not suggested again: `action_masks()` of the environment says which actions are allowed, and
# MaskablePPO reads it. In a vector the mask is in `infos["action_mask"]`.

# %%
from sb3_contrib import MaskablePPO

friends = gym.make("recgym/SocialFriends-v3")
ppo = MaskablePPO("MlpPolicy", friends, n_steps=256, batch_size=64, n_epochs=3, seed=0)
ppo.learn(1_024)
observation, info = friends.reset(seed=1)
over, shown = False, []
while not over:
    mask = friends.unwrapped.action_masks()
    action, _ = ppo.predict(observation, action_masks=mask, deterministic=True)
    assert mask[action]
    observation, reward, terminated, truncated, info = friends.step(action)
    shown.append((int(action), int(info["connect"])))
    over = terminated or truncated
print("candidate, accepted:", shown[:12])

# %% [markdown]
# Only who has accepted is masked. After 1,024 steps the agent has learned little, and may suggest one candidate again and again:
# the reward of a friend is rare.
#
# ## A loop of one's own
#
# Q-learning with a network, in the style of CleanRL: everything in one place. The loss of a batch is
#
# $$\big(Q(s, a) - r - \gamma\,(1 - \text{terminated})\,\max_{a'} Q(s', a')\big)^2$$
#
# A vector restarts its sessions by itself. In the mode NEXT_STEP the step *after* an end only begins the next session: that
# row is no transition. In SAME_STEP the observation after an end is already the next user's, and the last one of the old is
# in `infos["final_obs"]`. A loop that mistakes one for the other learns from transitions that join two users.


# %%
def learn(mode, num=16, steps=400, gamma=0.5):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    envs = gym.make_vec(ENV, num, autoreset_mode=mode)
    net = nn.Sequential(nn.Linear(envs.single_observation_space.shape[0], 64), nn.ReLU(), nn.Linear(64, 217))
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    seen, _ = envs.reset(seed=1)
    over, kept = np.zeros(num, bool), []
    for step in range(steps):
        with torch.no_grad():
            best = net(torch.as_tensor(seen)).argmax(1).numpy()
        epsilon = max(1 - step / (0.6 * steps), 0.05)
        action = np.where(rng.random(num) < epsilon, rng.integers(0, 217, num), best)
        after, reward, terminated, truncated, infos = envs.step(action)
        if mode is AutoresetMode.NEXT_STEP:
            rows, last, over = np.flatnonzero(~over), after, terminated | truncated
        else:
            rows, last = np.arange(num), after.copy()
            if "_final_obs" in infos:
                last[infos["_final_obs"]] = infos["final_obs"][infos["_final_obs"]]
        kept += [(seen[i], action[i], np.float32(reward[i]), last[i], terminated[i]) for i in rows]
        seen = after
        if step >= 30:
            batch = [kept[i] for i in rng.integers(0, len(kept), 128)]
            s, a, r, s2, left = (torch.as_tensor(np.array(column)) for column in zip(*batch, strict=True))
            with torch.no_grad():
                target = r + gamma * net(s2).amax(1) * ~left
            loss = (net(s).gather(1, a[:, None])[:, 0] - target).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net, len(kept)


for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
    net, count = learn(mode)
    results[f"own loop, {mode.value}"] = mean_return(
        lambda seen, infos, net=net: net(torch.as_tensor(seen)).argmax(1).numpy()
    )
    print(f"{mode.value}: {count} transitions of {16 * 400} rows")

# %%
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
axes.barh(list(results), list(results.values()), color="#3465a4")
axes.set(
    xlabel="return [clicks a session]",
    ylabel="trained by",
    title="About 6,000 steps, one seed, the same 500 users",
)
plt.show()

# %% [markdown]
# *One seed each: this shows that they learn, and not which is better (notebook 8).*
#
# ## TorchRL
#
# `GymEnv` makes an environment by its id; `GymWrapper` takes a native vector in the mode SAME_STEP. TorchRL wants a
# virtual environment of its own; the cell is skipped where it is missing.

# %%
if importlib.util.find_spec("torchrl") is None:
    print("TorchRL is not installed: pip install torchrl")
else:
    from torchrl.envs import GymEnv, GymWrapper

    print(GymEnv(ENV).rollout(5)["next", "reward"].ravel())
    print(GymWrapper(gym.make_vec(ENV, 4, autoreset_mode="SameStep")).rollout(5).batch_size)

# %% [markdown]
# RLlib, Tianshou and Minari: docs/integrations/ has a page for each, with the script that its test runs.
#
# ## Exercises
#
# 1. Leave out `~over` in the mode NEXT_STEP. What do the extra rows say, and to which value do they pull $Q$?
# 2. Why does DQN of SB3 refuse `recgym/EcommerceSlate-v1`, and what would PPO do with it?
# 3. Multiply the target by `~(terminated | truncated)`. What changes?
#
# <details><summary>Answers</summary>
#
# 1. State: the last of a user; action: whatever was sent; reward 0; next state: the first of another user. They pull the values
#    of last states towards $\gamma \max_a Q(s_{start}, a)$, although the user has gone.
# 2. Its actions are `MultiDiscrete`: 217 to the power of 6 slates have no column each. PPO draws each position by itself, and may
#    repeat an item; a repeat is an empty place.
#
# </details>
#
# <details><summary>Answer to 3</summary>
#
# Users at the horizon are taken for users who left: the values of late steps are too low. In this world few sessions reach the
# horizon, so that it matters little; with `horizon=5` it does.
#
# </details>
