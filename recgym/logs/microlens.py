"""MicroLens (Westlake, 2023): comments on short videos, as pairs of user and video with a time.

A comment counts as a click with a comment. Layout: the header `user,item,timestamp` (ms) of MicroLens-100k_pairs.csv,
as public readers use it, and the description that is packed with MicroLens-50k_pairs.tsv. The .tsv with sequences has
no times; it is not read.
"""

from recgym.logs.columns import Source
from recgym.logs.table_form import TableForm

SOURCE = Source(
    "microlens",
    "research use only, as the data set's page says",
    "Ni, Y. et al. (2023). A content-driven micro-video recommendation dataset at scale. arXiv:2309.15379.",
    "A row is a comment of a user on a video, a strong signal; nothing says what was shown or watched.",
)
FILE = "MicroLens-*_pairs.csv*"
FORM = TableForm(SOURCE, "content", (FILE,), {"user": "user", "item": "item", "time": "timestamp"})
