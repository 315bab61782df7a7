"""Pictures in a conversation: seen, remembered, shown again, forgotten; and what happens where nobody can look."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pixels import png, shown
from support import BagOfWords, judge, tell

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


class Eyes(ScriptedEngine):
    """Its vision expert knows two pictures: it names one when asked what it shows, and else tells its colour."""

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


def test_what_is_seen_is_read_beside_what_is_said(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    done = memory.add(shown("I walked Bruno", DOG), user_id="ana")
    assert done.status == "ok"
    assert [op.after for op in done.operations] == ["User walked Bruno (picture: a brown dog on a beach)"]
    kept = memory.turns([done.operations[0].turn_id], user_id="ana")[0]
    assert (kept.text, kept.captions, len(kept.images)) == ("I walked Bruno", ("a brown dog on a beach",), 1)
    assert memory.picture(kept.images[0], user_id="ana") == as_picture(DOG)
    assert "caption" in [usage.stage for usage in done.usage]


def test_a_message_of_nothing_but_a_picture_is_found_by_what_it_shows(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    memory.add([shown("", CAT), "I like tea"], user_id="ana", thread_id="t")
    best = memory.search("Where is the cat?", user_id="ana")[0]
    assert best.turns[0].captions == ("a gray cat",)
    assert "a gray cat" in memory.answer("Where is the cat?", user_id="ana").context


def test_a_question_about_a_remembered_picture_is_answered_from_its_pixels(make_memory: Make, seeing: Bundle) -> None:
    with make_memory(experts=seeing, engine=Eyes()) as memory:
        memory.add(shown("I walked Bruno", DOG), user_id="ana")
        memory.add("I like green tea", user_id="ana")
    again = make_memory(experts=seeing, engine=Eyes())  # the next process
    answer = again.answer("What colour was Bruno on my walk?", user_id="ana")
    assert (answer.text, answer.known) == ("brown", True)
    assert answer.images == again.turns([answer.hits[0].turns[0].id], user_id="ana")[0].images
    plain = again.answer("Which tea do I like?", user_id="ana")
    assert "green tea" in plain.text
    assert plain.images == ()


def test_a_question_with_a_picture_goes_to_the_vision_expert(make_memory: Make, seeing: Bundle) -> None:
    memory = make_memory(experts=seeing, engine=Eyes())
    assert memory.answer("What colour is it?", user_id="ana", images=[CAT]).text == "gray"
    request = memory.engine.calls[-1]
    assert (request.role, request.images) == (Role.VISION, (as_picture(CAT),))


def test_without_a_vision_expert_a_question_is_answered_from_captions(make_memory: Make) -> None:
    answer = make_memory(captioner=caption).answer("What is it?", user_id="ana", images=[CAT])
    assert "(picture: a gray cat)" in answer.text


def test_the_expert_of_another_bundle_may_look(
    make_memory: Make, seeing: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = Eyes()
    monkeypatch.setattr("langchain_memlora.memory.components.named_engine", lambda name, bundle: eyes)
    memory = make_memory(vision=dataclasses.replace(seeing, adapters={Role.VISION: Path("x")}))
    assert memory.answer("What colour is it?", user_id="ana", images=[CAT]).text == "gray"
    assert memory.engine is not eyes
    memory.close()


# -- nobody can look


def test_words_are_remembered_where_nobody_can_look_and_retry_looks_later(make_memory: Make) -> None:
    with make_memory() as blind:
        done = blind.add(shown("I have a dog", DOG), user_id="ana")
        assert (done.status, [error.kind for error in done.errors]) == ("partial", ["VisionNotConfiguredError"])
        assert [op.after for op in done.operations] == ["User have a dog"]
        assert blind.ledger.jobs("failed")[0].id == done.errors[0].job_id
    memory = make_memory(captioner=caption)
    assert memory.retry().status == "ok"
    assert memory.ledger.jobs("failed") == []
    assert memory.search("beach", user_id="ana")[0].turns[0].captions == ("a brown dog on a beach",)


def test_in_the_background_too(make_memory: Make) -> None:
    memory = make_memory()
    assert memory.add(shown("I have a dog", DOG), user_id="ana", background=True).status == "pending"
    assert [error.kind for error in memory.flush().errors] == ["VisionNotConfiguredError"]
    assert [memory.text for memory in memory.get_all(user_id="ana")] == ["User have a dog"]


def test_a_question_with_a_picture_needs_somebody_who_looks(memory: MemLoRAMemory) -> None:
    with pytest.raises(VisionNotConfiguredError, match="captioner="):
        memory.answer("What is this?", user_id="ana", images=[DOG])
    with pytest.raises(InvalidImageError, match="limit is 4"):
        memory.answer("What are these?", user_id="ana", images=[DOG] * 5)


@pytest.mark.parametrize("says", ["", 7, KeyError("no")])
def test_a_captioner_that_fails_loses_nothing(make_memory: Make, says: Any) -> None:
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
def test_words_beside_a_bad_image_are_remembered(memory: MemLoRAMemory, content: dict[str, Any], kind: str) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "I have a dog"}, content]}
    done = memory.add(message, user_id="ana")
    assert (done.status, [(error.kind, error.job_id) for error in done.errors]) == ("partial", [(kind, "")])
    assert [op.after for op in done.operations] == ["User have a dog"]
    alone = memory.add({"role": "user", "content": [content]}, user_id="ana")
    assert (alone.status, alone.turn_ids, alone.skipped, len(alone.errors)) == ("failed", (), 1, 1)


def test_of_too_many_images_the_first_are_taken(make_memory: Make) -> None:
    memory = make_memory(captioner=lambda picture: "something")
    images = [png(size=(1 + n, 2)) for n in range(70)]
    done = memory.add([shown("I have seen it all", *images[:60]), shown("I have more", *images[60:])], user_id="ana")
    assert "6 images more than the 64" in done.errors[0].message
    assert sorted(len(turn.images) for turn in memory.turns(done.turn_ids, user_id="ana")) == [4, 60]


# -- forgetting


def files(memory: MemLoRAMemory) -> int:
    folder = memory.services.images.folder
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_a_picture_goes_with_the_last_user_who_showed_it(make_memory: Make) -> None:
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


def test_a_deleted_memorys_picture_is_not_shown_and_comes_back(make_memory: Make, seeing: Bundle) -> None:
    memory = make_memory(experts=seeing, engine=Eyes())
    key = memory.add(shown("I walked Bruno", DOG), user_id="ana").operations[0].memory_id
    memory.delete_all(user_id="ana")
    assert memory.answer("What colour was Bruno?", user_id="ana").images == ()
    memory.restore(key, user_id="ana")
    assert memory.answer("What colour was Bruno?", user_id="ana").text == "brown"


def test_pictures_are_not_shared(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    done = memory.add(shown("I have a dog", DOG), user_id="ana")
    reference = memory.turns(done.turn_ids, user_id="ana")[0].images[0]
    with pytest.raises(NotFoundError):
        memory.picture(reference, user_id="ben")


def test_an_interrupted_erasure_reaches_the_pictures_at_the_next_opening(make_memory: Make) -> None:
    with make_memory(captioner=caption) as memory:
        memory.add(shown("I have a dog", DOG), user_id="ana")
        memory.ledger.erase("ana")  # and then the process was killed
        assert files(memory) == 1
    assert files(make_memory()) == 0


def test_a_message_that_was_known_leaves_no_file(make_memory: Make) -> None:
    memory = make_memory(captioner=caption)
    memory.add(shown("I have a dog", DOG, id="m1"), user_id="ana")
    memory.add(shown("I have a dog", CAT, id="m1"), user_id="ana")
    assert files(memory) == 1


def test_an_export_keeps_what_was_seen(make_memory: Make, tmp_path: Path) -> None:
    memory = make_memory(captioner=caption)
    memory.add(shown("I have a dog", DOG), user_id="ana")
    memory.export(tmp_path / "all.jsonl")
    with MemLoRAMemory(
        path=tmp_path / "other", engine=memory.engine, experts=memory.bundle, embeddings=BagOfWords()
    ) as other:
        other.import_(tmp_path / "all.jsonl")
        assert other.search("beach", user_id="ana")[0].turns[0].captions == ("a brown dog on a beach",)


def test_a_picture_that_is_gone_leaves_the_words(make_memory: Make, seeing: Bundle) -> None:
    memory = make_memory(experts=seeing, engine=Eyes())
    memory.add(shown("I walked Bruno", DOG), user_id="ana")
    memory.services.images.sweep(keep=())
    answer = memory.answer("Whom did I walk?", user_id="ana")
    assert answer.images == ()
    assert "a brown dog on a beach" in answer.text
