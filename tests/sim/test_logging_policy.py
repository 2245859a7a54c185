"""Logs drawn from a world: propensities are frequencies, rows keep the contract, the source says it was sampled."""

import numpy as np
import pytest

from recgym.logs import sample_log, validate
from recgym.sim.engine import Engine
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize("policy", ["logged", "random"])
@pytest.mark.parametrize("domain", ["ecommerce", "content"])
def test_propensities_are_frequencies(policy, domain):
    """Each item's inverse propensities add up to the number of sessions that could be shown it."""
    world = synthetic(1, domain=domain, num_items=10).with_params(leave_bias=-60.0)
    log = sample_log(world, policy, 40_000, seed=5, horizon=2)
    item, p = (log.column(name).reshape(-1, 2) for name in ("item", "propensity"))
    for now in (0, 1):
        for i in range(10):
            could = np.ones(40_000, bool)
            if now and policy == "logged":  # the first is not shown again, but for a page of one item
                alone = [bool((page_numbers(world) == page_numbers(world)[a]).sum() == 1) for a in range(10)]
                could = (item[:, 0] != i) | (domain == "ecommerce" and alone[i])
            share = (1.0 / p[:, now])[item[:, now] == i]
            assert abs(share.sum() - could.sum()) < 5 * np.sqrt((share**2).sum())


def page_numbers(world):
    """(N,) number of the page of each item."""
    return world.arrays.category * (world.arrays.page.max() + 1) + world.arrays.page


def walk(world, slots, seen, lead=None, mask=None):
    """Every slate with its propensities, by enumeration in plain Python: {slate: (p of each position)}.

    `seen` holds what the visit was shown of each page (in a shop) or at all, in this round of it.
    """
    allowed = np.ones(world.num_items, bool) if mask is None else mask
    top = (shop if world.domain == "ecommerce" else feed)(world, lead)
    slates = {(): ()}
    for _ in range(slots):
        longer = {}
        for slate, ps in slates.items():
            chance = top(slate, seen, allowed)
            assert chance.sum() == pytest.approx(1.0)
            longer |= {(*slate, int(i)): (*ps, chance[i]) for i in np.flatnonzero(chance)}
        slates = longer
    return slates


def mixed(world, share, lead):
    """Probabilities over the catalogue, or with probability `logged_stay` over the category of the lead item."""
    if lead is None:
        return share
    same = world.arrays.category == world.arrays.category[lead]
    stay = world.arrays.logged_stay[0]
    return (1 - stay) * share + stay * share * same / (share * same).sum()


def feed(world, lead):
    """Items by exposure."""
    exposure = world.arrays.exposure
    base = mixed(world, exposure / exposure.sum(), lead)

    def top(slate, seen, allowed):
        chance = np.where(allowed, base, 0.0)
        chance[list(slate)] = 0.0
        fresh = chance.copy()
        fresh[list(seen)] *= world.arrays.logged_again[0]
        chance = fresh if fresh.sum() > 0 else chance
        return chance / chance.sum()

    return top


def shop(world, lead):
    """A page by its share of clicks, then its items evenly."""
    page = page_numbers(world)
    share = mixed(world, np.bincount(page, world.arrays.exposure)[page], None)
    same = np.ones(len(page), bool) if lead is None else world.arrays.category == world.arrays.category[lead]
    pages, first = np.unique(page, return_index=True)
    stay = 0.0 if lead is None else world.arrays.logged_stay[0]
    within = share[first][same[first]].sum()
    chance_of = {
        g: (1 - stay) * share[f] + (stay * share[f] / within if same[f] else 0.0)
        for g, f in zip(pages, first, strict=True)
    }

    def items(g, slate, seen, allowed):
        there = (page == g) & allowed
        there[list(slate)] = False
        fresh = there.copy()
        fresh[list(seen)] = False
        return fresh, there

    def top(slate, seen, allowed):
        chance = np.zeros(len(page))
        if not slate:
            for g in pages:
                whole = all(i in seen for i in np.flatnonzero(page == g))
                fresh, there = items(g, slate, seen, allowed)
                every, _ = items(g, slate, () if whole else seen, np.ones(len(page), bool))
                chance[there if whole else fresh] = chance_of[g] / every.sum()
            return chance / chance.sum()
        category = world.arrays.category[slate[0]]
        own = [g for g, f in zip(pages, first, strict=True) if world.arrays.category[f] == category]
        turn = own.index(page[slate[0]])
        others = [g for g in pages if g not in own]  # of the other of two categories
        candidates = [
            there for g in own[turn:] + own[:turn] + others for there in items(g, slate, seen, allowed)
        ]
        there = next(there for there in candidates if there.any())
        return there / there.sum()

    return top


