"""Tests of the files with vision rows."""

from pathlib import Path

import pytest
from support.pixels import png

from langchain_memlora.errors import InvalidImageError, InvalidInputError
from langchain_memlora.intake import as_picture
from langchain_memlora.lab.training.vision_rows import VisionRow, load_vision_rows, split_vision_rows


def test_image_paths_are_relative_to_file(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(png("red"))
    file = tmp_path / "rows.jsonl"
    file.write_text('{"image": "red.png", "question": "Which color?", "answer": "red", "reason": "it is"}\n')
    assert load_vision_rows(file) == [VisionRow(as_picture(png("red")), "Which color?", "red", "it is")]


def test_split_keeps_pictures_together() -> None:
    rows = [VisionRow(bytes([picture]), f"{number}?", "red") for picture in range(24) for number in range(3)]
    training, judging = split_vision_rows(rows)
    assert (len(training), len(judging)) == (66, 6)
    assert not {row.image for row in training} & {row.image for row in judging}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"image": "red.png", "question": "Which?"}', InvalidInputError),
        ('{"image": "nowhere.png", "question": "Which?", "answer": "red"}', InvalidImageError),
    ],
)
def test_invalid_row_raises(tmp_path: Path, line: str, error: type[Exception]) -> None:
    (tmp_path / "rows.jsonl").write_text(line)
    with pytest.raises(error):
        load_vision_rows(tmp_path / "rows.jsonl")
