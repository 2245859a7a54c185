"""Recognition of data sets and options of readers."""

import importlib
import zipfile

import numpy as np
import pytest
from log_layouts import (
    KUAIREC,
    ML1M,
    ML25M,
    ML100K,
    OTTO,
    RETAILROCKET,
    obd,
    refused,
    write,
)
from public_layouts import LAYOUTS

from recgym.logs import LogError, read_log, validate
from recgym.logs.log_options import TEXT_OPTIONS
from recgym.logs.sources import SOURCES

AT = 1_600_000_000  # [s]


@pytest.mark.parametrize(
    "texts", [KUAIREC, RETAILROCKET, obd(), ML100K, ML1M, ML25M], ids=lambda texts: next(iter(texts))
)
def test_a_zip_with_a_top_folder_reads_as_the_folder(tmp_path, texts):
    log = read_log(write(tmp_path / "folder", texts))
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in texts:
            packed.write(tmp_path / "folder" / name, f"some top folder/{name}")
    packed_log = read_log(tmp_path / "set.zip")
    assert packed_log.rows.drop(["file"]).equals(log.rows.drop(["file"]))
    assert packed_log.items.equals(log.items)


def test_a_source_may_carry_its_options(tmp_path):
    folder = write(tmp_path, obd())
    log = read_log(folder, source="obd:policy=bts,campaign=men")
    assert log.rows.equals(read_log(folder, policy="bts", campaign="men").rows)
    assert refused(folder, source="obd:policy") == "source 'obd:policy': 'policy' must look like option=value"
    twice = "obd:policy=bts,policy=random"
    assert refused(folder, source=twice) == f"source {twice!r}: option 'policy' is given twice"
    assert refused(folder, source="obd:policy=²").startswith("policy must be random or bts; it is '²'")
    assert refused(folder, source="obd:tab=1") == "option 'tab' is unknown; there are policy, campaign"
    assert refused(folder, source="odb:tab=1").startswith(
        "source 'odb' is unknown; there are eshop2008, kuairand"
    )


def test_no_data_set_is_recognised_as_another(tmp_path):
    layouts = {"kuairec": KUAIREC, "retailrocket": RETAILROCKET, "obd": obd(), "movielens_100k": ML100K}
    layouts |= {"movielens_1m": ML1M, "movielens_25m": ML25M, "otto": {"train.jsonl": OTTO}}
    for name, texts in (layouts | LAYOUTS).items():
        stated = {} if SOURCES[name].domain else {"domain": "content"}
        log = read_log(write(tmp_path / name, texts), **stated)
        assert log.rows.equals(read_log(tmp_path / name, source=name, **stated).rows)
        assert log.domain == (SOURCES[name].domain or "content")
        assert log.source.licence


@pytest.mark.data
def test_facts_of_the_impression_samples(data_folder):
    folder = data_folder / "impression_samples"
    otto = read_log(folder / "otto_train_20sessions.jsonl")
    assert (otto.num_users, otto.num_items, int(otto.column("click").sum())) == (20, 510, 817)
    news = read_log(folder / "ebnerd_behaviors.parquet")
    assert (len(news), news.num_users, int(news.column("click").sum())) == (10_848, 38, 1_047)
    mapping = "user=userId,item=itemId,time=showTime,position=showPos,click=click,context_network=network"
    yidian = read_log(folder / "yidian_news_sampled.csv", domain="content", mapping=mapping)
    assert validate(yidian) == validate(otto) == validate(news) == []


def test_every_data_set_has_a_layout_and_says_what_its_log_can_say():
    for name, row in SOURCES.items():
        assert all((row.about, row.limits)), name
    assert LAYOUTS.keys() < SOURCES.keys()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_reader_says_where_its_layout_was_looked_up(name):
    module = {"recbole": "recbole_atomic"}.get(name, name)
    text = importlib.import_module(f"recgym.logs.{module}").__doc__
    assert "Layout: " in text


@pytest.mark.parametrize("name", sorted(TEXT_OPTIONS))
@pytest.mark.parametrize("value", [3, 10**400, np.nan, True, ["s"], {"a": 1}, np.zeros(2), b"s"], ids=str)
def test_an_option_that_is_no_text_is_named_in_one_line(tmp_path, name, value):
    (tmp_path / "t.csv").write_text("user,item\na,b\n")
    with pytest.raises(LogError, match=rf"^{name} is .*, expected a text$"):
        read_log(tmp_path / "t.csv", **{"domain": "ecommerce", name: value})


@pytest.mark.parametrize("value", [3, None, [], [3], ["t.csv", None], {"t.csv"}, 1.5, np.zeros(2)], ids=str)
def test_a_path_of_another_type_is_named_in_one_line(value):
    with pytest.raises(
        LogError, match=r"^path is .*, expected the path of a file or folder, or a list of paths$"
    ):
        read_log(value, domain="ecommerce")


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, True, "30", None, 10**400, [1], 1j], ids=str)
def test_a_gap_that_is_no_length_is_named_in_one_line(tmp_path, value):
    (tmp_path / "t.csv").write_text("user,item,time\na,b,1600000000\n")
    with pytest.raises(
        LogError,
        match=r"^gap_minutes is .*, expected a number of minutes above 0, such as 30$",
    ):
        read_log(tmp_path / "t.csv", domain="ecommerce", gap_minutes=value)


@pytest.mark.parametrize(("text", "sessions"), [("0.5", 3), ("1.5", 2), ("2", 1), ("+2", 1)])
def test_a_gap_in_the_source_may_have_decimals(tmp_path, text, sessions):
    (tmp_path / "t.csv").write_text(
        "user,item,time\n" + "".join(f"a,b,{at}\n" for at in (AT, AT + 60, AT + 180))
    )
    log = read_log(tmp_path / "t.csv", domain="ecommerce", source=f"generic:gap_minutes={text}")
    assert log.num_sessions == sessions


def test_a_gap_below_0_in_the_source_is_named_as_a_number(tmp_path):
    (tmp_path / "t.csv").write_text(f"user,item,time\na,b,{AT}\n")
    with pytest.raises(
        LogError, match=r"^gap_minutes is -3, expected a number of minutes above 0, such as 30$"
    ):
        read_log(tmp_path / "t.csv", domain="ecommerce", source="generic:gap_minutes=-3")


def test_a_folder_of_several_data_sets_is_refused(tmp_path):
    for name, header in (("a/steam_reviews.json", "{}"), ("b/ratings.dat", "1::2::3::4")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(header + "\n")
    for name in ("movies.dat", "users.dat"):
        (tmp_path / "b" / name).write_text("x\n")
    said = r"holds several data sets, movielens_1m \(b/movies.dat\), steam \(a/steam_reviews.json\); name the files"
    with pytest.raises(LogError, match=said):
        read_log(tmp_path)
    for path in (tmp_path / "a").iterdir():
        path.rename(tmp_path / "b" / path.name)
    with pytest.raises(LogError, match="several data sets"):
        read_log(tmp_path / "b")


@pytest.mark.parametrize(
    "options", [{"path": ""}, {"path": [""]}, {"path": " "}, {"items": ""}, {"users": ""}, {"friends": ""}]
)
def test_an_empty_path_is_not_the_working_folder(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"t.csv": "user,item\nu,i\n"})
    options = {"path": "t.csv", "domain": "social", **options}
    with pytest.raises(
        LogError, match=r"(path|items|users|friends) is '.?', expected the path of a file or folder"
    ):
        read_log(options.pop("path"), **options)
