"""The left side of the page: messages, answers, and the operations that followed."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from langchain_memlora.types import AddResult, Answer, Operation
from langchain_memlora.ui.exchange import Exchange, Image
from langchain_memlora.ui.markup import EMPTY, change, chip, join, plural

DONT_KNOW = "I don't know that yet."
_EMPTY = Markup("""<div class="empty talk-empty"><h2>Hello, {user}.</h2>
<p>Tell me something about yourself, then ask me about it, today or next year.</p>
<ul><li>“We moved from Porto to Berlin last week.”</li><li>“Where do I live?”</li>
<li>“Forget that we moved.”</li></ul>
<p class="fine">Everything stays on this machine. What I remember appears beside this conversation, and you can undo it.</p>
</div>""")
_SAID = Markup('<div class="said">{images}{text}</div>')
_IMAGE = Markup('<img src="{url}" alt="{name}">')
_TEXT = Markup("<p>{text}</p>")
_ANSWER = Markup('<div class="answer {known}"><p>{text}</p><p class="fine">{source}</p></div>')
_RECEIPT = Markup('<ul class="receipt" aria-label="What I remembered">{rows}</ul>')
_ROW = Markup("<li>{chip}<span>{change}{probability}</span></li>")
_PROBABILITY = Markup(' <span class="probability" title="Probability from the update expert">{:.0%}</span>')
_PLAIN = Markup('<p class="fine">{text}</p>')
_PROBLEM = Markup('<p class="problem" role="alert">{text}</p>')
_WORKING = Markup('<p class="working" role="status">{text}<i></i><i></i><i></i></p>')
_EXCHANGE = Markup('<article class="exchange">{parts}</article>')
_ALL = Markup('<div class="exchanges" role="log" aria-live="polite">{exchanges}</div>')


def conversation(exchanges: Sequence[Exchange], user: str) -> Markup:
    """Render the conversation, or a welcome if it is empty."""
    if not exchanges:
        return _EMPTY.format(user=user)
    return _ALL.format(exchanges=join(_exchange(exchange) for exchange in exchanges))


def _exchange(exchange: Exchange) -> Markup:
    text = _TEXT.format(text=exchange.text) if exchange.text else EMPTY
    parts = [_SAID.format(images=join(map(_image, exchange.images)), text=text)]
    if exchange.answer:
        parts.append(_answer(exchange.answer))
    if exchange.result:
        parts.append(_result(exchange.result, asked=exchange.answer is not None))
    parts += [_PROBLEM.format(text=problem) for problem in exchange.problems]
    if exchange.working:
        parts.append(_WORKING.format(text=exchange.working))
    return _EXCHANGE.format(parts=join(parts))


def _image(image: Image) -> Markup:
    return _IMAGE.format(url=image.url, name=image.name)


def _answer(answer: Answer) -> Markup:
    source = f"read from {plural(len(answer.hits), 'note')}" if answer.hits else "there was nothing to read"
    known = "known" if answer.known else "unknown"
    return _ANSWER.format(known=known, text=answer.text if answer.known else DONT_KNOW, source=source)


def _result(result: AddResult, *, asked: bool) -> Markup:
    rows = [_ROW.format(chip=chip(o.event), change=change(o), probability=_probability(o)) for o in result.operations]
    problems = [_PROBLEM.format(text=f"{failure.kind}: {failure.message}") for failure in result.errors]
    if result.errors:
        problems.append(_PLAIN.format(text="Your message is stored; `memlora doctor --retry` tries again."))
    if rows:
        return join([_RECEIPT.format(rows=join(rows)), *problems])
    if problems or asked:
        return join(problems)
    return _PLAIN.format(text="I found no fact in that. The message itself is kept, and I can find it again.")


def _probability(operation: Operation) -> Markup:
    """Render the probability of a choice; nothing if there was only one option."""
    return EMPTY if operation.probability in (None, 1.0) else _PROBABILITY.format(operation.probability)
