"""Names that are unknown: the message ends with the known one that is most like it, before anything is written."""

import shlex

import pytest
from refusals import refused

SHOP = "recgym/Ecommerce-v1"
UNWRITABLE = "/proc/never"  # names come first


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("tran ucb1 ID", "train"),
        ("train ucb1 ecommerce --out OUT", SHOP),
        ("train ucb ID --out OUT", "ucb1"),
        ("train ppo ID --out OUT", "sb3-ppo' or 'sb3-maskable-ppo"),
        ("train ucb1 ID --out OUT --world WORLDS/shp", "WORLDS/shop"),
        ("train ucb1 ID --out OUT --world ecomerce-2", "ecommerce-2"),
        ("""train ucb1 ID --out OUT --params '{"scal": 1}'""", "scale"),
        ("""train ucb1 ID --out OUT --env-args '{"rewards": "clicks"}'""", "reward"),
        ("""train ucb1 ID --out OUT --env-args '{"reward": "click"}'""", "clicks"),
        ("""train ucb1 ID --out OUT --env-args '{"reward": {"buy_cart": 1}}'""", "cart"),
        ("""train ucb1 ID --out OUT --env-args '{"rules": {"per_categories": 1}}'""", "per_category"),
        ("tune ucb ID --out OUT", "ucb1"),
        ("fit WORLDS/evnts.csv --domain ecommerce --out OUT", "WORLDS/events.csv"),
        ("fit WORLDS/events.csv --domain commerce --out OUT", "ecommerce"),
        ("fit WORLDS/events.csv --domain ecommerce --config shop-ecommerce-2 --out OUT", "ecommerce-2"),
        ("rolling WORLDS/events.csv --domain ecommerce --config ecommerce2", "ecommerce-2"),
        ("validate WORLDS/events.csv --domain ecommerce --map user=user,item=itm", "item"),
        ("validate WORLDS/events.csv --domain ecommerce --time-unit sms", "ms"),
        ("validate WORLDS/events.csv --source generic:seperator=;", "separator"),
        ("card WORLDS/shp --png OUT/card.png", "WORLDS/shop"),
        ("ope WORLDS/events.csv --policy WORLDS/shp", "WORLDS/shop"),
    ],
)
def test_the_name_that_was_meant_is_said(run, world, line, meant):
    folder = world.removesuffix("/shop")
    with open(f"{folder}/events.csv", "w") as file:
        file.write("user,item\na,x\na,y\nb,x\n")
    line = line.replace("ID", SHOP).replace("WORLDS", folder).replace("OUT", UNWRITABLE)
    answer = run(*shlex.split(line))
    if line.startswith("validate") and "map" in line:
        assert answer[0] == 2
        assert answer[1].endswith(f"; did you mean {meant!r}?\n"), answer
        return
    refused(answer)
    said = f"did you mean '{meant.replace('WORLDS', folder)}'?"
    assert answer[2].lower().rstrip(".\n").endswith(said.lower()), answer[2]
