"""Normalises images: decoded under limits, upright, without metadata, encoded again."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from langchain_memlora.errors import InvalidImageError

MAX_PIXELS = 50_000_000
MAX_SIDE = 1024
LOSSLESS = 512 * 512
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def as_picture(data: bytes) -> bytes:
    """Decode an image and encode it again, so that the result is valid and holds nothing but pixels.

    The result is rotated by its EXIF orientation, on white where it was transparent, in RGB, the first frame of an
    animation, and at most 1024 pixels a side. Place and camera are dropped. The format is detected from the content, not
    from a name or type.

    Returns:
        PNG up to 512 x 512 pixels, JPEG above. The same image always returns the same bytes.

    Raises:
        InvalidImageError: It is no image of a supported format, is truncated, or has more than 50 million pixels.

    Example:
        ```python
        import io
        from PIL import Image
        from langchain_memlora.intake import as_picture

        file = io.BytesIO()
        Image.new("RGB", (4000, 2000), "teal").save(file, "TIFF")
        assert Image.open(io.BytesIO(as_picture(file.getvalue()))).size == (1024, 512)
        ```
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _encoded(_small(image))
    except InvalidImageError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _too_large() from error
    except Exception as error:  # decoders raise many kinds of errors on broken files
        msg = (
            f"An image of {len(data)} bytes can't be decoded ({type(error).__name__}: {error!s:.120}). Pass a whole file "
            f"of one of the formats {', '.join(FORMATS)}."
        )
        raise InvalidImageError(msg) from error


def _small(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width * height > MAX_PIXELS:  # from the header: nothing is decoded yet
        raise _too_large(width, height)
    image.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG can be decoded smaller; others ignore this
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    clear = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def _encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    if image.width * image.height <= LOSSLESS:
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=90)
    return file.getvalue()


def _too_large(*size: int) -> InvalidImageError:
    shown = f" ({' x '.join(map(str, size))})" if size else ""
    msg = f"An image has too many pixels{shown}; the limit is {MAX_PIXELS}. Make it smaller."
    return InvalidImageError(msg)
