"""Tests of distilling raw chats with a rule-based teacher."""

import dataclasses
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field
from support import BagOfWords, judge, turn
from typer.testing import CliRunner

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.cli.app import app
from langchain_memlora.errors import EngineError, InvalidInputError
from langchain_memlora.experts import Experts, UpdateQuestion
from langchain_memlora.lab.training import distil as distilling
from langchain_memlora.lab.training.chats import Chat, load_chats
from langchain_memlora.lab.training.distil import Distilled, distil
from langchain_memlora.lab.training.replies import Cleaning
from langchain_memlora.lab.training.row_files import load_rows, split_rows
from langchain_memlora.lab.training.rows import AnnotatedTurn
from langchain_memlora.lab.training.taught_sentences import taught_sentences
from langchain_memlora.lab.training.teacher import Teacher
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.types import Fact, Memory, Scope

# -- a teacher by rule -------------------------------------------------------------------------------------------


def teach(prompt: str) -> str:
    """Every numbered message is a fact; the rules of `support.judge` decide; the last word of the question answers."""
    if "Write the questions" in prompt:
        return json.dumps({"questions": ["Where do I live?"]})
    if found := re.search(r"^Known: (\[.*\])\nNew: (\[.*\])$", prompt, re.MULTILINE):
        return json.dumps({"memory": list(_decide(json.loads(found[1]), json.loads(found[2])))})
    if "\nQuestion: " in prompt:
        return '<think>Let me see.</think>Sure: {"answer": "in Oslo"}'
    dialogue = prompt.split("The messages were written on")[1]
    rows = []
    for number, text in re.findall(r"^(\d+) \w+: (.*)$", dialogue, re.MULTILINE):
        if text.startswith("forget I "):
            rows.append({"message": int(number), "fact": f"User {text[9:]}", "forget": True})
        elif text.startswith("I "):
            rows.append({"message": int(number), "fact": f"User {text[2:]}", "forget": False})
    return "I can't." if "garble" in dialogue else json.dumps({"facts": rows})


def _decide(known: list[dict[str, str]], new: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    concerned = set()
    for fact in new:
        pairs = [(old, judge(f"Old: {old['text']}\nNew: {fact['text']}")) for old in known]
        old, event = next(((old, event) for old, event in pairs if event != "ADD"), ({"id": "99", "text": ""}, "ADD"))
        concerned.add(old["id"])
        yield {"id": old["id"], "text": fact["text"], "event": event, "fact": fact["fact"]}
    yield from ({**old, "event": "NONE"} for old in known if old["id"] not in concerned)


class RuleModel(BaseChatModel):
    """Answers by a function and keeps the prompts."""

    rule: Callable[[str], str]
    prompts: list[str] = Field(default_factory=list)
    pause: float = 0.0
    at_once: list[int] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "rule"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        prompt = messages[0].text
        self.prompts.append(prompt)
        if self.pause:
            self.at_once.append(sum(t.name.startswith("ThreadPoolExecutor") for t in threading.enumerate()))
            time.sleep(self.pause)
        usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.rule(prompt), usage_metadata=usage))])


def _chat(key: str, *days: tuple[str, list[str]], questions: Any = ()) -> Chat:
    messages = [
        {"role": role, "content": text.removeprefix("> "), "date": f"{day} 12:0{n}"}
        for day, texts in days
        for n, text in enumerate(texts)
        for role in ["assistant" if text.startswith("> ") else "user"]
    ]
    return Chat.model_validate({"id": key, "messages": messages, "questions": list(questions)})


ROME = _chat(
    "rome",
    ("2024-05-01", ["I live in Rome", "> Nice.", "I have a cat", "> Cats are great."]),
    ("2024-05-09", ["I live in Oslo now", "> Oh!", "I play the harp"]),
    ("2024-05-20", ["forget I have a cat"]),
    questions=[
        {"question": "Where do I live?", "answer": "Oslo"},
        {"question": "What is my pin?", "answer": None},
        {"question": "Do I have a cat?"},
    ],
)
TEA = _chat("tea", ("2024-06-01", ["I like green tea", "> Good choice."]), ("2024-06-02", ["I like garble"]))


