"""Teacher to rows for the vision expert: pictures in, questions of the paper's three kinds with their answers out.

The kinds are those of arXiv 2512.04763, section 3.4: something unusual, a color of a small part, a count. A caption of each
picture is asked for too, for the node `caption` asks the expert to describe, and an expert that only ever heard questions
forgets how.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from langchain_memlora.bundles import Role
from langchain_memlora.errors import InvalidImageError, InvalidInputError
from langchain_memlora.experts.vision import DESCRIBE
from langchain_memlora.lab.training.cleaning import Cleaned, clean_caption, clean_look
from langchain_memlora.lab.training.distil import Distilled, Record, write_distilled
from langchain_memlora.lab.training.teacher import Reply, Teacher, teacher_prompt
from langchain_memlora.lab.training.vision_rows import CAPTION, picture_at

KINDS = {
    "object": "a detail of an object that one would not expect there",
    "color": "the color of a small part of the picture",
    "count": "how many there are of something that can be counted",
}
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TOGETHER = 32  # pictures in memory at a time


def distil_vision(pictures: Sequence[Path], teacher: Teacher, out: Path) -> Distilled:
    """Let a teacher that sees write questions about pictures, answer them and describe the pictures.

    A file that is no picture is dropped, and recorded with the reason. Run again with the same arguments, it goes on where it
    stopped: replies are read from the teacher's log.

    Args:
        pictures: Image files, and folders in which those with an image's ending are taken.
        out: Gets `vision.jsonl` (raw text, target, why dropped), `rows/vision.jsonl` (what `memlora train vision --rows` takes;
            it names the pictures where they lie) and `report.json`.

    Raises:
        InvalidInputError: There are no pictures.
        EngineError: The teacher keeps failing.
    """
    files = _files(pictures)
    if not files:
        msg = f"No pictures were found in {', '.join(map(str, pictures)) or 'nothing'}. Pass image files, or folders of them."
        raise InvalidInputError(msg)
    made = Distilled(teacher.bill, records={Role.VISION.value: []})
    prompts = {kind: teacher_prompt("look", what=what) for kind, what in KINDS.items()}
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
    return clean_caption(reply.text) if kind == CAPTION else clean_look(reply.text)
