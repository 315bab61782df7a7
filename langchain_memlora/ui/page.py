"""The layout of the page, and the method of the memory that each action calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from langchain_memlora.errors import InvalidInputError, MemLoRAError
from langchain_memlora.intake.messages import to_scope
from langchain_memlora.types import Answer, Event, Operation
from langchain_memlora.ui.conversation import conversation
from langchain_memlora.ui.exchange import Exchange, read_image, send_message
from langchain_memlora.ui.panel_data import read_panel_data
from langchain_memlora.ui.panels import panels

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

TITLE = "memlora"
UPLOADS_KEPT = 600  # seconds; uploads are removed once read, this removes those never sent
_BRAND = Markup('<h1>memlora</h1><p class="fine">long-term memory, on this machine</p>')


@dataclass(frozen=True)
class Session:
    """One visit to the page.

    Attributes:
        thread: The conversation's thread; a new one for each visit and user.
        fresh: The events of the last action, by memory id.
    """

    user: str
    thread: str
    exchanges: tuple[Exchange, ...] = ()
    fresh: Mapping[str, Event] = field(default_factory=dict)

    @property
    def answer(self) -> Answer | None:
        """The last answer."""
        return next((e.answer for e in reversed(self.exchanges) if e.answer), None)


def new_session(user: str) -> Session:
    """Start a visit.

    Raises:
        InvalidInputError: The user name is invalid.
    """
    to_scope(user)
    return Session(user, f"page {datetime.now(UTC).isoformat()}")


def build_page(memory: MemLoRAMemory, user_id: str) -> gr.Blocks:
    """Build the page.

    Args:
        user_id: The user when the page opens; visitors can switch.

    Raises:
        InvalidInputError: The user name is invalid.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory
        from langchain_memlora.ui import build_page

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            page = build_page(memory, "ana")
            print(page.title)
        ```
    """
    actions = _Actions(memory, user_id)
    kept = (UPLOADS_KEPT, UPLOADS_KEPT)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=kept) as page:
        session = gr.State(new_session(user_id))
        with gr.Row(elem_id="top"):
            gr.HTML(_BRAND, elem_id="brand", js_on_load=None, apply_default_css=False)
            user = gr.Textbox(
                user_id, label="You are", elem_id="user", container=True, max_lines=1, min_width=120, scale=0
            )
        with gr.Row(elem_id="main"):
            with gr.Column(elem_id="talk", scale=11, min_width=320):
                talk = gr.HTML(elem_id="conversation", js_on_load=_script("conversation.js"), apply_default_css=False)
                message = gr.MultimodalTextbox(
                    placeholder="Tell me something, or ask",
                    elem_id="message",
                    file_types=["image"],
                    file_count="multiple",
                    show_label=False,
                    autofocus=True,
                    container=False,
                    max_plain_text_length=50_000,
                )
            with gr.Column(elem_id="side", scale=9, min_width=320):
                side = gr.HTML(elem_id="panels", js_on_load=_script("panels.js"), apply_default_css=False)
        shown = [session, talk, side]
        options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        page.load(actions.open, None, [*shown, user], **options)
        message.submit(actions.send, [session, message], [*shown, message], **options)
        side.act(actions.act, session, shown, **options)
        gr.on([user.submit, user.blur], actions.switch, [session, user], [*shown, user], **options)
    return page


class _Actions:
    """Handlers of the page's events. Each returns the session and both halves of the page, rendered again."""

    def __init__(self, memory: MemLoRAMemory, user_id: str) -> None:
        self._memory, self._user_id = memory, user_id

    def open(self) -> tuple[Any, ...]:
        """Handle the opening of the page."""
        session = new_session(self._user_id)
        return *self._show(session), session.user

    def send(self, session: Session, message: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Handle a message, step by step."""
        text, paths = (message.get("text") or "").strip(), [Path(path) for path in message.get("files") or ()]
        images = [read_image(path) for path in paths]
        for path in paths:
            path.unlink(missing_ok=True)
        if not text and not images:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        before = session.exchanges
        for exchange in send_message(self._memory, text, user_id=session.user, thread_id=session.thread, images=images):
            session = replace(session, exchanges=(*before, exchange))
            if exchange.working:
                talk = conversation(session.exchanges, session.user)
                yield gr.skip(), talk, gr.skip(), gr.MultimodalTextbox(None, interactive=False)
        operations = exchange.result.operations if exchange.result else ()
        yield *self._show(session, *operations), gr.MultimodalTextbox(None, interactive=True)

    def act(self, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """Handle a button on a memory."""
        memory_id, user_id = event.memory, session.user
        try:
            match event.verb:
                case "delete":
                    operation = self._memory.delete(memory_id, user_id=user_id)
                case "restore":
                    operation = self._memory.restore(memory_id, user_id=user_id)
                case "update":
                    operation = self._memory.update(memory_id, event.text, user_id=user_id)
                case unknown:
                    msg = f"Unknown action {unknown!r}. Allowed are delete, restore and update. Reload the page."
                    raise InvalidInputError(msg)
        except MemLoRAError as error:  # for instance after a change in another window
            gr.Warning(str(error))
            return self._show(session)
        return self._show(session, operation)

    def switch(self, session: Session, user: str) -> tuple[Any, ...]:
        """Handle a change of user."""
        if user.strip() == session.user:
            return gr.skip(), gr.skip(), gr.skip(), session.user
        try:
            session = new_session(user.strip())
        except InvalidInputError as error:
            gr.Warning(str(error))
        return *self._show(session), session.user

    def _show(self, session: Session, *operations: Operation) -> tuple[Session, str, str]:
        session = replace(session, fresh={o.memory_id: o.event for o in operations if o.memory_id})
        known = read_panel_data(self._memory, session.user)
        talk, side = conversation(session.exchanges, session.user), panels(known, session.answer, session.fresh)
        return session, talk, side


def _script(name: str) -> str:
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")
