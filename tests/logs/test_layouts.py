"""Readers of public data sets, on tiny files in the exact official layouts."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgym.logs import LogError, read_log, validate
from recgym.logs.kuairand import rule_shares, watch_flags
from recgym.logs.sources import SOURCES


def write(folder: Path, texts: dict[str, str | bytes]) -> Path:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def changed(texts: dict[str, str], name: str, old: str, new: str) -> dict[str, str]:
    assert old in texts[name]
    return {**texts, name: texts[name].replace(old, new)}


def refused(folder: Path, **options) -> str:
    with pytest.raises(LogError) as error:
        read_log(folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---- KuaiRand, file names of its three sizes

KUAIRAND = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
)


@pytest.mark.parametrize(
    ("size", "logs"),
    [
        ("pure", ("standard_4_08_to_4_21", "standard_4_22_to_5_08")),
        ("1k", ("standard_4_08_to_4_21", "standard_4_22_to_5_08")),
        ("27k", ("standard_4_08_to_4_21_27k_part1", "standard_4_22_to_5_08_27k_part2")),
    ],
)
def test_kuairand_of_every_size_is_recognised(tmp_path, size, logs):
    texts = {
        f"user_features_{size}.csv": "user_id,is_live_streamer\n3,0\n",
        f"video_features_basic_{size}.csv": "video_id,author_id,video_type,video_duration,tag\n"
        "2,1,NORMAL,19000.0,39\n",
        f"log_random_4_22_to_5_08_{size}.csv": KUAIRAND
        + f"3,2,20220426,100,1650900000000,{'0,' * 7}0,20000,0,0,0,1,1\n",
    }
    for day, name in enumerate(logs):
        name = name if size in name else f"{name}_{size}"
        row = f"3,2,2022042{day},100,{1650300000000 + day * 86_400_000},1,{'0,' * 6}9000,20000,0,0,0,0,1\n"
        texts[f"log_{name}.csv"] = KUAIRAND + row
    folder = write(tmp_path, {f"KuaiRand/data/{name}": text for name, text in texts.items()})
    assert read_log(folder).column("session").tolist() == [0, 1]
    assert read_log(folder, policy="random").column("click").tolist() == [False]


# ---- KuaiRec

MATRIX = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
KUAIREC = {
    "KuaiRec 2.0/data/big_matrix.csv": MATRIX
    + "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.2733965215790926\n"
    "0,9598,7000,30000,2020-07-05 00:13:41.297,20200705,1593879221.297,0.2333\n"
    "0,9598,7000,30000,2020-07-05 00:13:41.297,20200705,1593879221.297,0.2333\n"
    "14,3649,18000,10867,2020-07-04 23:00:00.0,20200704,1593874800.0,1.6564\n"
    "0,3649,6500,10867,2020-07-06 09:00:00.0,20200706,1593997200.0,0.5981\n",
    "KuaiRec 2.0/data/small_matrix.csv": MATRIX
    + "14,9598,4381,6067,2020-07-05 05:27:48.378,20200705.0,1593898068.378,0.722\n14,3649,100,10867,,,,0.0092\n",
    "KuaiRec 2.0/data/item_categories.csv": 'video_id,feat\n3649,"[27, 9]"\n9598,[8]\n',
    "KuaiRec 2.0/data/user_features.csv": "user_id,user_active_degree,is_live_streamer,onehot_feat0\n"
    "0,high_active,-124,0\n14,full_active,1,1\n",
    "KuaiRec 2.0/data/social_network.csv": "user_id,friend_list\n0,[14]\n",
    "KuaiRec 2.0/data/item_daily_features.csv": "video_id,date\n3649,20200705\n",
}


def test_kuairec_days_flags_and_features(tmp_path):
    log = read_log(write(tmp_path, KUAIREC))
    assert log.users["id"].to_pylist() == ["0", "14"]
    assert log.users["is_live_streamer"].to_pylist() == [None, 1]
    assert log.items["id"].to_pylist() == ["3649", "9598"]
    assert log.items["category"].to_pylist() == ["tag27", "tag8"]
    assert log.items["duration_ms"].to_pylist() == [10867.0, 30000.0]
    assert log.column("session").tolist() == [0, 1, 1, 2]
    assert log.column("user").tolist() == [1, 0, 0, 0]
    assert log.column("time").tolist() == [1593874800000, 1593878903438, 1593879221297, 1593997200000]
    assert log.column("context_hour").tolist() == [23, 0, 0, 9]  # Beijing's
    assert log.column("watch_ms").tolist() == [18000, 13838, 7000, 6500]
    assert log.column("click").tolist() == [True, True, False, False]
    assert log.column("long_view").tolist() == [True, True, False, False]
    assert log.column("file_row").tolist() == [5, 2, 3, 6]
    assert log.duplicates == 1
    assert log.remarks[0] == (
        "KuaiRec 2.0/data/big_matrix.csv: click and long_view are derived from watch time and duration, not logged"
    )
    assert rule_shares(log) == {"click": 1.0, "long_view": 1.0}
    assert validate(log) == []


def test_kuairec_rows_without_a_time_are_counted(tmp_path):
    log = read_log(write(tmp_path, KUAIREC), matrix="small")
    assert log.column("item").tolist() == [0]
    assert "KuaiRec 2.0/data/small_matrix.csv: 1 rows without a time left out" in log.remarks


def test_watch_flags_at_the_bounds_of_the_documented_rules():
    watch = np.array([6_999, 7_000, 7_000, 7_001, 17_999, 18_000, 18_000, 12_000])
    duration = np.array([7_000, 7_000, 7_001, 20_000, 18_000, 18_000, 60_000, 0])
    flags = watch_flags(watch, duration)
    assert flags["click"].tolist() == [False, True, False, True, True, True, True, True]
    assert flags["long_view"].tolist() == [False, True, False, False, False, True, True, False]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("big_matrix.csv", "0,9598,7000", "0,9599,7000",
         "big_matrix.csv, row 3, video_id: the video must be in item_categories.csv; found 9599 (and 1 more)"),
        ("big_matrix.csv", "14,3649,18000", "15,3649,18000",
         "big_matrix.csv, row 5, user_id: the id must be in the table of users; found 15"),
        ("big_matrix.csv", "0,3649,13838", "0,3649,long",
         "row 2, play_duration: a whole number is needed; found 'long'"),
        ("big_matrix.csv", "0,3649,13838", "0,3649,-5",
         "row 2, watch_ms: watch time must be 0 ms or above; found -5"),
        ("big_matrix.csv", "play_duration", "played", "row 1: the header must have 'play_duration'"),
    ],
)  # fmt: skip
def test_kuairec_errors_name_the_place(tmp_path, name, old, new, message):
    assert message in refused(write(tmp_path, changed(KUAIREC, f"KuaiRec 2.0/data/{name}", old, new)))


def test_kuairec_options(tmp_path):
    folder = write(tmp_path, KUAIREC)
    assert refused(folder, matrix="huge") == "matrix must be big or small; it is 'huge'"
    assert refused(folder, domain="social").endswith("has the domain content and takes no mapping")


# ---- RetailRocket

RETAILROCKET = {
    "events.csv": "timestamp,visitorid,event,itemid,transactionid\n"
    "1433221332117,257597,view,355908,\n"
    "1433221333000,257597,addtocart,355908,\n"
    "1433221334000,257597,transaction,355908,4000\n"
    "1433224214164,257597,view,248676,\n"  # 48 minutes later
    "1433221999827,111016,addtocart,318965,\n",
    "item_properties_part1.csv": "timestamp,itemid,property,value\n"
    "1433041200000,355908,categoryid,1\n1433000000000,355908,categoryid,1338\n1433050000000,355908,categoryid,213\n"
    "1441508400000,355908,categoryid,99\n1441508400000,206783,888,1116713 960601 n277.200\n",
    "item_properties_part2.csv": "timestamp,itemid,property,value\n"
    "1439694000000,248676,categoryid,561\n1438694000000,248676,categoryid,560\n1433041200000,318965,790,n15360.000\n",
    "category_tree.csv": "categoryid,parentid\n1016,213\n231,\n",
}


def test_retailrocket_events_join_and_categories_are_those_of_the_period(tmp_path):
    log = read_log(write(tmp_path, RETAILROCKET))
    assert log.domain == "ecommerce"
    assert log.users["id"].to_pylist() == ["111016", "257597"]
    assert log.items["id"].to_pylist() == ["248676", "318965", "355908"]
    # the last one before the last event; else the first known; else none
    assert log.items["category"].to_pylist() == ["category 560", "unknown", "category 213"]
    assert log.column("session").tolist() == [0, 1, 2]
    assert log.column("item").tolist() == [2, 1, 0]
    assert log.column("click").tolist() == [True, True, True]
    assert log.column("cart").tolist() == [True, True, False]
    assert log.column("purchase").tolist() == [True, False, False]
    assert log.column("file_row").tolist() == [2, 6, 5]
    assert log.remarks == (
        "events.csv: 1 rows of items without a categoryid",
        "events.csv: times from 2015-06-02 05:02:12 to 2015-06-02 05:50:14 UTC, unit ms",
        "events.csv: event words: addtocart 2 as click+cart, view 2 as click, transaction 1 as click+cart+purchase",
        "events.csv: 1 items have no category: it is unknown",
        "events.csv: 2 rows joined an earlier row of their item",
        "all rows are responses (click): the log does not say what was shown without one",
    )
    assert validate(log) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("events.csv", "addtocart,318965", "sneeze,318965", "row 6, event: the event is unknown in the"),
        ("events.csv", "1433221999827", "soon", "events.csv, row 6, timestamp: a whole number is needed; found 'soon'"),
        ("events.csv", "view,248676", "view,", "events.csv, row 5, itemid: a value is needed; found nothing"),
        ("item_properties_part2.csv", "1433041200000,318965", "x,318965",
         "item_properties_part2.csv, row 4, timestamp: a whole number is needed; found 'x'"),
    ],
)  # fmt: skip
def test_retailrocket_errors_name_the_place(tmp_path, name, old, new, message):
    assert message in refused(write(tmp_path, changed(RETAILROCKET, name, old, new)))


# ---- Open Bandit Dataset

OBD_HEADER = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3,"
    "user-item_affinity_0,user-item_affinity_1\n"
)
CONTEXT = ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n"
CONTEXT += "0,0,-0.5,aed7,6750,5c1e\n1,1,0.25,31af,6750,5c1e\n"


def obd() -> dict[str, str]:
    rows = (
        "0,2019-11-24 00:00:34.762830+00:00,1,3,0,0.5,81ce,03a5,c2e4,f975,0.0,0.0\n"
        "1,2019-11-24 00:00:17+00:00,0,1,1,0.25,81ce,03a5,c2e4,f975,0.0,1.0\n"
        "2,2019-11-24 00:00:18.000000+00:00,0,2,0,1.0,81ce,03a5,c2e4,abcd,0.0,0.0\n"
    )
    files = {}
    for policy in ("random", "bts"):
        for campaign in ("all", "men", "women"):
            place = f"open_bandit_dataset/{policy}/{campaign}"
            files[f"{place}/{campaign}.csv"] = OBD_HEADER + rows.replace("81ce", f"{policy}{campaign}")
            files[f"{place}/item_context.csv"] = CONTEXT
    return files


def test_obd_impressions_with_propensities(tmp_path):
    folder = write(tmp_path, obd())
    log = read_log(folder)
    assert log.users["id"].to_pylist() == ["randomall-03a5-c2e4-f975", "randomall-03a5-c2e4-abcd"]
    assert log.users["user_feature_3"].to_pylist() == ["f975", "abcd"]
    assert log.items["id"].to_pylist() == ["0", "1"]
    assert log.items["category"].to_pylist() == ["kind 2", "kind 1"]
    assert log.column("time").tolist() == [1574553617000, 1574553618000, 1574553634763]
    assert log.column("session").tolist() == [0, 1, 2]
    assert log.column("item").tolist() == [0, 0, 1]
    assert log.column("user").tolist() == [0, 1, 0]
    assert log.column("position").tolist() == [0, 1, 2]
    assert log.column("propensity").tolist() == [0.25, 1.0, 0.5]
    assert log.column("click").tolist() == [True, False, False]
    assert log.column("file_row").tolist() == [3, 4, 2]
    assert validate(log) == []
    other = read_log(folder, policy="bts", campaign="men")
    assert other.users["user_feature_0"].to_pylist() == ["btsmen", "btsmen"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1,3,0,0.5", "1,3,0,0", "all.csv, row 2, propensity: a propensity must be in (0, 1]; found 0.0"),
        (
            "1,3,0,0.5",
            "7,3,0,0.5",
            "all.csv, row 2, item_id: the id must be in the table of items; found 7",
        ),
        ("1,3,0,0.5", "1,0,0,0.5", "all.csv, row 2, position: a position must be 0 or above; found -1"),
        ("2019-11-24 00:00:17+00:00", "yesterday", "all.csv, row 3, timestamp: a time is needed"),
        ("1,3,0,0.5", "1,3,2,0.5", "all.csv, row 2, click: 0 or 1 is needed; found '2'"),
    ],
)
def test_obd_errors_name_the_place(tmp_path, old, new, message):
    folder = write(tmp_path, changed(obd(), "open_bandit_dataset/random/all/all.csv", old, new))
    assert f"open_bandit_dataset/random/all/{message}" in refused(folder)


def test_obd_options(tmp_path):
    folder = write(tmp_path, obd())
    assert refused(folder, policy="ucb") == "policy must be random or bts; it is 'ucb'"
    assert refused(folder, campaign="kids") == "campaign must be all, men or women; it is 'kids'"


# ---- MovieLens

FLAGS = "0|" * 18
ML100K = {
    "ml-100k/u.data": "196\t242\t3\t881250949\n22\t302\t5\t881250950\n196\t302\t4\t881250951\n22\t302\t5\t881250950\n",
    "ml-100k/u.item": (
        f"242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|0|0|0|0|0|1|{'0|' * 12}0\n"
        f"302|L\xe9on (1994)|01-Jan-1997||http://us.imdb.com/|1|{'0|' * 17}0\n"
    ).encode("latin-1"),
    "ml-100k/u.user": "22|24|M|technician|85711\n196|53|F|other|94043\n",
}
ML1M = {
    "ml-1m/ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "ml-1m/movies.dat": "661::James: and the Peach (1996)::Animation|Children's\n1193::Cuckoo (1975)::Drama\n",
    "ml-1m/users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}
ML25M = {
    "ml-25m/ratings.csv": "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,3.5,1147868817\n",
    "ml-25m/movies.csv": "movieId,title,genres\n"
    '296,"Pulp Fiction, The (1994)",Comedy|Crime\n306,Red (1994),(no genres listed)\n',
}


def test_movielens_100k(tmp_path):
    log = read_log(write(tmp_path, ML100K))
    assert log.domain == "content"
    assert log.users.to_pylist() == [
        {"id": "22", "age": "24", "gender": "M", "occupation": "technician"},
        {"id": "196", "age": "53", "gender": "F", "occupation": "other"},
    ]
    assert log.items["category"].to_pylist() == ["Comedy", "unknown"]
    assert log.column("user").tolist() == [1, 1, 0]
    assert log.column("item").tolist() == [0, 1, 1]
    assert log.column("click").tolist() == [False, True, True]
    assert log.column("rating").tolist() == [3, 4, 5]
    assert log.column("time").tolist() == [881250949000, 881250951000, 881250950000]
    assert log.column("session").tolist() == [0, 0, 1]
    assert log.column("file_row").tolist() == [1, 3, 2]
    assert log.duplicates == 1
    assert (
        log.remarks[-1] == "ml-100k/u.data: a rating of 4 or more counts as click, an assumption: 2 of 3 rows"
    )
    assert validate(log) == []


def test_movielens_1m(tmp_path):
    log = read_log(write(tmp_path, ML1M))
    assert log.users["gender"].to_pylist() == ["F", "M"]
    assert log.users["age"].to_pylist() == ["1", "56"]
    assert log.items["category"].to_pylist() == ["Animation", "Drama"]
    assert log.column("session").tolist() == [0, 1, 1]
    assert log.column("item").tolist() == [1, 1, 0]
    assert log.column("click").tolist() == [True, True, False]
    assert log.column("file_row").tolist() == [3, 1, 2]


def test_movielens_25m(tmp_path):
    log = read_log(write(tmp_path, ML25M))
    assert log.items["category"].to_pylist() == ["Comedy", "unknown"]
    assert log.column("rating").tolist() == [3.5, 5.0]
    assert log.column("session").tolist() == [0, 1]
    assert log.column("click").tolist() == [False, True]


@pytest.mark.parametrize(
    ("texts", "name", "old", "new", "message"),
    [
        (ML100K, "ml-100k/u.data", "302\t5", "302\tfive",
         "u.data, row 2, rating: a number is needed; found 'five' (and 1"),
        (ML100K, "ml-100k/u.data", "22\t302", "23\t302",
         "u.data, row 2, user id: the id must be in the table of users"),
        (ML100K, "ml-100k/u.user", "|85711", "", "u.user, row 1: a row must have 5 cells; found 4"),
        (ML1M, "ml-1m/ratings.dat", "661::3", "661:3", "ratings.dat, row 2: a row must have 4 cells; found 3"),
        (ML1M, "ml-1m/movies.dat", "::Drama", ":Drama", "movies.dat, row 2: a row must have 3 cells; found 2"),
        (ML25M, "ml-25m/ratings.csv", "1147868817", "", "ratings.csv, row 3, timestamp: a whole number is needed"),
    ],
)  # fmt: skip
def test_movielens_errors_name_the_place(tmp_path, texts, name, old, new, message):
    assert message in refused(write(tmp_path, changed(texts, name, old, new)))


# ---- OTTO and EB-NeRD

OTTO = (
    '{"session":0,"events":[{"aid":1517085,"ts":1659304800025,"type":"clicks"},'
    '{"aid":1517085,"ts":1659304904511,"type":"carts"},{"aid":461689,"ts":1659369898050,"type":"orders"}]}\n'
    '{"session":1,"events":[{"aid":461689,"ts":1659304900000,"type":"clicks"}]}\n'
)


def test_otto(tmp_path):
    log = read_log(write(tmp_path, {"otto/otto-recsys-train.jsonl": OTTO}))
    assert log.users["id"].to_pylist() == ["0", "1"]
    assert log.items["id"].to_pylist() == ["461689", "1517085"]
    assert log.column("session").tolist() == [0, 1, 2]
    assert log.column("item").tolist() == [1, 0, 0]
    assert log.column("cart").tolist() == [True, False, True]
    assert log.column("purchase").tolist() == [False, False, True]
    assert validate(log) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ts":1659304800025', '"ts":"soon"', "a line must be as {'session': 0"),
        ('"type":"orders"', '"type":"sneeze"', "row 4, type: the event is unknown in the domain ecommerce"),
        (
            '"aid":461689,"ts":1659369898050,',
            '"ts":1659369898050,',
            "row 4, aid: a value is needed; found nothing",
        ),
        ('"events"', '"event"', "a line must be as {'session': 0"),
    ],
)
def test_otto_errors_name_the_place(tmp_path, old, new, message):
    assert message in refused(write(tmp_path, {"train.jsonl": OTTO.replace(old, new, 1)}))


def ebnerd(folder: Path, clicked=9651983) -> Path:
    ids = pa.large_list(pa.int32())
    moment = pa.array([1677468207000000, 1677277347000000], pa.timestamp("us"))
    pages = {
        "impression_id": pa.array([9, 71], pa.uint32()),
        "impression_time": moment,
        "read_time": pa.array([17.0, 82.0], pa.float32()),
        "article_ids_inview": pa.array([[9652010, 9651983], [9651983]], ids),
        "article_ids_clicked": pa.array([[clicked], []], ids),
        "user_id": pa.array([12258, 12258], pa.uint32()),
        "session_id": pa.array([70, 69], pa.uint32()),
    }
    (folder / "train").mkdir()
    pq.write_table(pa.table(pages), folder / "train" / "behaviors.parquet")
    articles = {"article_id": pa.array([9651983, 9652010], pa.int32()), "category_str": ["sport", "nyheder"]}
    pq.write_table(pa.table(articles), folder / "articles.parquet")
    return folder


def test_ebnerd(tmp_path):
    log = read_log(ebnerd(tmp_path))
    assert log.items["category"].to_pylist() == ["sport", "nyheder"]
    assert log.column("session").tolist() == [69, 70, 70]
    assert log.column("step").tolist() == [0, 0, 0]
    assert log.column("slate").tolist() == [71, 9, 9]
    assert log.column("item").tolist() == [0, 1, 0]
    assert log.column("click").tolist() == [False, False, True]
    assert log.column("time").tolist() == [1677277347000, 1677468207000, 1677468207000]
    assert log.column("file_row").tolist() == [3, 2, 2]
    assert validate(log) == []


def test_ebnerd_finds_the_articles_above_its_split_or_says_that_they_are_missing(tmp_path):
    whole = read_log(ebnerd(tmp_path))
    articles = tmp_path / "articles.parquet"
    for path in (tmp_path / "train", tmp_path / "train" / "behaviors.parquet"):
        log = read_log(path)
        assert log.items["category"].to_pylist() == ["sport", "nyheder"]
        assert log.remarks[0] == f"behaviors.parquet: an article's category is that of {articles}"
        assert log.rows.drop(["file"]).equals(whole.rows.drop(["file"]))
    table = pq.read_table(articles)
    pq.write_table(table.slice(0, 1), articles)
    assert read_log(tmp_path / "train").remarks[0].endswith("; of 1 articles it is unknown")
    articles.unlink()
    log = read_log(tmp_path / "train")
    assert "category" not in log.items.column_names
    assert log.remarks[0] == (
        "behaviors.parquet: no articles.parquet in its folder or one level above: articles have no category"
    )


@pytest.mark.parametrize(
    ("inview", "message"),
    [
        (pa.array([[1, None], [1]]), "behaviors.parquet, row 2, article_ids_inview: an article is needed; found noth"),
        (pa.array([1, 2]), "article_ids_inview: lists of whole numbers are needed; the column is int64"),
        (pa.array([["a"], ["b"]]), "article_ids_inview: lists of whole numbers are needed; the column is list"),
    ],
)  # fmt: skip
def test_ebnerd_lists_of_another_kind_are_refused(tmp_path, inview, message):
    place = ebnerd(tmp_path) / "train" / "behaviors.parquet"
    table = pq.read_table(place)
    pq.write_table(
        table.set_column(table.schema.names.index("article_ids_inview"), "article_ids_inview", inview), place
    )
    assert message in refused(tmp_path / "train")


def test_ebnerd_errors_name_the_place(tmp_path):
    message = (
        "train/behaviors.parquet, row 2, article_ids_clicked: a clicked article must be in view; found 5"
    )
    assert refused(ebnerd(tmp_path, clicked=5)) == message


# ---- all of them


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
    assert refused(folder, source="obd:tab=1") == "option 'tab' is unknown; this reader has policy, campaign"
    assert refused(folder, source="odb:tab=1").startswith(
        "source 'odb' is unknown; there are eshop2008, kuairand"
    )


def test_no_data_set_is_taken_for_another(tmp_path):
    layouts = {"kuairec": KUAIREC, "retailrocket": RETAILROCKET, "obd": obd(), "movielens_100k": ML100K}
    layouts |= {"movielens_1m": ML1M, "movielens_25m": ML25M, "otto": {"train.jsonl": OTTO}}
    for name, texts in layouts.items():
        log = read_log(write(tmp_path / name, texts))
        assert log.rows.equals(read_log(tmp_path / name, source=name).rows)
        assert log.domain == SOURCES[name].domain
        assert log.source.licence


# ---- facts of real extracts


@pytest.mark.data
def test_facts_of_the_open_bandit_dataset(data_folder):
    clicks = {}
    for policy in ("random", "bts"):
        for campaign, items in (("all", 80), ("men", 34), ("women", 46)):
            log = read_log(data_folder / "obd_small", policy=policy, campaign=campaign)
            assert (len(log), log.num_items, log.num_sessions) == (10_000, items, 10_000)
            assert validate(log) == []
            clicks[policy, campaign] = int(log.column("click").sum())
            if policy == "random":
                np.testing.assert_allclose(log.column("propensity"), 1 / items)
    assert list(clicks.values()) == [38, 46, 46, 42, 69, 46]


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
