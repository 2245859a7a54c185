"""Teacher forcing: a world is calibrated on a log sampled from it, and forecasts equal those of a single session."""

import numpy as np
import pytest

from recgym.fidelity.evaluation import pages
from recgym.fidelity.indexed_log import align
from recgym.logs.sample import sample_log
from recgym.sim.logged_visits import LoggedVisits
from recgym.sim.scalar_math import sigmoid
from recgym.sim.session import affinity, apply_feedback, event_logit, respond
from recgym.sim.session_arrays import empty_feedback, empty_sessions
from recgym.sim.session_start import begin_session
from recgym.sim.synthetic import synthetic
from recgym.sim.teacher_forcing import DRAWS, _hidden, predict, predict_choices, simulate

USER_EFFECTS = ("profile", "user_bias", "event_user")
PLAIN = {"sigma": 0.0, "mood": 0.0, "patience": 0.0}


def visits_of(world, *, sessions=300, seed=3, slate_size=3, horizon=12):
    return align(world, sample_log(world, "random", sessions, seed, slate_size=slate_size, horizon=horizon))


def z_score(flag, chance):
    return (flag.sum() - chance.sum()) / np.sqrt((chance * (1 - chance)).sum())


@pytest.mark.parametrize("domain", ["content", "social", "ecommerce"])
def test_forecasts_are_calibrated_with_all_hidden_variables(domain):
    world = synthetic(1, domain=domain).with_params(
        mood=1.0, patience=0.8, sigma=0.3 if domain == "social" else 0.0
    )
    if domain == "ecommerce":  # where a position may not be examined, the choice is exact for one item only
        world = world.with_arrays(examine=np.ones(50))
    log = visits_of(world, sessions=1500)
    out = predict(world, log.visits)
    for e, event in enumerate(world.events):
        flag, chance = log.events[event.name], out.chance[log.step, log.place, e]
        assert abs(z_score(flag, chance)) < 4, event.name
        late = log.clock > 3  # by then the forecasts depend on the random intercept
        assert abs(z_score(flag[late], chance[late])) < 4, event.name
    part = log.clock[log.lead] < log.cut
    assert abs(z_score(log.left[part], out.left[part])) < 4
    late = part & (log.clock[log.lead] > 3)
    assert abs(z_score(log.left[late], out.left[late])) < 4


def test_the_posterior_of_the_random_intercept_improves_forecasts():
    world = synthetic(1, domain="content").with_params(mood=1.5, sigma=0.0)
    log = visits_of(world, sessions=600)
    click = log.response.astype(float)

    def loss(judged):
        chance = predict(judged, log.visits).chance[log.step, log.place, 0]
        return -np.mean(np.log(np.where(click, chance, 1 - chance)))

    assert loss(world) < loss(world.with_params(mood=0.0)) - 0.01


@pytest.mark.parametrize("domain", ["content", "social"])
def test_forecasts_equal_those_of_the_scalar_functions(domain):
    world = synthetic(2, domain=domain).with_params(**PLAIN)
    log = visits_of(world, sessions=20)
    out, v, w = predict(world, log.visits), log.visits, world.arrays
    for visit in range(20):
        s, f = empty_sessions(world, 1), empty_feedback(1, 3)
        begin_session(w, s, 0, int(v.user[visit]), int(v.context[visit]))
        for step in range(v.begin[visit], v.begin[visit + 1]):
            for k in range(3):
                item = int(v.slate[step, k])
                x = affinity(w, s, 0, item)
                assert out.x[step, k] == pytest.approx(x, abs=1e-12)
                first = float(w.examine[k]) * sigmoid(x)
                assert out.chance[step, k, 0] == pytest.approx(first, abs=1e-12)
                second = sigmoid(event_logit(w, int(v.user[visit]), item, 1, x, True, False))
                if w.watch[0] and w.duration[item] <= 7000:
                    second = 1.0
                assert out.chance[step, k, 1] == pytest.approx(first * second, abs=1e-12)
            f.events[0] = v.events[step]
            slate = v.slate[step : step + 1].copy()
            assert out.left[step] == pytest.approx(sigmoid(apply_feedback(w, s, 0, slate, f)), abs=1e-12)


def test_probabilities_of_rare_events_equal_their_frequencies():
    world = synthetic(3, domain="content").with_params(**PLAIN)
    log = visits_of(world, sessions=1, slate_size=2)
    slate, events = log.visits.slate[:1], log.visits.events[:1]
    visits = LoggedVisits(
        log.visits.user[:1], log.visits.context[:1], np.array([0, 1]), slate, events, log.visits.known
    )
    chance = predict(world, visits).chance[0]
    s, f, count = empty_sessions(world, 1), empty_feedback(1, 2), np.zeros((2, len(world.events)))
    begin_session(world.arrays, s, 0, int(visits.user[0]), int(visits.context[0]))
    for key in range(40_000):
        s.key[0] = np.uint64(key * 7_919 + 1)
        respond(world.arrays, s, 0, slate, f)
        count += (f.events[0][:, None] >> np.arange(len(world.events))) & 1
    error = np.sqrt(chance * (1 - chance) / 40_000) + 1e-9
    assert np.abs(count / 40_000 - chance).max() < 0.02
    assert (np.abs(count / 40_000 - chance) < 4.5 * error).all()


