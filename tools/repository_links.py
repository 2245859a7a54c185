"""A hook of mkdocs: links of pages to files of the repository that are no pages become text on the site.

GitHub and a clone follow them; the site has no such files, and a strict build refuses such links.
"""

import re
from typing import Any


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    """The text of a page without links that lead out of docs/."""
    levels = page.file.src_uri.count("/") + 1
    return re.sub(rf"\[([^\]]+)\]\((?:\.\./){{{levels}}}[^)\s]*\)", r"\1", markdown)
