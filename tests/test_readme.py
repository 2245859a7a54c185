from pathlib import Path

import pytest

from recgym.bench.readme import BLOCKS, fill
from recgym.envs import ENVIRONMENTS

README = Path(__file__).parents[1] / "README.md"


def test_the_tables_of_the_readme_are_up_to_date():
    text = README.read_text(encoding="utf-8")
    assert fill(text) == text, "run: python -m recgym.bench.readme"


def test_blocks_are_replaced_and_the_rest_is_kept():
    marks = "".join(f"<!-- begin: {name} -->\nSTALE\n<!-- end: {name} -->\n" for name in BLOCKS)
    text = fill(f"before\n{marks}after\n")
    assert text.startswith("before\n<!-- begin: environments -->\n| id |")
    assert text.endswith("-->\nafter\n")
    assert "STALE" not in text
    assert all(f"`{row.id}`" in text for row in ENVIRONMENTS)
    assert fill(text) == text
    with pytest.raises(ValueError, match="lacks the marks <!-- begin: environments -->"):
        fill("no marks")