def small(domain):
    """Nine items: in a shop pages of 3, 2 and 4, the first two of one category; "again": items may come again."""
    world = synthetic(3, domain=domain.replace("again", "content"), num_items=9, num_categories=2)
    world = world.with_arrays(logged_again=np.array([0.4 * (domain == "again")]))
    page, category = np.repeat([0, 1, 0], [3, 2, 4]), np.repeat([0, 0, 1], [3, 2, 4])
    order = np.random.default_rng(1).permutation(9)  # exposure does not follow the pages
    return world.with_arrays(page=page[order], category=category[order], logged_stay=np.array([0.6]))


def at(world, slots, num, before):
    """An engine whose sessions were shown these slates, the policy called at each of them, and the lead item."""
    engine = Engine(world, num, slate_size=slots, horizon=50, reward=make_reward(world, {}))
    engine.seed(np.arange(num, dtype=np.uint64))
    engine.reset()
    policy = LoggedPolicy(world)
    for slate in before:
        policy(engine)
        engine.step(np.tile(np.array(slate, np.int64), (num, 1)), np.ones(num, bool))
    if before:
        engine.sessions.lead[:] = before[-1][0]
    return engine, policy


CASES = [
    ("content", 1, [], ()),
    ("content", 2, [], ()),
    ("content", 2, [(4, 0), (2, 7)], (4, 0, 2, 7)),
    ("content", 3, [(4, 0, 1), (2, 7, 3)], (4, 0, 1, 2, 7, 3)),
    ("content", 3, [(4, 0, 1), (2, 7, 3), (5, 6, 0)], (5, 6, 0)),  # 8 was left: then all items are open again
    ("again", 2, [(4, 0), (2, 7), (7, 1)], (4, 0, 2, 7, 1)),
    ("ecommerce", 1, [], ()),
    ("ecommerce", 2, [], ()),
    ("ecommerce", 4, [], ()),  # pages of 3 and 2 are followed by the next
    ("ecommerce", 1, "page", None),
    ("ecommerce", 2, "page", None),
    ("ecommerce", 2, "whole page", None),
]


def slates_before(world, slots, before, seen):
    """What a case was shown; "page": the first slate of the page of 4, "whole page": all of it."""
    if not isinstance(before, str):
        return before, seen
    four = [int(i) for i in np.flatnonzero(page_numbers(world) == np.bincount(page_numbers(world)).argmax())]
    shown = four if before == "whole page" else four[:slots]
    return [tuple(shown[i : i + slots]) for i in range(0, len(shown), slots)], tuple(shown)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_slates_and_propensities_are_those_of_an_enumeration(case, masked):
    domain, slots, before, seen = case
    world, num = small(domain), 20_000
    before, seen = slates_before(world, slots, before, seen)
    engine, policy = at(world, slots, num, before)
    mask = np.ones(9, bool)
    mask[[1, 6]] = not masked
    slates, propensity = policy(engine, np.tile(mask, (num, 1)) if masked else None)
    known = walk(world, slots, seen, before[-1][0] if before else None, mask)
    rows, where, count = np.unique(slates, axis=0, return_index=True, return_counts=True)
    drawn = dict(zip(map(tuple, rows.tolist()), zip(where, count, strict=True), strict=True))
    assert set(drawn) <= set(known)
    for slate, (row, _) in drawn.items():
        assert propensity[row] == pytest.approx(known[slate], rel=1e-9)
    assert sum(np.prod(p) for p in known.values()) == pytest.approx(1.0)
    for slate, ps in known.items():
        p = np.prod(ps)
        assert abs(drawn.get(slate, (0, 0))[1] - num * p) <= 5 * np.sqrt(num * p * (1 - p)) + 5


