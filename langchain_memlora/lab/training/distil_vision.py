"""Distils pictures into training rows for the vision expert, with a teacher: questions of three kinds, and captions.

The kinds are those of arXiv 2512.04763, section 3.4: something unusual, a color of a small part, a count. Captions are needed
too: the memory has the expert describe pictures, and an expert trained on questions alone forgets how.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from langchain_memlora.bundles import Role
from langchain_memlora.errors import InvalidImageError, InvalidInputError
from langchain_memlora.experts.vision import DESCRIBE
from langchain_memlora.lab.training.distil import Distilled, Record, write_distilled
from langchain_memlora.lab.training.replies import Cleaned
from langchain_memlora.lab.training.teacher import Reply, Teacher, teacher_prompt
from langchain_memlora.lab.training.vision_cleaning import clean_caption, clean_picture_question
from langchain_memlora.lab.training.vision_rows import CAPTION, picture_at

KINDS = {
    "object": "a detail of an object that one would not expect there",
    "color": "the color of a small part of the picture",
    "count": "how many there are of something that can be counted",
}
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TOGETHER = 32  # pictures in memory at a time


def distil_vision(pictures: Sequence[Path], teacher: Teacher, out: Path) -> Distilled:
    """Have a vision-language teacher write questions about pictures, answer them and describe the pictures.

    A file that is not a picture is dropped, and recorded with the reason. A stopped run continues when called again with the
    same arguments: replies are read from the teacher's log.

    Args:
        pictures: Image files, and folders whose files with an image's suffix are taken.
        out: Folder for `vision.jsonl` (raw text, target, reason if dropped), `rows/vision.jsonl` (for
            `memlora train vision --rows`; it refers to the pictures in their places) and `report.json`.

    Raises:
        InvalidInputError: There are no pictures.
        EngineError: The teacher keeps failing.
    """
    files = _files(pictures)
    if not files:
        msg = f"No pictures were found in {', '.join(map(str, pictures)) or 'nothing'}. Pass image files, or folders of them."
        raise InvalidInputError(msg)
    made = Distilled(teacher.bill, records={Role.VISION.value: []})
    prompts = {kind: teacher_prompt("picture_question", what=what) for kind, what in KINDS.items()}
    prompts[CAPTION] = teacher_prompt("caption")
    teacher.watcher.stage(Role.VISION, len(files) * len(prompts))
    for start in range(0, len(files), TOGETHER):
        some = files[start : start + TOGETHER]
        shown = [(file, picture) for file in some if (picture := _picture(made, file)) is not None]
        asked = [(file, picture, kind) for file, picture in shown for kind in prompts]
        replies = teacher.ask(Role.VISION, [prompts[kind] for *_, kind in asked], [picture for _, picture, _ in asked])
        for (file, _, kind), reply in zip(asked, replies, strict=True):
            _keep(made, file, kind, reply, out)
    write_distilled(out, made)
    return made


def _files(places: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for place in places:
        inside = sorted(place.rglob("*")) if place.is_dir() else ()
        found += [file for file in inside if file.suffix.lower() in ENDINGS and file.is_file()]
        found += [] if place.is_dir() else [place]
    return list(dict.fromkeys(file.resolve() for file in found))


def _picture(made: Distilled, file: Path) -> bytes | None:
    try:
        return picture_at(file)
    except InvalidImageError as error:
        made.records[Role.VISION].append(Record(str(file), "", "", "", str(error)))
        return None


def _keep(made: Distilled, file: Path, kind: str, reply: Reply, out: Path) -> None:
    cleaned = _cleaned(kind, reply)
    source = f"{file}: {kind}"
    made.records[Role.VISION].append(Record(source, reply.key, reply.text, cleaned.target, cleaned.dropped))
    if cleaned.dropped:
        return
    question, answer, reason = (DESCRIBE, cleaned.value, "") if kind == CAPTION else cleaned.value
    row = {
        "image": os.path.relpath(file, (out / "rows").resolve()),
        "kind": kind,
        "question": question,
        "answer": answer,
    }
    made.rows.setdefault(Role.VISION, []).append(({**row, "reason": reason}, str(file)))


def _cleaned(kind: str, reply: Reply) -> Cleaned:
    if reply.error:
        return Cleaned(dropped=f"the teacher failed: {reply.error}")
    return clean_caption(reply.text) if kind == CAPTION else clean_picture_question(reply.text)