def _run(
    tmp_path: Path,
    bundle: Bundle,
    model: BaseChatModel | None = None,
    chats: Iterable[Chat] = (ROME, TEA),
    cleaning: Cleaning | None = None,
    **options: Any,
) -> Distilled:
    teacher = Teacher(model or RuleModel(rule=teach), tmp_path / "replies.jsonl", **options)
    return distil(list(chats), teacher, bundle, tmp_path, cleaning=cleaning, embeddings=BagOfWords())


def _texts(made: Distilled, role: Role) -> list[tuple[str, str]]:
    return [(row["prompt"][0]["content"], row["completion"][0]["content"]) for row, _ in made.rows[role]]


# -- what comes out ----------------------------------------------------------------------------------------------


def test_rows_for_all_roles(tmp_path: Path, bundle: Bundle) -> None:
    made = _run(tmp_path, bundle)
    targets = {target for _, target in _texts(made, Role.EXTRACTION)}
    assert {"1 live in Rome", "1 forget: have a cat", "1 like green tea"} <= targets
    pairs = dict(_texts(made, Role.MEMORY_UPDATE))
    assert pairs["Old: User live in Rome\nNew: User live in Oslo now\nWhich?"] == "UPDATE"
    assert pairs["Old: User have a cat\nNew: forget that User have a cat\nWhich?"] == "DELETE"
    assert pairs["Old: User have a cat\nNew: User play the harp\nWhich?"] == "ADD"
    answers = {prompt.split("Question: ")[1]: (prompt, answer) for prompt, answer in _texts(made, Role.GENERATION)}
    assert answers["What is my pin?"][1] == "unknown"
    assert answers["Do I have a cat?"][1] == "in Oslo"
    # The bank is the one that the teacher built: moved, and the forgotten cat is in no context, nor its message.
    for prompt, _ in answers.values():
        assert "a cat" not in prompt.split("\n\nQuestion")[0]
    assert {group for _, group in made.rows[Role.EXTRACTION]} == {"rome", "tea"}


@pytest.fixture
def of_spans(bundle: Bundle) -> Bundle:
    card = bundle.card.model_copy(update={"dialect": "spans"})
    prompts = {**bundle.prompts, Role.EXTRACTION: "{dialogue}\nSentence: {sentence}"}
    return dataclasses.replace(bundle, card=card, prompts=prompts)


def test_rows_of_a_student_that_chooses_sentences(tmp_path: Path, of_spans: Bundle) -> None:
    made = _run(tmp_path, of_spans, chats=[ROME])
    assert _texts(made, Role.EXTRACTION)[:2] == [
        ("user: I live in Rome\nSentence: I live in Rome", "alone"),
        ("user: I live in Rome\nassistant: Nice.\nuser: I have a cat\nSentence: I have a cat", "alone"),
    ]
    assert _texts(made, Role.EXTRACTION)[-1] == ("user: forget I have a cat\nSentence: forget I have a cat", "forget")


def test_facts_belong_to_the_sentence_with_their_words(of_spans: Bundle) -> None:
    asked = turn("Which city do you live in, Rome?", id="1", role="assistant")
    said = turn("Yes. My sister Lena is a vet. She has two dogs. Any ideas?", id="2")
    facts = (
        ("'s sister Lena has two dogs", False),
        ("'s sister Lena is a vet", False),
        ("lives in the city of Rome", False),
    )
    rows = taught_sentences(of_spans, [[AnnotatedTurn(asked, ()), AnnotatedTurn(said, facts)]])
    assert [row["completion"][0]["content"] for row in rows] == ["context", "alone", "before", "none"]


def test_two_replacing_facts_are_kept(tmp_path: Path, bundle: Bundle) -> None:
    moved = ["I live in Oslo", "> Oh!", "I live in Oslo near the harbour"]
    asked = [{"question": "Where do I live, in Oslo or Rome?", "answer": "Oslo"}]
    chat = _chat("moved", ("2024-05-01", ["I live in Rome"]), ("2024-05-09", moved), questions=asked)
    made = _run(tmp_path, bundle, chats=[chat])
    labels = dict(_texts(made, Role.MEMORY_UPDATE))
    assert labels["Old: User live in Rome\nNew: User live in Oslo\nWhich?"] == "UPDATE"
    assert labels["Old: User live in Rome\nNew: User live in Oslo near the harbour\nWhich?"] == "UPDATE"
    context, _ = _texts(made, Role.GENERATION)[0]
    assert "- User live in Oslo\n" in context
    assert "- User live in Oslo near the harbour\n" in context


