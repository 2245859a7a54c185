"""Small files in the layouts of public data sets."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from recgym.logs import LogError, read_log


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


def assert_rows_are_lines(folder: Path, **options):
    """Two blank lines below the first line of every file of text move the rows below by two."""
    before = read_log(folder, **options).column("file_row")
    for path in filter(Path.is_file, folder.rglob("*")):
        is_packed = path.suffix == ".gz"
        first, rest = (gzip.decompress if is_packed else bytes)(path.read_bytes()).split(b"\n", 1)
        data = first + b"\n\n\n" + rest
        path.write_bytes(gzip.compress(data) if is_packed else data)
    after = read_log(folder, **options).column("file_row")
    np.testing.assert_array_equal(after, np.where(before > 1, before + 2, before))


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


OBD_HEADER = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3,"
    "user-item_affinity_0,user-item_affinity_1\n"
)


CONTEXT = (
    ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n"
    "0,0,-0.5,aed7,6750,5c1e\n1,1,0.25,31af,6750,5c1e\n"
)


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


OTTO = (
    '{"session":0,"events":[{"aid":1517085,"ts":1659304800025,"type":"clicks"},'
    '{"aid":1517085,"ts":1659304904511,"type":"carts"},{"aid":461689,"ts":1659369898050,"type":"orders"}]}\n'
    '{"session":1,"events":[{"aid":461689,"ts":1659304900000,"type":"clicks"}]}\n'
)


def named(log) -> dict[str, list]:
    """Columns of a log that are known, users and items by their ids, sessions without their numbers."""
    rows = {name: log.rows[name].to_pylist() for name in log.rows.column_names if name != "file"}
    known = {name: values for name, values in rows.items() if any(value is not None for value in values)}
    for name, table in (("user", log.users), ("item", log.items)):
        ids = table["id"].to_pylist()
        known[name] = [ids[index] for index in known[name]]
    return known
