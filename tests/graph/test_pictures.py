"""Tests of pictures in a conversation, with and without a vision expert or captioner."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ANA, BagOfWords, judge, tell
from support.pixels import png, shown

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.errors import InvalidImageError, NotFoundError, VisionNotConfiguredError
from langchain_memlora.intake import as_picture
from langchain_memlora.testing import ScriptedEngine

Make = Callable[..., MemLoRAMemory]
DOG, CAT = png("brown"), png("gray")
NAMES = {as_picture(DOG): "a brown dog on a beach", as_picture(CAT): "a gray cat"}


@pytest.fixture
def seeing(bundle: Bundle) -> Bundle:
    """The tests' bundle with a vision expert in name, which answers from what it is shown."""
    prompts = {**bundle.prompts, Role.VISION: "{question}"}
    return dataclasses.replace(bundle, prompts=prompts, adapters={**bundle.adapters, Role.VISION: Path("x")})


class VisionEngine(ScriptedEngine):
    """A vision expert for two pictures: asked for a caption it names the picture, else its colour."""

    def __init__(self) -> None:
        super().__init__(extraction=tell, memory_update=judge, generation=lambda prompt: prompt, vision=lambda _: "?")

    def compute(self, requests: Any) -> Any:
        done = super().compute(requests)
        return [
            dataclasses.replace(c, text=self._look(r)) if r.role == Role.VISION else c
            for r, c in zip(requests, done, strict=True)
        ]

    def _look(self, request: Any) -> str:
        name = NAMES[request.images[0]]
        return name if "show" in request.prompt else name.split()[1]


def caption(picture: bytes) -> str:
    return NAMES[picture]


def test_caption_is_read_with_text(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    done = memory.add(shown("I walked Bruno", DOG), user_id="ana")
    assert done.status == "ok"
    assert [op.after for op in done.operations] == ["User walked Bruno (picture: a brown dog on a beach)"]
    kept = memory.turns([done.operations[0].turn_id], user_id="ana")[0]
    assert (kept.text, kept.captions, len(kept.images)) == ("I walked Bruno", ("a brown dog on a beach",), 1)
    assert memory.picture(kept.images[0], user_id="ana") == as_picture(DOG)
    assert "caption" in [usage.stage for usage in done.usage]


def test_image_only_message_is_found(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    memory.add([shown("", CAT), "I like tea"], user_id="ana", thread_id="t")
    best = memory.search("Where is the cat?", user_id="ana")[0]
    assert best.turns[0].captions == ("a gray cat",)
    assert "a gray cat" in memory.answer("Where is the cat?", user_id="ana").context


def test_remembered_picture_answers_question(make_memory: Make, seeing: Bundle) -> None:
    with make_memory(experts=seeing, engine=VisionEngine()) as memory:
        memory.add(shown("I walked Bruno", DOG), user_id="ana")
        memory.add("I like green tea", user_id="ana")
    again = make_memory(experts=seeing, engine=VisionEngine())  # the next process
    answer = again.answer("What colour was Bruno on my walk?", user_id="ana")
    assert (answer.text, answer.known) == ("brown", True)
    assert answer.images == again.turns([answer.hits[0].turns[0].id], user_id="ana")[0].images
    plain = again.answer("Which tea do I like?", user_id="ana")
    assert "green tea" in plain.text
    assert plain.images == ()


def test_question_with_image_uses_vision_expert(make_memory: Make, seeing: Bundle) -> None:
    memory = make_memory(experts=seeing, engine=VisionEngine())
    assert memory.answer("What colour is it?", user_id="ana", images=[CAT]).text == "gray"
    request = memory.engine.calls[-1]
    assert (request.role, request.images) == (Role.VISION, (as_picture(CAT),))


def test_question_image_falls_back_to_caption(make_memory: Make) -> None:
    answer = make_memory(captioner=caption).answer("What is it?", user_id="ana", images=[CAT])
    assert "(picture: a gray cat)" in answer.text


def test_vision_expert_from_other_bundle(make_memory: Make, seeing: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    eyes = VisionEngine()
    monkeypatch.setattr("langchain_memlora.memory.components.named_engine", lambda name, bundle: eyes)
    memory = make_memory(vision=dataclasses.replace(seeing, adapters={Role.VISION: Path("x")}))
    assert memory.answer("What colour is it?", user_id="ana", images=[CAT]).text == "gray"
    assert memory.engine is not eyes
    memory.close()


# -- nobody can look


def test_text_is_kept_until_captions_retry(make_memory: Make) -> None:
    with make_memory() as blind:
        done = blind.add(shown("I have a dog", DOG), user_id="ana")
        assert (done.status, [error.kind for error in done.errors]) == ("partial", ["VisionNotConfiguredError"])
        assert [op.after for op in done.operations] == ["User have a dog"]
        assert blind.ledger.jobs("failed")[0].id == done.errors[0].job_id
    memory = make_memory(captioner=caption)
    assert memory.retry().status == "ok"
    assert memory.ledger.jobs("failed") == []
    assert memory.search("beach", user_id="ana")[0].turns[0].captions == ("a brown dog on a beach",)


def test_background_caption_failure_is_reported(make_memory: Make) -> None:
    memory = make_memory()
    assert memory.add(shown("I have a dog", DOG), user_id="ana", background=True).status == "pending"
    assert [error.kind for error in memory.flush().errors] == ["VisionNotConfiguredError"]
    assert [memory.text for memory in memory.get_all(user_id="ana")] == ["User have a dog"]


def test_question_with_image_requires_vision(memory: MemLoRAMemory) -> None:
    with pytest.raises(VisionNotConfiguredError, match="captioner="):
        memory.answer("What is this?", user_id="ana", images=[DOG])
    with pytest.raises(InvalidImageError, match="limit is 4"):
        memory.answer("What are these?", user_id="ana", images=[DOG] * 5)


@pytest.mark.parametrize("says", ["", 7, KeyError("no")])
def test_captioner_failure_keeps_text(make_memory: Make, says: Any) -> None:
    def captioner(picture: bytes) -> Any:
        if isinstance(says, Exception):
            raise says
        return says

    done = make_memory(captioner=captioner).add(shown("I have a dog", DOG), user_id="ana")
    assert ([error.kind for error in done.errors], len(done.operations)) == (["EngineError"], 1)


# -- bad images


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"type": "image", "base64": "AAAA", "mime_type": "image/png"}, "InvalidImageError"),
        ({"type": "image", "data": DOG[:40]}, "InvalidImageError"),
        ({"type": "image_url", "image_url": {"url": "https://example.org/dog.png"}}, "RemoteImageError"),
    ],
)
def test_invalid_image_keeps_text(memory: MemLoRAMemory, content: dict[str, Any], kind: str) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "I have a dog"}, content]}
    done = memory.add(message, user_id="ana")
    assert (done.status, [(error.kind, error.job_id) for error in done.errors]) == ("partial", [(kind, "")])
    assert [op.after for op in done.operations] == ["User have a dog"]
    alone = memory.add({"role": "user", "content": [content]}, user_id="ana")
    assert (alone.status, alone.turn_ids, alone.skipped, len(alone.errors)) == ("failed", (), (("", "empty"),), 1)


