"""The metrics of a card: one table of ids and texts."""

from typing import NamedTuple

from recgym.fidelity.calibration import BINS

# kinds of metrics
LOG_LOSS = "log-loss"  # [nats]
LOWER = "lower is better"
HIGHER = "higher is better"
GAIN = "gain over a baseline"
LEVEL = "level"  # this and the next two: compared with the log's
SHARE = "share"
GROUP = "share in a group of rows"
FREE = "free-running, compared with the log's"


class Metric(NamedTuple):
    """One kind of figure. Texts may hold the labels {event}, {number} and {label}, in the order of the id."""

    id: str
    text: str
    kind: str = ""  # one of the constants above: how the picture shows it; "" where it does not
    short: str = ""  # in the picture; the text where empty
    earlier_texts: tuple[str, ...] = ()  # in cards that were written before figures had ids


# In the order in which a text is looked for: the special before the general.
METRICS = (
    # free-running visits
    Metric(
        "free_rate_at",
        "free-running: rate of {event} at step {number} of the visit",
        FREE,
        "{event}, step {number}",
    ),
    Metric(
        "free_rate_position",
        "free-running: rate of {event} at position {number} of the slate",
        FREE,
        "{event}, position {number}",
    ),
    Metric("free_slates", "free-running: slates with {label}", FREE, "slates with {label}"),
    Metric("free_rate", "free-running: rate of {event}", FREE, "rate of {event}"),
    Metric("free_responses", "free-running: responses a visit", FREE, "responses a visit"),
    Metric("free_responding", "free-running: visits with a response", FREE, "visits with a response"),
    Metric("free_length_distance", "free-running: visit length, Kolmogorov-Smirnov distance"),
    Metric("free_responses_distance", "free-running: responses a visit, Kolmogorov-Smirnov distance"),
    Metric("free_length", "free-running: visit length, {label}", FREE, "visit length, {label}"),
    Metric("free_run", "free-running: mean run of responses in one category", FREE, "run in one category"),
    Metric(
        "free_repeats",
        "free-running: rows with an item of an earlier row of the visit",
        FREE,
        "repeated items",
    ),
    Metric("free_gini", "free-running: popularity, Gini coefficient", FREE, "popularity, Gini"),
    Metric("free_top_items", "free-running: rows of the top 1 % of the items", FREE, "rows of the top 1 %"),
    Metric("free_popularity_distance", "free-running: popularity by rank, Kolmogorov-Smirnov distance"),
    Metric(
        "free_spread",
        "free-running: variance between visits beyond the binomial",
        FREE,
        "spread between visits",
    ),
    Metric(
        "free_neighbours",
        "free-running: correlation of neighbouring responses",
        FREE,
        "correlation of neighbours",
    ),
    Metric(
        "free_same_category", "free-running: next row in the same category", FREE, "next row in the category"
    ),
    Metric("free_same_page", "free-running: next row on the same page", FREE, "next row on the page"),
    Metric("free_transition_distance", "free-running: transitions between categories, total variation"),
    Metric(
        "free_classifier",
        "free-running: AUC of a classifier of log against world, {label}",
        LOWER,
        "free-running classifier, {label}",
    ),
    # a randomised test
    Metric(
        "random_log_loss",
        "randomised test: log-loss of {event}, {label}",
        LOG_LOSS,
        "randomised test: log-loss of {event}",
    ),
    Metric(
        "random_auc", "randomised test: AUC of {event}, {label}", HIGHER, "randomised test: AUC of {event}"
    ),
    Metric("random_rate", "randomised test: rate of {event}, {label}"),
    Metric("random_calibration_error", "randomised test: calibration error of {event}, {label}"),
    Metric("random_calibration_slope", "randomised test: calibration slope of {event}, {label}"),
    # impressions
    Metric("context_rate", "rate of {event}, {label}", GROUP, "{event}, {label}"),
    Metric("rate", "rate of {event}", SHARE, "{event}"),
    Metric("rare_rate", "{label} per row", SHARE, "{label}", ("{label} a row",)),
    Metric("trees_auc_gain", "AUC of {event}, gain on boosted trees", GAIN, "AUC of {event}"),
    Metric("trees_log_loss_gain", "log-loss of {event}, gain on boosted trees", GAIN, "log-loss of {event}"),
    Metric("log_loss", "log-loss of {event}", LOG_LOSS),
    Metric("auc", "AUC of {event}", HIGHER),
    Metric("calibration_error", f"calibration error of {{event}}, {BINS} bins"),
    Metric("calibration_slope", "calibration slope of {event}"),
    Metric(
        "user_variance", "variance of users' share of {event}", LEVEL, "variance of users' share, {event}"
    ),
    Metric("watch_minutes", "minutes watched a row, {label}", LEVEL, "minutes watched, {label}"),
    Metric("taste_sd", "taste for categories, standard deviation in logits, {event}", LEVEL),
    Metric("user_level_sd", "level of users, standard deviation in logits, {event}", LEVEL),
    Metric(
        "autocorrelation",
        "correlation of {event} with that of the previous row",
        earlier_texts=("correlation of {event} with that of the row before",),
    ),
    Metric(
        "after_run",
        "rate of {event} after {number} responses in one category, less that after mixed ones",
        earlier_texts=("{event} after {number} answers of one category, less after mixed ones",),
    ),
    # affinities of a world
    Metric("interaction_sd", "affinity of user x item, standard deviation in logits"),
    Metric("top_overlap", "share of the best {number} items that two users have in common"),
    Metric("affinity_share", "share of the variance of affinity by {label}"),
    # clicks of a shop
    Metric(
        "page_log_loss", "log-loss of the clicked item on its page", LOG_LOSS, "log-loss of click on its page"
    ),
    Metric(
        "page_top_share",
        "clicks on the item of the page that the world ranks first",
        SHARE,
        "clicks on the item ranked first",
        ("clicks on the world's likeliest item of the page",),
    ),
    Metric(
        "visit_taste_loss",
        "log-loss of the clicked item on its page, added where first intents vary by {number} logits",
    ),
    Metric("page_calibration_error", f"calibration error of the item on its page, {BINS} bins"),
    Metric(
        "repeat_share",
        "clicks on an item clicked earlier in the session",
        SHARE,
        "clicks on an item clicked earlier",
        ("clicks on an item clicked before",),
    ),
    Metric(
        "price_ratio",
        "price of clicked items over the catalogue's mean",
        LEVEL,
        "price of clicks over the mean",
        ("price of a click over the catalogue's mean",),
    ),
    Metric("region_share", "clicks in screen region {label}", SHARE),
    Metric(
        "catalogue_log_loss",
        "log-loss of the clicked item over the catalogue",
        LOG_LOSS,
        "log-loss of click over the catalogue",
    ),
    Metric(
        "same_category_share",
        "next click in the same category",
        SHARE,
        earlier_texts=("next click stays in the category",),
    ),
    Metric("page_share", "clicks on page {number}", SHARE),
    # leaving
    Metric("leaving_after_step", "leaving after step {number}"),
    Metric("leaving_at_run", "leaving at run length {number}"),
    Metric("leaving_after_repeat", "leaving after a repeated item"),
    Metric("leaving_after_new", "leaving after a new item"),
    Metric("leaving_run_gap", "largest gap in leaving over run lengths 1 to {number}"),
    Metric("leaving_rate", "leaving"),
    Metric("length_distance", "visit length, Kolmogorov-Smirnov distance"),
    Metric("length", "visit length, {label}"),
    Metric("classifier_auc", "AUC of a classifier of log against world", LOWER, "AUC of classifier"),
    # pairs and graphs
    Metric(
        "held_out_log_loss",
        "log-loss of a held-out item over the catalogue",
        LOG_LOSS,
        "log-loss of held-out items",
    ),
    Metric("held_out_recall", "recall at {number} of held-out items", HIGHER),
    Metric(
        "friends_auc",
        "AUC of held-out friends against non-friends of similar degree",
        HIGHER,
        "AUC of held-out friends",
        ("AUC of held-out friends against strangers of like degrees",),
    ),
    Metric("degree_distance", "Kolmogorov-Smirnov distance of the numbers of friends"),
    Metric("transitivity", "transitivity of the graph", SHARE),
    Metric(
        "shared_items",
        "items that friends share, over degree-matched pairs",
        SHARE,
        "items friends share, over others",
        ("items that friends share, over pairs of like degrees",),
    ),
    Metric(
        "shared_items_homophily",
        "items that friends share, over degree-matched pairs: homophily alone (omega 0)",
        earlier_texts=("items that friends share, over pairs of like degrees: all homophily (omega 0)",),
    ),
    Metric(
        "shared_items_influence",
        "items that friends share, over degree-matched pairs: influence alone (nearest omega: {number})",
        earlier_texts=(
            "items that friends share, over pairs of like degrees: all influence (nearest: omega {number}; "
            "friends of unrelated taste)",
        ),
    ),
)