def test_distil_writes_records_rows_and_report(tmp_path: Path, bundle: Bundle) -> None:
    made = _run(tmp_path, bundle, price=(1.0, 10.0))
    records = [json.loads(line) for line in (tmp_path / "extraction.jsonl").read_text().splitlines()]
    assert [set(record) for record in records] == [{"source", "key", "raw", "target", "dropped"}] * len(records)
    dropped = [record for record in records if record["dropped"]]
    assert [(r["source"], r["raw"], r["target"]) for r in dropped] == [("tea", "I can't.", "")]
    assert "no JSON object" in dropped[0]["dropped"]
    for role in (Role.EXTRACTION, Role.MEMORY_UPDATE, Role.GENERATION):
        assert load_rows(tmp_path / "rows" / f"{role}.jsonl") == made.rows[role]
    report = json.loads((tmp_path / "report.json").read_text())
    calls = sum(report["bill"]["asked"].values())
    assert report["bill"]["input_tokens"] == 100 * calls
    assert report["bill"]["dollars"] == pytest.approx(calls * (100 * 1.0 + 10 * 10.0) / 1e6)
    assert report["dropped"]["extraction"] == 1


def test_dropped_window_yields_no_rows(tmp_path: Path, bundle: Bundle) -> None:
    made = _run(tmp_path, bundle)
    assert not any("garble" in prompt for prompt, _ in _texts(made, Role.EXTRACTION))


def test_row_prompts_match_runtime(tmp_path: Path, bundle: Bundle) -> None:
    made = _run(tmp_path, bundle)
    asked: list[str] = []

    def note(prompt: str) -> str:
        asked.append(prompt)
        return "ADD"

    with ScriptedEngine(memory_update=note, generation=note) as engine:
        experts = Experts(bundle, engine)
        at = ROME.sittings()[1][0].observed_at
        old = Memory("m", "User live in Rome", Scope("rome"), at, at, at)
        experts.decide([UpdateQuestion(Fact("User live in Oslo now", "t", at), (old,))])
        prompt, _ = _texts(made, Role.GENERATION)[0]
        context, question = prompt.split("\n\nQuestion: ")
        experts.answer(question, context)
    assert asked[0] in dict(_texts(made, Role.MEMORY_UPDATE))
    assert asked[1] == prompt


def test_teacher_prompt_exceeds_student_prompt(tmp_path: Path, bundle: Bundle) -> None:
    model = RuleModel(rule=teach)
    made = _run(tmp_path, bundle, model)
    longest = max(len(prompt) for prompt, _ in _texts(made, Role.MEMORY_UPDATE))
    assert min(map(len, model.prompts)) > 3 * longest


def test_json_student_writes_paper_format(tmp_path: Path, bundle: Bundle) -> None:
    paper = dataclasses.replace(bundle, card=bundle.card.model_copy(update={"dialect": "json"}))
    made = _run(tmp_path / "short", paper)
    whole = _run(tmp_path / "whole", paper, cleaning=Cleaning(untouched=False))
    facts = [json.loads(target)["facts"] for _, target in _texts(made, Role.EXTRACTION)]
    assert ["User live in Rome", "User have a cat"] in facts
    lengths = [sum(len(target) for _, target in _texts(run, Role.MEMORY_UPDATE)) for run in (made, whole)]
    assert lengths[1] > 1.3 * lengths[0]  # the paper's failure signature: unfiltered updates grow long


# -- switches ----------------------------------------------------------------------------------------------------


def test_untouched_switch_controls_none_rows(tmp_path: Path, bundle: Bundle) -> None:
    runs = [_run(tmp_path / str(on), bundle, cleaning=Cleaning(untouched=on)) for on in (True, False)]
    filtered, whole = (Counter(label for _, label in _texts(run, Role.MEMORY_UPDATE)) for run in runs)
    assert filtered["NONE"] == 0
    assert filtered["ADD"] > 0
    assert whole["NONE"] > 0
    assert whole["ADD"] + whole["NONE"] == filtered["ADD"]


def test_gold_answers_replace_teacher_answers(tmp_path: Path, bundle: Bundle) -> None:
    model = RuleModel(rule=teach)
    answers = [answer for _, answer in _texts(_run(tmp_path, bundle, model, [ROME]), Role.GENERATION)]
    assert answers == ["Oslo", "unknown", "in Oslo"]
    assert sum("\nQuestion: " in prompt for prompt in model.prompts) == 1  # nobody is paid for what is known
    made = _run(tmp_path / "teacher", bundle, chats=[ROME], cleaning=Cleaning(gold=False))
    assert [answer for _, answer in _texts(made, Role.GENERATION)] == ["in Oslo"] * 3


