"""The web page of `memlora ui`: a chat with a memory, beside a view of what it stores."""

from langchain_memlora.errors import MissingExtraError

try:
    import gradio  # noqa: F401
except ImportError as error:
    msg = "The page needs the package gradio. Run `pip install langchain-memlora[ui]`."
    raise MissingExtraError(msg) from error

from langchain_memlora.ui.page import build_page
from langchain_memlora.ui.server import PageServer

__all__ = ["PageServer", "build_page"]
