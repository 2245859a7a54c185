"""Texts of items as vectors, by a sentence encoder in a local folder (Reimers and Gurevych, 2019, Sentence-BERT).

Axes: N items.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Doubles
from recgym.logs.columns import is_words
from recgym.logs.problems import LogError, shown
from recgym.logs.vector_column import VECTOR, vectors_of

if TYPE_CHECKING:
    from recgym.logs.log import Log

MODULES = (
    "modules.json"  # of a folder of sentence-transformers: the parts of the encoder, as names of classes
)
TRUSTED = "sentence_transformers."
BATCH = 64  # texts


def with_text_vectors(log: "Log", columns: Sequence[str], encoder: str | PathLike[str]) -> "Log":
    """The log with vectors of texts in its table of items, beside vectors that it has.

    The text of an item is its cells in these columns, joined by ". "; empty cells are left out. Blocks have mean
    squared length 1 each.

    Args:
        log: with a table of items.
        columns: of texts in that table.
        encoder: folder of a model of sentence-transformers whose weights are safetensors.

    Raises:
        LogError: a column is missing or holds no text, the folder holds no such model, or the extra `text` is missing.
    """
    texts = _texts(log.items, columns)
    blocks = [_encoded(texts, Path(encoder))]
    given = vectors_of(log.items)
    if given is not None:
        blocks.append(given)
    joined = np.concatenate([_unit(block) for block in blocks], axis=1).astype(np.float32)
    column = pa.array(list(joined), pa.list_(pa.float32()))
    items = log.items.drop_columns([VECTOR]) if given is not None else log.items
    remark = f"vectors of {blocks[0].shape[1]} numbers from the texts in {', '.join(columns)}, by {Path(encoder).name}"
    return replace(log, items=items.append_column(VECTOR, column), remarks=(*log.remarks, remark))


def _texts(items: Any, columns: Sequence[str]) -> list[str]:
    """(N,) texts."""
    if not columns:
        raise LogError("text: names of columns of the items table are needed, such as title,tags")
    for name in columns:
        if name not in items.column_names:
            raise LogError(
                f"text: the items table has no column {name!r}; it has {shown(items.column_names)}"
            )
        if not is_words(items.schema.field(name).type):
            raise LogError(
                f"text: column {name} of the items table is {items.schema.field(name).type}, not text"
            )
    cells = zip(*(items[name].to_pylist() for name in columns), strict=True)
    return [". ".join(cell.strip() for cell in row if cell and cell.strip()) for row in cells]


def _encoded(texts: Sequence[str], folder: Path) -> Doubles:
    """Vectors (N, D) of texts."""
    check_encoder(folder)
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise LogError("text needs the extra 'text': pip install 'recgym[text]'") from error
    try:
        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False)
        found = model.encode(list(texts), batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise LogError(
            f"{folder}: the encoder cannot be read: {' '.join(str(error).split())[:300]}"
        ) from error
    return np.asarray(found, np.float64)


def check_encoder(folder: Path) -> None:
    """LogError unless the folder names parts of sentence-transformers alone, with weights that hold no code."""
    place = folder / MODULES
    if not place.is_file():
        raise LogError(f"{folder}: no folder of an encoder of sentence-transformers: {MODULES} is missing")
    try:
        kinds = [str(part["type"]) for part in json.loads(place.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError) as error:
        raise LogError(f"{place}: no list of parts with their types") from error
    if foreign := [kind for kind in kinds if not kind.startswith(TRUSTED)]:
        raise LogError(f"{place}: part {foreign[0]!r} is no class of sentence-transformers; it is not loaded")
    if pickled := sorted(file.name for file in folder.rglob("*.bin")):
        raise LogError(f"{folder}: {pickled[0]} may hold code; weights as safetensors are needed")


def _unit(block: Doubles) -> Doubles:
    """Centred, of mean squared length 1; zeros where all are equal."""
    centred = block - block.mean(axis=0)
    length = float(np.sqrt((centred**2).sum(axis=1).mean()))
    return centred / length if length > 1e-9 else np.zeros_like(centred)