@pytest.mark.parametrize(
    ("domain", "slots"), [("ecommerce", 1), ("content", 1), ("content", 4), ("social", 25)]
)
def test_no_item_is_shown_twice_in_a_session_before_all_were(domain, slots):
    world = synthetic(2, domain=domain, num_items=60).with_params(leave_bias=-60.0)
    log = sample_log(world, "logged", 200, seed=1, slate_size=slots, horizon=60 // slots)
    page = page_numbers(world) if domain == "ecommerce" else np.zeros(60, int)
    whole = np.bincount(page)[page]
    item, session = log.column("item"), log.column("session")
    for visit in range(200):
        own = item[session == visit]
        times = np.bincount(own, minlength=60)
        shown = np.bincount(page, times)[page]
        np.testing.assert_array_less(
            times - 1, shown / whole + 1e-9
        )  # as often as all items of its page were shown


def test_a_policy_that_joins_late_or_is_restored_knows_the_last_items():
    world = synthetic(2, domain="content", num_items=60).with_params(leave_bias=-60.0)
    engine, policy = at(world, 1, 50, [(i,) for i in range(5)])
    state = engine.snapshot()
    same = policy(engine)[0]
    np.testing.assert_array_equal(policy(engine)[0], same)
    np.testing.assert_array_equal(LoggedPolicy(world)(engine)[0], same)
    engine.step(same, np.ones(50, bool))
    policy(engine)
    engine.restore(state)
    np.testing.assert_array_equal(policy(engine)[0], same)


def test_responses_have_the_popularity_of_a_log_without_exposures():
    """The bias lacks half of log popularity: shown as its square root, responses are as popular as the log's."""
    world = synthetic(1, domain="social", num_items=40, num_users=5)
    flat = {
        name: np.zeros_like(getattr(world.arrays, name)) for name in ("factors", "user_bias", "context_bias")
    }
    bias = 0.5 * np.log(world.arrays.exposure) - 3.0
    world = world.with_arrays(item_bias=bias, **flat).with_params(mood=0.0, rho=0.0, kappa=0.0, outside=0.0)
    terms = [
        {"term": "exposure", "status": "assumed", "value": "share of pairs"},
        {"term": "item_bias", "status": "assumed", "value": 0.5},
    ]
    world = world.with_params(theta=0.0, leave_bias=0.0).with_card(terms=terms)
    log = sample_log(world, "logged", 60_000, seed=3, horizon=1)
    shown = np.bincount(log.column("item"), minlength=40)
    share = world.arrays.exposure**0.5 / (world.arrays.exposure**0.5).sum()
    assert (np.abs(shown - 60_000 * share) < 5 * np.sqrt(60_000 * share)).all()
    responses = np.bincount(log.column("item")[log.column("listen")], minlength=40)
    wanted = world.arrays.exposure / world.arrays.exposure.sum() * responses.sum()
    assert (np.abs(responses - wanted) < 5 * np.sqrt(wanted) + 0.03 * wanted).all()


@pytest.mark.parametrize("name", ["exposure", "logged_stay"])
def test_each_number_of_the_logging_policy_changes_it(name):
    world = synthetic(1)
    changed = {
        "exposure": world.with_arrays(exposure=np.full(30, 1 / 30)),
        "logged_stay": world.with_arrays(logged_stay=np.array([0.95])),
    }[name]
    first, second = (sample_log(w, "logged", 200, seed=1).column("item") for w in (world, changed))
    assert len(first) != len(second) or (first != second).any()


@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_a_sampled_log_is_valid_and_names_its_source(domain):
    world = synthetic(2, domain=domain)
    log = sample_log(world, "logged", 300, seed=1, slate_size=3, horizon=7)
    assert validate(log) == []
    assert log.num_sessions == 300
    assert log.column("step").max() == 6
    assert log.events == tuple(event.name for event in world.events)
    assert "sampled" in log.source.name
    assert "simulated, not logged" in log.source.note
    assert (log.column("context_index") < 24).all()


def test_a_sampled_session_equals_that_of_an_environment():
    """Row i of a sampled log is episode 0 of an environment that was reset with seed + i and shown the same items."""
    import gymnasium as gym

    world = synthetic(3, domain="social")
    log = sample_log(world, "random", 5, seed=70)
    for session in range(5):
        rows = log.column("session") == session
        env = gym.make("recgym/Social-v2", world=world)
        _, info = env.reset(seed=70 + session)
        assert info["user"] == log.column("user")[rows][0]
        over = False
        for item, listen in zip(log.column("item")[rows], log.column("listen")[rows], strict=True):
            assert not over
            *_, terminated, truncated, info = env.step(int(item))
            assert info["listen"] == listen
            over = terminated or truncated
        assert over


def test_impossible_samples_are_errors():
    with pytest.raises(ValueError, match="policy is 'best', allowed: 'logged', 'random' or a function"):
        sample_log(synthetic(), "best")
    with pytest.raises(ValueError, match="sessions is 0"):
        sample_log(synthetic(), sessions=0)


def test_the_shipped_log_names_its_source():
    from recgym.logs import read_log

    log = read_log("sample")
    assert "sampled from the world ecommerce-1" in log.source.name
    assert validate(log) == []
    assert log.num_sessions == 2_000