def test_excess_images_are_dropped(make_memory: Make) -> None:
    memory = make_memory(captioner=lambda picture: "something")
    images = [png(size=(1 + n, 2)) for n in range(70)]
    done = memory.add([shown("I have seen it all", *images[:60]), shown("I have more", *images[60:])], user_id="ana")
    assert "6 images exceed the limit of 64" in done.errors[0].message
    assert sorted(len(turn.images) for turn in memory.turns(done.turn_ids, user_id="ana")) == [4, 60]


# -- forgetting


def files(memory: MemLoRAMemory) -> int:
    folder = memory.services.images.folder
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_forget_deletes_unreferenced_pictures(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    for user in ("ana", "ben"):
        memory.add(shown("I have a dog", DOG), user_id=user)
    memory.add(shown("I have a cat", CAT), user_id="ana")
    assert files(memory) == 2
    assert memory.forget(user_id="ana").images == 1
    assert files(memory) == 1
    assert memory.forget(user_id="ben").images == 1
    assert files(memory) == 0
    assert memory.ledger.counts()["vectors"] == 0


def test_deleted_memory_hides_its_picture(make_memory: Make, seeing: Bundle) -> None:
    memory = make_memory(experts=seeing, engine=VisionEngine())
    key = memory.add(shown("I walked Bruno", DOG), user_id="ana").operations[0].memory_id
    memory.delete_all(user_id="ana")
    assert memory.answer("What colour was Bruno?", user_id="ana").images == ()
    memory.restore(key, user_id="ana")
    assert memory.answer("What colour was Bruno?", user_id="ana").text == "brown"


def test_pictures_are_private(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    done = memory.add(shown("I have a dog", DOG), user_id="ana")
    reference = memory.turns(done.turn_ids, user_id="ana")[0].images[0]
    with pytest.raises(NotFoundError):
        memory.picture(reference, user_id="ben")


def test_interrupted_erasure_finishes_on_open(make_memory: Make) -> None:
    with make_memory(captioner=caption) as memory:
        memory.add(shown("I have a dog", DOG), user_id="ana")
        memory.ledger.erase("ana")  # and then the process was killed
        assert files(memory) == 1
    assert files(make_memory()) == 0


def test_replayed_message_stores_no_file(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    for picture in (DOG, DOG, CAT):  # stored, skipped, and in place of the first
        memory.add(shown("I have a dog", picture, id="m1"), user_id="ana", thread_id="t")
        assert files(memory) == 1
    assert memory.ledger.all_turns(ANA)[0].captions == (caption(CAT),)


def test_export_keeps_captions(make_memory: Make, tmp_path: Path) -> None:
    memory = make_memory(captioner=caption)
    memory.add(shown("I have a dog", DOG), user_id="ana")
    memory.export(tmp_path / "all.jsonl")
    with MemLoRAMemory(
        path=tmp_path / "other",
        engine=memory.engine,
        experts=memory.bundle,
        embeddings=BagOfWords(),
        reranker=None,
    ) as other:
        other.import_(tmp_path / "all.jsonl")
        assert other.search("beach", user_id="ana")[0].turns[0].captions == ("a brown dog on a beach",)


def test_missing_picture_falls_back_to_caption(make_memory: Make, seeing: Bundle) -> None:
    memory = make_memory(experts=seeing, engine=VisionEngine())
    memory.add(shown("I walked Bruno", DOG), user_id="ana")
    memory.services.images.sweep(keep=())
    answer = memory.answer("Whom did I walk?", user_id="ana")
    assert answer.images == ()
    assert "a brown dog on a beach" in answer.text