def test_cleaning_switches_keep_thoughts_and_text(tmp_path: Path, bundle: Bundle) -> None:
    loud = {
        "all": Cleaning(gold=False),
        "thoughts": Cleaning(gold=False, minimal=False, thoughts=False),
        "chatter": Cleaning(gold=False, minimal=False),
    }
    said = {
        name: _texts(_run(tmp_path / name, bundle, chats=[ROME], cleaning=switches), Role.GENERATION)[0][1]
        for name, switches in loud.items()
    }
    assert said == {
        "all": "in Oslo",
        "thoughts": '<think>Let me see.</think>Sure: {"answer": "in Oslo"}',
        "chatter": 'Sure: {"answer": "in Oslo"}',
    }


# -- what it costs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [False, True])
def test_killed_run_resumes_without_repeating_calls(tmp_path: Path, bundle: Bundle, torn: bool) -> None:
    whole = RuleModel(rule=teach)
    expected = _run(tmp_path / "whole", bundle, whole)
    asked: list[str] = []

    def killed(prompt: str) -> str:
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(prompt)
        return teach(prompt)

    folder = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        _run(folder, bundle, RuleModel(rule=killed), concurrency=1)
    assert not (folder / "report.json").exists()
    if torn:  # the process died while it wrote the next reply
        with (folder / "replies.jsonl").open("a") as file:
            file.write('{"key": "abc", "role": "gener')
    rest = RuleModel(rule=teach)
    made = _run(folder, bundle, rest)
    assert len(rest.prompts) == len(whole.prompts) - 5
    assert not set(asked) & set(rest.prompts)
    assert made.rows == expected.rows
    assert made.records == expected.records
    again = RuleModel(rule=teach)
    third = _run(folder, bundle, again, price=(1.0, 1.0))
    assert again.prompts == []
    assert third.bill.dollars == 0
    assert third.bill.dollars_before == pytest.approx(len(whole.prompts) * 110 / 1e6)


def test_failed_calls_are_counted_and_retried(tmp_path: Path, bundle: Bundle) -> None:
    def moody(prompt: str) -> str:
        if "green tea" in prompt and "were written on" in prompt:
            raise TimeoutError("too slow")
        return teach(prompt)

    made = _run(tmp_path, bundle, RuleModel(rule=moody))
    assert made.bill.failed == {"extraction": 1}
    failed = [record.dropped for record in made.records["extraction"] if record.dropped]
    assert "the teacher failed: TimeoutError: too slow" in failed
    mended = RuleModel(rule=teach)
    made = _run(tmp_path, bundle, mended)
    assert not made.bill.failed
    assert sum("were written on" in prompt for prompt in mended.prompts) == 1


def test_failing_teacher_aborts_run(tmp_path: Path, bundle: Bundle) -> None:
    def broken(prompt: str) -> str:
        raise PermissionError("wrong key")

    model = RuleModel(rule=broken)
    chats = [_chat(f"c{n}", ("2024-05-01", [f"I count {n}"])) for n in range(40)]
    with pytest.raises(EngineError, match=r"last 8 calls to RuleModel failed.*wrong key"):
        _run(tmp_path, bundle, model, chats, concurrency=2)
    assert len(model.prompts) < 20


def test_concurrency_limit_is_respected(tmp_path: Path) -> None:
    model = RuleModel(rule=lambda prompt: "x", pause=0.1)
    before = sum(t.name.startswith("ThreadPoolExecutor") for t in threading.enumerate())
    Teacher(model, tmp_path / "r.jsonl", concurrency=3).ask("generation", [f"prompt {n}" for n in range(9)])
    assert max(model.at_once) - before == 3


def test_identical_prompt_is_asked_once(tmp_path: Path) -> None:
    model = RuleModel(rule=lambda prompt: prompt.upper())
    teacher = Teacher(model, tmp_path / "r.jsonl")
    assert [reply.text for reply in teacher.ask("generation", ["a", "b", "a"])] == ["A", "B", "A"]
    assert sorted(model.prompts) == ["a", "b"]
    teacher.ask("extraction", ["a"])  # another role is another question
    assert len(model.prompts) == 3


# -- chats and rows on disk --------------------------------------------------------------------------------------


