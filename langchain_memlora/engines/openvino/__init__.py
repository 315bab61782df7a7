"""The engine on OpenVINO; it needs the extra `openvino`."""

from langchain_memlora.errors import MissingExtraError

try:
    import openvino as _openvino  # noqa: F401 - the modules of this package need it
except ImportError as error:
    msg = "OpenVINOEngine needs the package openvino. Run `pip install langchain-memlora[openvino]`."
    raise MissingExtraError(msg) from error

from langchain_memlora.engines.openvino.engine import OpenVINOEngine

__all__ = ["OpenVINOEngine"]