def test_forecasts_of_a_visit_do_not_depend_on_other_visits():
    world = synthetic(4, domain="content")
    log = visits_of(world, sessions=15).visits
    together = predict(world, log)
    for visit in range(15):
        steps = slice(log.begin[visit], log.begin[visit + 1])
        own = slice(visit, visit + 1)
        alone = LoggedVisits(
            log.user[own], log.context[own], np.array([0, steps.stop - steps.start]), log.slate[steps],
            log.events[steps], log.known,
        )  # fmt: skip
        found = predict(world, alone)
        np.testing.assert_array_equal(found.chance, together.chance[steps])
        np.testing.assert_array_equal(found.left, together.left[steps])


def test_an_unknown_user_has_the_posterior_of_the_population():
    world = synthetic(5, domain="social", num_users=2, spread=3.0).with_params(**PLAIN)
    world = world.with_arrays(examine=np.ones(50))
    log = visits_of(world, sessions=400, slate_size=1)
    known = predict(world, log.visits).chance[:, 0, 0]
    out = predict(world, log.visits._replace(user=np.full(len(log.visits.user), -1, np.int32))).chance[
        :, 0, 0
    ]
    first = log.visits.begin[:-1]
    both = np.stack([
        predict(world, log.visits._replace(user=np.full(len(log.visits.user), u, np.int32))).chance[first, 0, 0]
        for u in (0, 1)
    ])  # fmt: skip
    np.testing.assert_allclose(out[first], both.mean(0), atol=1e-9)
    assert DRAWS % 2 == 0  # two users of equal weight are drawn equally often
    clock = log.clock[log.lead]
    assert np.abs(out - known)[clock > 8].mean() < 0.5 * np.abs(out - known)[clock == 1].mean()


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_equal_users_are_one_draw(sigma):
    world = synthetic(2, num_users=4, num_items=12).with_params(sigma=sigma)
    equal = {name: np.repeat(getattr(world.arrays, name)[:1], 4, axis=0) for name in USER_EFFECTS}
    world = world.with_arrays(**equal)
    visits = visits_of(world, sessions=40).visits
    unknown = visits._replace(user=np.full_like(visits.user, -1))
    for found, expected in zip(predict(world, unknown), predict(world, visits), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert len(_hidden(world).user) == (DRAWS if sigma else 1)
    assert len(_hidden(synthetic(2, num_users=4).with_params(sigma=0.0)).user) == DRAWS


def test_simulated_responses_have_the_forecast_rates():
    world = synthetic(6, domain="content").with_params(**PLAIN)
    log = visits_of(world, sessions=800)
    drawn = np.stack([simulate(world, log.visits, seed << 32).events for seed in range(10)])
    first = log.visits.begin[:-1]  # later steps depend on the simulated responses, not on the logged ones
    for e in range(len(world.events)):
        chance = predict(world, log.visits).chance[first, :, e]
        flag = (drawn[:, first] >> e) & 1
        assert abs(flag.sum() - 10 * chance.sum()) < 4.5 * np.sqrt(10 * (chance * (1 - chance)).sum())
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], simulate(world, log.visits, 0).events)


def test_choices_are_a_softmax_over_the_page():
    world = synthetic(7, domain="ecommerce").with_params(**PLAIN)
    log = visits_of(world, sessions=40, slate_size=1)
    clicks = LoggedVisits(
        log.visits.user, log.visits.context, log.visits.begin, log.visits.slate,
        np.ones_like(log.visits.events), np.array([1], np.int32),
    )  # fmt: skip
    options = pages(world, log.item)
    out, w = predict_choices(world, clicks, options), world.arrays
    page_number = w.category * 100 + w.page
    for visit in range(40):
        s, f = empty_sessions(world, 1), empty_feedback(1, 1)
        begin_session(w, s, 0, int(clicks.user[visit]), int(clicks.context[visit]))
        f.events[:] = 1
        for step in range(clicks.begin[visit], clicks.begin[visit + 1]):
            item = int(clicks.slate[step, 0])
            page = np.flatnonzero(page_number == page_number[item])
            part = slice(options.begin[step], options.begin[step + 1])
            np.testing.assert_array_equal(np.sort(options.item[part]), page)
            weight = np.exp([affinity(w, s, 0, int(i)) for i in options.item[part]])
            np.testing.assert_allclose(out.chance[part], weight / weight.sum(), atol=1e-12)
            chance = sigmoid(apply_feedback(w, s, 0, clicks.slate[step : step + 1].copy(), f))
            assert out.left[step] == pytest.approx(chance, abs=1e-12)


def test_a_choice_needs_one_item_a_step():
    world = synthetic(7, domain="ecommerce")
    log = visits_of(world, sessions=3)
    with pytest.raises(ValueError, match="slates have 3 items"):
        predict_choices(world, log.visits, pages(world, log.item))
