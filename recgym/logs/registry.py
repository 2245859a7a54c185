"""Table of the readers of data sets: a new data set is one row here and one file."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from recgym.logs import (
    amazon_2023,
    contentwise,
    diginetica,
    ebnerd,
    eshop,
    finn,
    generic,
    hm,
    kuairand,
    kuairec,
    kuaisar,
    lastfm,
    lfm2b,
    microlens,
    mind,
    movielens,
    obd,
    otto,
    recbole_atomic,
    rees46,
    retailrocket,
    steam,
    taobao,
    tenrec,
    trivago,
    yambda,
    yelp,
)
from recgym.logs.files import Files
from recgym.logs.log import Log

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


class Reader(NamedTuple):
    """Reader of a data set."""

    read: Callable[[Files, Mapping[str, Any]], Log]
    domain: str | None  # None: an argument of read_log
    patterns: tuple[
        str, ...
    ]  # patterns of file names, a|b either of two, that recognise the data set; all must match
    about: str  # name of the data set, and what its rows are
    limits: str  # what the log can and cannot say: impressions, times, sessions, propensities
    options: Mapping[str, str] = NO_OPTIONS  # values of each option; "" for any value
    marks: tuple[
        str, ...
    ] = ()  # text in the first line of the first pattern's file, where names are not distinct


SOURCES: dict[str, Reader] = {
    "eshop2008": Reader(
        eshop.read,
        "ecommerce",
        ("e-shop clothing 2008.csv*",),
        "UCI e-shop: clicks of a clothes shop",
        "a user is a country; no clock; every row is a click",
    ),
    "kuairand_pure_part": Reader(
        kuairand.read,
        "content",
        ("log_standard_*.csv*|log_random_*.csv*", "video_features_basic*.csv*"),
        "KuaiRand Pure, 1K, 27K: short video, watch time and feedback",
        "tab 1 alone is a feed; a session is a day and has holes",
        {"tab": "", "policy": "standard, random"},
    ),
    "lastfm_hetrec2k": Reader(
        lastfm.read,
        "social",
        (lastfm.LISTENS, lastfm.FRIENDS),
        "HetRec Last.fm: listening counts, friends, tags",
        "counts without time; a session is a user",
    ),
    "kuairec": Reader(
        kuairec.read,
        "content",
        ("*_matrix.csv", kuairec.CATEGORIES, kuairec.USERS),
        "KuaiRec 2.0: short video, watch time",
        "no click is logged: click and long_view are derived from watch time by KuaiRand's rules; the small matrix "
        "shows everything to everybody",
        {"matrix": "big, small"},
    ),
    "retailrocket": Reader(
        retailrocket.read,
        "ecommerce",
        ("events.csv", retailrocket.PROPERTIES),
        "RetailRocket: views, carts, purchases",
        "a view is a click; nothing says what was shown; no prices",
    ),
    "obd": Reader(
        obd.read,
        "ecommerce",
        (obd.CONTEXT,),
        "Open Bandit Dataset: impressions with propensities",
        "a user is a segment, every row its own session: for off-policy evaluation, not for a world of visits; users "
        "of the two policies do not compare",
        {"policy": "random, bts", "campaign": "all, men, women"},
    ),
    "movielens_100k": Reader(
        movielens.read_100k,
        "content",
        ("u.data", "u.item", "u.user"),
        "MovieLens 100k: ratings",
        "a rating of 4 or more is a click: assumed; times are of rating, not of viewing",
    ),
    "movielens_1m": Reader(
        movielens.read_1m,
        "content",
        ("ratings.dat", "movies.dat"),
        "MovieLens 1m, 10m: ratings",
        "as `movielens_100k`; 10m has no features of users",
    ),
    "movielens_25m": Reader(
        movielens.read_25m,
        "content",
        ("ratings.csv", "movies.csv"),
        "MovieLens 20m, 25m, latest: ratings",
        "as `movielens_100k`; no features of users",
    ),
    "mind": Reader(
        mind.FORM.read,
        "content",
        mind.FORM.files,
        "MIND: news pages, clicks",
        "impressions with and without a click; times to the second; no sessions; the order on a page is shuffled: no "
        "position; the test split has no labels",
    ),
    "trivago": Reader(
        trivago.FORM.read,
        "ecommerce",
        trivago.FORM.files,
        "trivago (RecSys 2019): lists of hotels, clickouts",
        "impressions with positions and prices, every slate with one click; times to the second; sessions logged",
        marks=("session_id", "action_type", "impressions"),
    ),
    "yambda": Reader(
        yambda.read,
        "content",
        (f"{yambda.MULTI}|{yambda.LISTENS}",),
        "Yambda: listens, likes, dislikes of tracks",
        "responses only, with watch time; times of 5 s since an unknown start; no sessions, no categories",
    ),
    "amazon_2023": Reader(
        amazon_2023.read,
        "ecommerce",
        ("|".join(amazon_2023.FORM.files),),
        "Amazon Reviews 2023: ratings of products",
        "a rating of 4 or more is a click: assumed; times are of reviews; no sessions",
        marks=("parent_asin", "user_id", "rating", "timestamp"),
    ),
    "yelp": Reader(
        yelp.FORM.read,
        "content",
        yelp.FORM.files,
        "Yelp: ratings of businesses",
        "a rating of 4 or more is a click: assumed; times are of reviews; no sessions",
    ),
    "steam": Reader(
        steam.FORM.read,
        "content",
        steam.FORM.files,
        "Steam: reviews of games",
        "responses only, a review is a click; times are days; no sessions",
    ),
    "diginetica": Reader(
        diginetica.FORM.read,
        "ecommerce",
        diginetica.FORM.files,
        "Diginetica: views, purchases",
        "responses only; times are days, with the order in the session; sessions logged; most users unknown; no prices",
    ),
    "lfm2b": Reader(
        lfm2b.FORM.read,
        "social",
        ("|".join(lfm2b.FORM.files),),
        "LFM-2b: listens",
        "responses only; times to the second; no sessions, no friends",
    ),
    "tenrec": Reader(
        tenrec.read,
        "content",
        ("|".join(f"{kind}.csv*" for kind in tenrec.COLUMNS),),
        "Tenrec: videos and articles in feeds, feedback",
        "impressions with and without a click; no times, a session is a user; no watch times",
        {"file": ", ".join(tenrec.COLUMNS)},
        marks=("user_id,item_id,click",),
    ),
    "kuaisar": Reader(
        kuaisar.FORM.read,
        "content",
        kuaisar.FORM.files,
        "KuaiSAR: short video, watch time and feedback",
        "impressions with and without a click, about 1:1; times to the ms; no sessions; searches are not read",
    ),
    "contentwise": Reader(
        contentwise.read,
        "content",
        ("|".join(contentwise.INTERACTIONS), "|".join(contentwise.LISTS)),
        "ContentWise Impressions: lists of series, choices",
        "impressions with positions, every slate with a click, and choices without; times to the ms; no sessions",
    ),
    "finn": Reader(
        finn.read,
        "content",
        (finn.DATA, f"{finn.GROUPS}|{finn.NAMES}"),
        "FINN.no: slates of a marketplace, one click or none",
        "impressions with positions, slates with and without a click; no times: order alone; a session is a user",
        {"users": "first so many"},
    ),
    "recbole": Reader(
        recbole_atomic.read,
        None,
        (recbole_atomic.FILES,),
        "RecBole's atomic files (.inter, .item)",
        "what the header names; impressions without a response are not known to be there",
        {"domain": "", "mapping": ""},
    ),
    "otto": Reader(
        otto.read,
        "ecommerce",
        (otto.FILE,),
        "OTTO: clicks, carts, orders",
        "the file's session is a user; items have no category",
        marks=('"session"', '"events"'),
    ),
    "ebnerd": Reader(
        ebnerd.read,
        "content",
        (ebnerd.BEHAVIORS,),
        "EB-NeRD: news pages, clicks",
        "one split's folder, articles.parquet in it or one level above; the order on a page is shuffled: no position",
    ),
    "rees46": Reader(
        rees46.FORM.read,
        "ecommerce",
        rees46.FORM.files,
        "REES46: views, carts, purchases of a shop",
        "responses only; times to the second; sessions logged; prices; many items lack a category",
        marks=("event_time", "event_type"),
    ),
    "taobao": Reader(
        taobao.FORM.read,
        "ecommerce",
        taobao.FORM.files,
        "Taobao UserBehavior: page views, favourites, carts, purchases",
        "responses only, a favourite counts as a click; times to the second; no sessions, no prices",
    ),
    "hm": Reader(
        hm.FORM.read,
        "ecommerce",
        hm.FORM.files,
        "H&M: purchases",
        "purchases only; times are days, a session is a day; prices are scaled",
    ),
    "microlens": Reader(
        microlens.FORM.read,
        "content",
        microlens.FORM.files,
        "MicroLens: comments on short videos",
        "responses only, a comment is a click; times of the comments; no sessions, watch times or categories",
    ),
    "generic": Reader(
        generic.read,
        None,
        (),
        "any other table, with a map of its columns",
        "YOOCHOOSE, Yidian, MovieTweetings and others by a map",
        generic.OPTIONS,
    ),
}