def test_chats_load_from_jsonl_and_text(tmp_path: Path) -> None:
    lines = tmp_path / "chats.jsonl"
    lines.write_text(ROME.model_dump_json(exclude_unset=True) + "\n\n")
    text = tmp_path / "friends.txt"
    text.write_text("2024-03-04 18:20\nAna: I moved.\nLast week.\nassistant: Oh!\n\n[2024-03-06]\nBen: I paint.\n")
    rome, friends = load_chats(lines, text)
    assert rome == ROME
    assert [len(sitting) for sitting in rome.sittings()] == [4, 3, 1]
    sittings = friends.sittings()
    assert [[(t.role, t.speaker, t.text) for t in sitting] for sitting in sittings] == [
        [("user", "Ana", "I moved.\nLast week."), ("assistant", None, "Oh!")],
        [("user", "Ben", "I paint.")],
    ]
    assert sittings[0][1].observed_at.isoformat() == "2024-03-04T18:20:00+00:00"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "Expecting"),
        ('{"id": "a", "messages": []}', "at least 1"),
        ('{"id": "a", "messages": [{"role": "user", "content": "x"}]}', "has no date"),
        ('{"id": "a", "messages": [{"role": "boss", "content": "x", "date": "2024-01-01"}]}', "boss"),
    ],
)
def test_invalid_chat_names_its_line(tmp_path: Path, line: str, named: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(InvalidInputError, match=f"mine.jsonl:2 is not a chat.*(?s:.*){named}"):
        load_chats(path)


def test_duplicate_chat_id_raises(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f"{TEA.model_dump_json()}\n{TEA.model_dump_json()}\n")
    with pytest.raises(InvalidInputError, match=r"mine.jsonl:2 is a second chat 'tea'"):
        load_chats(path)


def test_split_keeps_chats_together() -> None:
    row: Any = {"prompt": [], "completion": []}
    training, validation = split_rows([(dict(row, n=n), f"chat {n // 10}") for n in range(250)])
    assert len(training) + len(validation) == 250
    assert not {r["n"] // 10 for r in training} & {r["n"] // 10 for r in validation}
    assert {r["n"] // 10 for r in validation} == {0, 12, 24}
    training, validation = split_rows([(dict(row, n=n), "") for n in range(24)])
    assert [r["n"] for r in validation] == [0, 12]


def test_invalid_row_raises(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": [{"role": "user", "content": "x"}], "completion": "y"}\n')
    with pytest.raises(InvalidInputError, match=r"rows.jsonl:1 is not a row"):
        load_rows(path)


# -- the command -------------------------------------------------------------------------------------------------


def test_distil_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distilling, "default_embeddings", BagOfWords)
    (tmp_path / "tea.txt").write_text("2024-06-01\nuser: I like green tea\n")
    script = tmp_path / "replies.jsonl"
    said = [
        {"when": "The messages were written on.*I like (green tea)", "say": _say(1, "User likes <1>")},
        {"when": "Write the questions", "say": '{"questions": ["Which tea?"]}'},
        {"when": "Question: Which tea", "say": '{"answer": "green tea"}'},
    ]
    script.write_text("".join(json.dumps(line) + "\n" for line in said[:2]))
    command = ["distil", str(tmp_path / "tea.txt"), "--teacher", f"script:{script}", "--out", str(tmp_path / "out")]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 1
    assert "generation: 1 calls, 0 from an earlier run, 1 failed; 1 of 1 replies dropped, 0 rows" in first.output
    assert "Run the command again" in first.output
    script.write_text("".join(json.dumps(line) + "\n" for line in said))
    second = CliRunner().invoke(app, command)
    assert second.exit_code == 0, second.output
    assert "extraction: 0 calls, 1 from an earlier run" in second.output
    assert "generation: 1 calls, 0 from an earlier run, 0 failed; 0 of 1 replies dropped, 1 rows" in second.output
    row = load_rows(tmp_path / "out" / "rows" / "generation.jsonl")[0][0]
    assert row["completion"][0]["content"] == "green tea"
    refused = CliRunner().invoke(app, [*command[:3], "nobody", *command[4:]])
    assert refused.exit_code == 1
    assert "teacher 'nobody' can't be opened" in " ".join(refused.output.split())


def _say(number: int, fact: str) -> str:
    return json.dumps({"facts": [{"message": number, "fact": fact}]})
