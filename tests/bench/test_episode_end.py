"""The section "Episode End": what leaving depends on, from the terms of a world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from env_helpers import world_for

from recgym.bench.episode_end import LEAVING, episode_end, leaving_terms
from recgym.envs import ENVIRONMENTS
from recgym.events import EVENTS
from recgym.fit.provenance import OPTIONAL_TERMS, term_names
from recgym.sim.schema import PARAMS

PAGES = Path(__file__).parents[2] / "docs" / "environments"


def test_every_term_of_leaving_of_a_card_has_words():
    terms = {name for domain in EVENTS for name in (*term_names(domain), *OPTIONAL_TERMS)}
    leaving = {name for name in terms if name.startswith("leave_")} - {"leave_bias"}
    assert leaving | {"patience", "page_items"} == set(LEAVING)


def test_a_page_names_the_terms_that_are_not_zero():
    world = world_for("recgym/Content-v1")
    names = [param.name for param in PARAMS]
    for name in LEAVING:
        arrays = {each: np.zeros_like(getattr(world.arrays, each)) for each in LEAVING if each not in names}
        params = world.arrays.params.copy()
        params[[names.index(each) for each in LEAVING if each in names]] = 0.0
        if name in names:
            params[names.index(name)] = 0.5
        else:
            arrays[name] = np.ones_like(arrays[name])
        bare = replace(world, arrays=world.arrays._replace(**arrays, params=params))
        assert leaving_terms(bare) == [name]
        assert f"depends on {LEAVING[name]}. Truncated" in episode_end(ENVIRONMENTS[0], bare)


def test_shop_and_friends_name_what_they_have():
    ends = {}
    for row in ENVIRONMENTS:
        text = (PAGES / f"{row.id.removeprefix('recgym/')}.md").read_text()
        ends[row.id] = text.split("## Episode End\n\n")[1].split("\n")[0]
    shop, feed, friends = (
        ends[f"recgym/{name}"] for name in ("Ecommerce-v1", "Content-v1", "SocialFriends-v3")
    )
    assert LEAVING["leave_repeat"] in shop
    assert LEAVING["leave_idle"] in shop
    assert LEAVING["leave_time"] not in feed
    assert LEAVING["leave_run"] in feed
    assert "depends on whether there was a response." in friends
