"""Yelp Open Dataset: reviews of businesses, JSON lines.

A rating of 4 stars or more counts as a click, an assumption that a remark states. An item's category is the first of
its business. A session ends after 30 minutes without a review: it is not a visit.

Layout: the documentation of the data set (yelp.com/dataset/documentation), files yelp_academic_dataset_*.json.
"""

from recgym.logs.columns import Source
from recgym.logs.table_form import Attributes, TableForm

SOURCE = Source(
    "yelp",
    "Yelp Dataset License, academic use",
    "Yelp Inc. Yelp Open Dataset.",
    "A rating of 4 or more counts as a click; times are of reviews.",
)
FILE, BUSINESSES = "yelp_academic_dataset_review.json*", "yelp_academic_dataset_business.json*"
FORM = TableForm(
    SOURCE,
    "content",
    (FILE,),
    {"user": "user_id", "item": "business_id", "time": "date", "rating": "stars"},
    items=Attributes(BUSINESSES, {"id": "business_id", "category": "categories"}, first_before=","),
    settings={"rating_scale": (1.0, 5.0)},
)
