"""Reading of safetensors files with numpy alone, bfloat16 included, which numpy itself lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I64": np.int64, "I32": np.int32}


class TensorFiles(Mapping[str, np.ndarray]):
    """The tensors of one or more safetensors files, mapped into memory and converted to float32 on access.

    Args:
        paths: The files; a folder means all `*.safetensors` in it.

    Raises:
        OSError: A file is missing.
        ValueError: A file is not in the format, or has a tensor of another dtype than plain numbers.

    Example:
        ```python
        from langchain_memlora.engines.tensors import TensorFiles
        from langchain_memlora.bundles import load_bundle

        tensors = TensorFiles(load_bundle().adapters["extraction"])
        assert next(iter(tensors.values())).dtype == "float32"
        ```
    """

    def __init__(self, *paths: Path) -> None:
        files = [file for path in paths for file in (sorted(path.glob("*.safetensors")) if path.is_dir() else [path])]
        if not files:
            msg = f"{', '.join(map(str, paths))} has no safetensors file"
            raise FileNotFoundError(msg)
        self._raw: dict[str, tuple[str, np.ndarray]] = {}
        for file in files:
            self._raw.update(_read(file))

    def __getitem__(self, name: str) -> np.ndarray:
        dtype, raw = self._raw[name]
        return from_bfloat16(raw) if dtype == "BF16" else np.asarray(raw, dtype=np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def rows(self, name: str, index: np.ndarray) -> np.ndarray:
        """Return rows of a matrix as float32, without reading the others: `index` of any shape, with an axis added."""
        dtype, raw = self._raw[name]
        return from_bfloat16(raw[index]) if dtype == "BF16" else np.asarray(raw[index], dtype=np.float32)


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Convert bfloat16, as 16-bit integers, to float32, whose upper half has the same bits."""
    return (np.asarray(bits, dtype=np.uint32) << 16).view(np.float32)


def to_bfloat16(numbers: np.ndarray) -> np.ndarray:
    """Round float32 to the nearest bfloat16, ties to even, as 16-bit integers.

    Example:
        ```python
        import numpy as np
        from langchain_memlora.engines.tensors import from_bfloat16, to_bfloat16

        assert from_bfloat16(to_bfloat16(np.array([1.0, 3.1415927]))).tolist() == [1.0, 3.140625]
        ```
    """
    bits = np.ascontiguousarray(numbers, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def _read(file: Path) -> Iterator[tuple[str, tuple[str, np.ndarray]]]:
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > file.stat().st_size:
            msg = f"{file} is not a safetensors file, or was truncated"
            raise ValueError(msg)
        header: dict[str, Any] = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    data = np.memmap(file, dtype=np.uint8, mode="r", offset=8 + length)
    for name, spec in header.items():
        if spec["dtype"] not in _DTYPES:
            msg = f"{name} in {file} has dtype {spec['dtype']}; only {', '.join(_DTYPES)} can be read"
            raise ValueError(msg)
        start, end = spec["data_offsets"]
        if end > len(data):
            msg = f"{file} was truncated: {name} ends at byte {end} of {len(data)}"
            raise ValueError(msg)
        yield name, (spec["dtype"], data[start:end].view(_DTYPES[spec["dtype"]]).reshape(spec["shape"]))
