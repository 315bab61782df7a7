"""Engines by name, and the choice that `auto` makes on this machine."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.base import Engine
from langchain_memlora.engines.lazy import LazyEngine
from langchain_memlora.errors import InvalidInputError, MissingExtraError

AUTO = "auto"


def named_engine(name: str, bundle: Bundle) -> Engine:
    """Return an engine by name; it loads at its first request.

    Args:
        name: `transformers`, `openvino`, or `auto` for the fastest of these that is installed and can run the bundle:
            transformers if torch has an NVIDIA GPU, else OpenVINO, else transformers. An address that begins with `http` is a
            server that holds the experts (`ServerEngine`).

    Raises:
        InvalidInputError: There is no such engine.
        MissingExtraError: The engine needs an extra that is not installed; the message names it.

    Example:
        ```python
        from langchain_memlora.engines import Request
        from langchain_memlora.engines.registry import named_engine
        from langchain_memlora.bundles import load_bundle

        with named_engine("auto", load_bundle()) as engine:
            print(engine.run([Request(None, "Say hello.", max_tokens=8)])[0].text)
        ```
    """
    makers: dict[str, Callable[[Bundle], Engine]] = {
        AUTO: _fastest,
        "openvino": _openvino,
        "transformers": _transformers,
    }
    if name.startswith("http"):
        return _server(bundle, name)  # it loads nothing and needs no worker
    if name not in makers:
        msg = f"engine is {name!r}. Pass {', '.join(makers)}, a server's address, or an Engine of your own."
        raise InvalidInputError(msg)
    if name == "openvino" and not _has_openvino():
        msg = "engine='openvino' needs the package openvino. Run `pip install langchain-memlora[openvino]`."
        raise MissingExtraError(msg)
    return LazyEngine(lambda: makers[name](bundle), bundle.card.base.name)


def _fastest(bundle: Bundle) -> Engine:
    if _has_openvino() and not _has_cuda():
        from langchain_memlora.engines.openvino.fitting import can_run

        if can_run(bundle):
            return _openvino(bundle)
    return _transformers(bundle)


def _openvino(bundle: Bundle) -> Engine:
    from langchain_memlora.engines.openvino import OpenVINOEngine

    return OpenVINOEngine(bundle)


def _transformers(bundle: Bundle) -> Engine:
    from langchain_memlora.engines.transformers import TransformersEngine

    return TransformersEngine(bundle)


def _server(bundle: Bundle, url: str) -> Engine:
    from langchain_memlora.engines.server import ServerEngine

    return ServerEngine(bundle, url)


def _has_openvino() -> bool:
    return importlib.util.find_spec("openvino") is not None


def _has_cuda() -> bool:
    """Return whether torch has a GPU; torch is only imported if there is a driver."""
    if not shutil.which("nvidia-smi"):
        return False
    import torch

    return torch.cuda.is_available()
