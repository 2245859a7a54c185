"""H&M (Kaggle, 2022): purchases of a clothes shop over two years.

Every row is a purchase, with the events that it needs; a session is the day of a customer. Prices are scaled, not in a
currency. An item's category is its `product_group_name`. Layout: the headers of transactions_train.csv and
articles.csv, as in public readers of the data set.
"""

from recgym.logs.columns import Source
from recgym.logs.table_form import Attributes, TableForm

SOURCE = Source(
    "hm",
    "rules of the competition; no redistribution",
    "Garcia Ling, C. et al. (2022). H&M Personalized Fashion Recommendations. Kaggle.",
    "Purchases alone, by day; prices are scaled.",
)
FILE, ARTICLES = "transactions_train.csv*", "articles.csv*"
COLUMNS = {
    "user": "customer_id",
    "item": "article_id",
    "time": "t_dat",
    "price": "price",
    "event": "#file:transactions_train>purchase",
}
FORM = TableForm(
    SOURCE,
    "ecommerce",
    (FILE,),
    COLUMNS,
    items=Attributes(ARTICLES, {"id": "article_id", "category": "product_group_name"}),
)
