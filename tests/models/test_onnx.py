"""Tests of ONNX encoders, on the pinned models."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from langchain_memlora.errors import ModelNotFoundError
from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.onnx import MODEL, TOKENIZER, OnnxEncoder
from langchain_memlora.models.pins import CROSS_ENCODER, LATE_INTERACTION

pytestmark = pytest.mark.model
TEXTS = ["I moved to Lyon in May.", "", "Tea.", "Öl, 寿司 and 🍵 " * 20, "x " * 600]


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder(ensure_pinned("bge-small-en-v1.5"), threads=3)


def test_states_have_one_row_per_token(encoder: OnnxEncoder) -> None:
    states = encoder.states(TEXTS)
    assert [len(rows) for rows in states] == [len(ids) for ids in encoder.token_ids(TEXTS)]
    assert {rows.shape[1] for rows in states} == {384}
    assert {rows.dtype for rows in states} == {np.dtype("float32")}
    assert len(states[1]) == 2
    assert len(states[-1]) == 512
    assert np.array_equal(encoder.first_states(TEXTS), [rows[0] for rows in states])


def test_states_do_not_depend_on_company(encoder: OnnxEncoder) -> None:
    together = encoder.first_states(TEXTS)
    alone = [encoder.first_states([text])[0] for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        crowded = list(pool.map(lambda text: encoder.first_states([text])[0], TEXTS * 4))
    assert np.array_equal(together, alone)
    assert np.array_equal(crowded, alone * 4)


def test_no_texts(encoder: OnnxEncoder) -> None:
    assert encoder.states([]) == []
    assert encoder.first_states([]).shape == (0, 384)


def test_megabytes_of_text_are_cut(encoder: OnnxEncoder) -> None:
    assert len(encoder.token_ids(["word " * 2_000_000])[0]) == 512


def test_late_interaction_model() -> None:
    encoder = OnnxEncoder(ensure_pinned(LATE_INTERACTION), max_tokens=32)
    assert encoder.token_id("[unused0]") == 1
    assert [rows.shape for rows in encoder.states(["Tea.", "x " * 100])] == [(4, 384), (32, 384)]


def test_cross_encoder_prefers_answer() -> None:
    encoder = OnnxEncoder(ensure_pinned(CROSS_ENCODER))
    scores = encoder.scores("Where does Ann live?", ["Ann moved to Lyon.", "The train was late."])
    assert scores.shape == (2,)
    assert scores[0] > scores[1]


@pytest.mark.parametrize("file", [MODEL, TOKENIZER])
def test_missing_or_truncated_file_raises(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(ensure_pinned("bge-small-en-v1.5"), folder)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelNotFoundError, match=rf"{file} can't be read .*memlora models pull"):
        OnnxEncoder(folder)
    (folder / file).unlink()
    with pytest.raises(ModelNotFoundError, match=rf"There is no .*{file}"):
        OnnxEncoder(folder)
