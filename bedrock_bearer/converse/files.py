"""Files on disk as content of a message: their format, their name and their size.

The limits are those that AWS documents for data in a request, see
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html. Larger files go
through S3.
"""

from __future__ import annotations

import re
from pathlib import Path

MB = 1024 * 1024
MAX_BYTES = {"image": int(3.75 * MB), "document": int(4.5 * MB), "video": 25 * MB}

_FORMATS = {
    "image": {"gif": "gif", "jpeg": "jpeg", "jpg": "jpeg", "png": "png", "webp": "webp"},
    "document": {
        **{kind: kind for kind in ("csv", "doc", "docx", "html", "md", "pdf", "txt", "xls")},
        "xlsx": "xlsx",
        "htm": "html",
        "markdown": "md",
    },
    "video": {
        **{kind: kind for kind in ("flv", "mkv", "mov", "mp4", "mpeg", "mpg", "webm", "wmv")},
        "3gp": "three_gp",
    },
}
_IMAGE_BEGINS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpeg"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webp"),
)


def read_file(path: str | Path, kind: str) -> tuple[str, bytes]:
    """Return the format and the bytes of an image, a document or a video.

    The format is that of the file's name; for an image, that of its content.

    Raises:
        ValueError: Bedrock does not take the format, or the file is too large for a request.
        OSError: the file cannot be read.
    """
    file = Path(path)
    if file.stat().st_size > MAX_BYTES[kind]:
        raise ValueError(
            f"{file.name} has {file.stat().st_size / MB:.1f} MB: {kind}s in a request may have "
            f"{MAX_BYTES[kind] / MB:g} MB at most. Put it into S3 and send its s3Location."
        )
    data = file.read_bytes()
    if not data:
        raise ValueError(f"{file.name} is empty")
    formats = _FORMATS[kind]
    format_ = formats.get(file.suffix.lower().lstrip("."))
    if kind == "image":
        format_ = next((name for begin, name in _IMAGE_BEGINS if begin.match(data)), None)
    if format_ is None:
        known = ", ".join(sorted(set(formats.values())))
        raise ValueError(f"{file.name}: Bedrock takes {kind}s as {known}")
    return format_, data


def document_name(path: str | Path) -> str:
    """Return the name of a file in the characters that AWS allows, without its extension."""
    allowed = re.sub(r"[^a-zA-Z0-9\s\-()\[\]]+", "-", Path(path).stem)
    return re.sub(r"\s+", " ", allowed).strip(" -")[:200] or "document"
