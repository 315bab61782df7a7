"""The right side of the page: memories, changes, and the hits for the last answer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from markupsafe import Markup

from langchain_memlora.retrieval.dates import format_day
from langchain_memlora.types import Answer, Event, Hit, Memory, Operation, Turn
from langchain_memlora.ui.markup import EMPTY, change, chip, join, plural, quote, resolved, when
from langchain_memlora.ui.panel_data import PanelData

_TABS = Markup("""<div class="tabs" role="tablist">
<button role="tab" data-tab="memories">Memories <b>{memories}</b></button>
<button role="tab" data-tab="changes">Changes <b>{changes}</b></button>
<button role="tab" data-tab="recalled">Recalled <b>{recalled}</b></button></div>
<section role="tabpanel" data-panel="memories">{memory_panel}</section>
<section role="tabpanel" data-panel="changes">{change_panel}</section>
<section role="tabpanel" data-panel="recalled">{recall_panel}</section>""")
_EMPTY = Markup('<div class="empty"><h3>{title}</h3><p>{text}</p></div>')
_CARD = Markup("""<article class="card{fresh}" data-memory="{id}"><header>{chip}<span class="fine">{said}</span></header>
<p class="fact">{text}</p>{note}{before}<footer>{sources}<span class="actions">{actions}</span></footer></article>""")
_BEFORE = Markup('<p class="before">before: <span class="was">{text}</span></p>')
_SOURCES = Markup("<details><summary>{count}</summary>{quotes}</details>")
_ACTION = Markup('<button type="button" data-verb="{verb}" title="{title}">{name}</button>')
_FORGOTTEN = Markup('<details class="forgotten"><summary>{count} forgotten</summary>{cards}</details>')
_TOMBSTONE = Markup("""<article class="card gone" data-memory="{id}"><p class="fact">A memory said {said}</p>
<footer><span class="fine">forgotten {at}</span><span class="actions">{actions}</span></footer></article>""")
_DAY = Markup('<h3 class="day">{day}</h3><ol class="changes">{rows}</ol>')
_CHANGE = Markup("""<li>{chip}<div><p>{change}</p><p class="fine">{at} · {by}</p>{quote}</div></li>""")
_MORE = Markup('<p class="fine">The newest {shown} of {all} changes. `memlora history` shows every one.</p>')
_ASKED = Markup('<p class="fine">For the last answer I read {count}, best match first.</p>')
_HIT = Markup("""<article class="card hit{old}">
<header><span class="kind">{kind}</span><span class="fine">{said}</span></header>
<p class="fact">{text}</p>{note}{sources}</article>""")
_CONTEXT = Markup("<details><summary>the exact text the expert read</summary><pre>{text}</pre></details>")


def panels(known: PanelData, answer: Answer | None = None, fresh: Mapping[str, Event] | None = None) -> Markup:
    """Render all three panels under their tabs; the page's script shows one of them.

    Args:
        answer: The last answer.
        fresh: The events of the last message, by memory id; those cards are marked.
    """
    return _TABS.format(
        memories=len(known.memories),
        changes=known.operations,
        recalled=len(answer.hits) if answer else 0,
        memory_panel=_memories(known, fresh or {}),
        change_panel=_changes(known),
        recall_panel=_recalled(answer),
    )


# -- memories ------------------------------------------------------------------------------------------------------


def _memories(known: PanelData, fresh: Mapping[str, Event]) -> Markup:
    cards = [_card(m, known, fresh.get(m.id)) for m in known.memories]
    if not cards:
        text = "Facts from your messages appear here, each with its source."
        cards = [_EMPTY.format(title="Nothing remembered yet", text=text)]
    if known.forgotten:
        count = len(known.forgotten)
        cards.append(_FORGOTTEN.format(count=count, cards=join(map(_tombstone, known.forgotten))))
    return join(cards)


def _card(memory: Memory, known: PanelData, event: Event | None) -> Markup:
    before = known.before.get(memory.id)
    actions = [_action("update", "Edit", "Edit the text")]
    if before is not None:
        actions.append(_action("restore", "Undo", f"Back to: {before}"))
    actions.append(_action("delete", "Forget", "Forget this; you can bring it back"))
    return _CARD.format(
        fresh=" fresh" if event else "",
        id=memory.id,
        chip=chip(event) if event else EMPTY,
        said=Markup("said {}").format(when(memory.observed_at)),
        text=memory.text,
        note=resolved(memory.text, memory.observed_at),
        before=EMPTY if before is None else _BEFORE.format(text=before),
        sources=_sources([known.turns[i] for i in memory.turn_ids if i in known.turns]),
        actions=join(actions),
    )


def _tombstone(memory: Memory) -> Markup:
    actions = _action("restore", "Bring back", "Remember this again")
    said = when(memory.observed_at)  # what it said is shown once it is back
    return _TOMBSTONE.format(id=memory.id, said=said, at=when(memory.updated_at.astimezone()), actions=actions)


def _action(verb: str, name: str, title: str) -> Markup:
    return _ACTION.format(verb=verb, name=name, title=title)


def _sources(turns: list[Turn]) -> Markup:
    if not turns:
        return Markup('<span class="fine">written by hand</span>')
    count = f"from {plural(len(turns), 'message')}"
    return _SOURCES.format(count=count, quotes=join(map(quote, turns)))


# -- changes -------------------------------------------------------------------------------------------------------


def _changes(known: PanelData) -> Markup:
    if not known.history:
        text = "Every ADD, UPDATE, DELETE and NONE is listed here, with the memory before and after."
        return _EMPTY.format(title="Nothing has changed yet", text=text)
    days = [
        _DAY.format(day=day, rows=join(_change(o, known.turns) for o in operations))
        for day, operations in groupby(known.history, _day)
    ]
    if known.operations > len(known.history):
        days.append(_MORE.format(shown=len(known.history), all=known.operations))
    return join(days)


def _day(operation: Operation) -> str:
    return format_day(operation.at.astimezone().date()) if operation.at else ""


def _change(operation: Operation, turns: Mapping[str, Turn]) -> Markup:
    turn = turns.get(operation.turn_id or "")
    deleted = operation.event is Event.DELETE  # a forgotten message is not quoted again
    return _CHANGE.format(
        chip=chip(operation.event),
        change=change(operation),
        at=f"{operation.at.astimezone():%H:%M}" if operation.at else "",
        by=_by(operation),
        quote=_sources([turn]) if turn and not deleted else EMPTY,
    )


def _by(operation: Operation) -> str:
    if operation.by != "expert":
        return {"restore": "undone by you", "delete": "forgotten by you", "update": "edited by you"}.get(
            operation.by, f"by {operation.by}"
        )
    return (
        "by the expert" if operation.probability in (None, 1.0) else f"by the expert, {operation.probability:.0%} sure"
    )


# -- recalled ------------------------------------------------------------------------------------------------------


def _recalled(answer: Answer | None) -> Markup:
    if answer is None:
        text = "Ask me something, and the memories and messages I read for the answer appear here."
        return _EMPTY.format(title="No question yet", text=text)
    if not answer.hits:
        return _EMPTY.format(title="Nothing was recalled", text="There was nothing to read for the last question.")
    notes = plural(len(answer.hits), "note")
    return join([_ASKED.format(count=notes), *map(_hit, answer.hits), _CONTEXT.format(text=answer.context)])


def _hit(hit: Hit) -> Markup:
    at = hit.memory.observed_at if hit.memory else hit.turns[0].observed_at
    return _HIT.format(
        old=" old" if hit.replaced_by else "",
        kind=("Memory" if hit.memory else "Message") + (", superseded" if hit.replaced_by else ""),
        said=Markup("said {}").format(when(at)),
        text=hit.text,
        note=resolved(hit.text, at),
        sources=_sources(list(hit.turns)) if hit.memory and hit.turns else EMPTY,
    )
