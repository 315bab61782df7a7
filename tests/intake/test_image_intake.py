"""Tests that images are read in every form, checked, and stored small."""

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.pixels import block, png

from langchain_memlora.errors import InvalidImageError, RemoteImageError
from langchain_memlora.intake import MAX_BYTES, ImageStore, as_picture, read_picture

DATA = png()
CODED = base64.b64encode(DATA).decode()
URL = f"data:image/png;base64,{CODED}"


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def header_of(width: int, height: int) -> bytes:
    """A valid PNG that announces a size and holds next to nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# -- forms


@pytest.mark.parametrize(
    "given",
    [
        DATA,
        bytearray(DATA),
        URL,
        {"type": "image", "base64": CODED, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": CODED, "mime_type": "image/png"},
        {"type": "image", "data": DATA},
        {"type": "image", "url": URL},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image_url", "image_url": URL},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": CODED}},
    ],
)
def test_content_block_forms_are_read(given: Any) -> None:
    assert read_picture(given) == DATA


def test_image_files_are_read_by_path(tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(DATA)
    assert read_picture(file) == read_picture(str(file)) == read_picture({"type": "image", "path": str(file)}) == DATA


@pytest.mark.parametrize("url", ["https://example.org/a.png", "HTTP://x/y.jpg", "ftp://x/a.gif", "file:///etc/passwd"])
def test_remote_images_are_not_fetched(url: str) -> None:
    for given in (url, {"type": "image", "url": url}, {"type": "image_url", "image_url": {"url": url}}):
        with pytest.raises(RemoteImageError, match="Download it and pass its bytes"):
            read_picture(given)


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        {"type": "image"},
        {"type": "image", "file_id": "abc"},
        {"type": "image", "base64": "not base64!"},
        {"type": "image", "base64": CODED, "mime_type": "application/pdf"},
        "data:image/svg+xml,<svg/>",
        "/nowhere/at/all.png",
        "\0",
        b"x" * (MAX_BYTES + 1),
        "data:image/png;base64," + "A" * (MAX_BYTES * 2),
    ],
    ids=lambda given: f"{given!r:.30}",
)
def test_invalid_image_raises_with_remedy(given: Any) -> None:
    with pytest.raises(InvalidImageError, match=r"\w\.$") as caught:
        read_picture(given)
    assert len(str(caught.value)) < 400


# -- decoding


def test_image_conversion_is_deterministic() -> None:
    assert as_picture(DATA) == as_picture(DATA)
    assert opened(as_picture(DATA)).getpixel((0, 0)) == opened(DATA).getpixel((0, 0))


def test_image_content_overrides_mime_type() -> None:
    jpeg = png(form="JPEG")
    assert opened(as_picture(read_picture(block(jpeg, "image/png")))).size == (8, 6)


def test_large_images_are_downscaled() -> None:
    small = opened(as_picture(png(size=(3000, 1500))))
    assert (small.format, small.size) == ("JPEG", (1024, 512))


def test_animation_keeps_first_frame() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    still = opened(as_picture(file.getvalue()))
    assert (still.getpixel((4, 4)), getattr(still, "n_frames", 1)) == ((255, 0, 0), 1)


def test_exif_is_applied_and_removed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    kept = opened(as_picture(png(size=(8, 6), form="JPEG", exif=exif)))
    assert kept.size == (6, 8)
    assert not kept.getexif()


def test_transparency_becomes_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(file, "PNG")
    assert opened(as_picture(file.getvalue())).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png(size=(64, 64), form="JPEG")[:-300], "can't be decoded"),
        (DATA[: len(DATA) // 2], "can't be decoded"),
        (b"", "can't be decoded"),
        (b"<html>", "can't be decoded"),
        (b"%PDF-1.7", "can't be decoded"),
        (header_of(9_000, 9_000), "too many pixels"),
        (header_of(50_000, 50_000), "too many pixels"),
    ],
    ids=["cut jpeg", "cut png", "empty", "html", "pdf", "huge", "bomb"],
)
def test_broken_and_oversized_images_raise(data: bytes, why: str) -> None:
    with pytest.raises(InvalidImageError, match=why):
        as_picture(data)


# -- keeping


def test_identical_pictures_are_stored_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "pictures")
    assert store.sweep(keep=()) == 0  # before anything was kept
    first = store.put(b"one")
    assert store.put(b"one") == first
    assert store.put(b"two") != first
    assert len(list(store.folder.iterdir())) == 2
    assert store.get(first) == b"one"
    assert store.sweep(keep={first}) == 1
    assert [file.name for file in store.folder.iterdir()] == [first.removeprefix("sha256:")]


def test_altered_or_missing_picture_raises(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "pictures")
    reference = store.put(b"one")
    (tmp_path / "secret").write_bytes(b"secret")
    (store.folder / reference.removeprefix("sha256:")).write_bytes(b"other")
    for wrong in (reference, "sha256:0", "sha256:../secret", "", "../secret"):
        with pytest.raises(InvalidImageError, match="Add it again"):
            store.get(wrong)
