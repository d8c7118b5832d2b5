"""Images, documents and videos from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bedrock_bearer.converse import ConverseRequest, DocumentContent, ImageContent, VideoContent
from bedrock_bearer.converse.files import MAX_BYTES

PNG = b"\x89PNG\r\n\x1a\n...."
JPEG = b"\xff\xd8\xff\xe0...."


def write(folder: Path, name: str, data: bytes = b"data") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.png", PNG, "png"),
        ("a.JPG", JPEG, "jpeg"),
        ("a.gif", b"GIF89a...", "gif"),
        ("a.webp", b"RIFF\x00\n\x00\x00WEBPVP8 ", "webp"),
        ("wrong.png", JPEG, "jpeg"),
        ("none", PNG, "png"),
    ],
)
def test_an_image_has_the_format_of_its_content(
    tmp_path: Path, name: str, data: bytes, expected: str
) -> None:
    block = ImageContent.from_path(write(tmp_path, name, data)).to_wire()["image"]
    assert block["format"] == expected


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.pdf", "pdf"),
        ("a.CSV", "csv"),
        ("a.docx", "docx"),
        ("a.htm", "html"),
        ("a.markdown", "md"),
        ("a.txt", "txt"),
        ("a.xls", "xls"),
    ],
)
def test_a_document_has_the_format_of_its_extension(
    tmp_path: Path, name: str, format_: str
) -> None:
    block = DocumentContent.from_path(write(tmp_path, name)).to_wire()["document"]
    assert block == {"name": "a", "format": format_, "source": {"bytes": "ZGF0YQ=="}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Report 2026.pdf", "Report 2026"),
        ("report_v2.final.pdf", "report-v2-final"),
        ("Jahresbericht für März.pdf", "Jahresbericht f-r M-rz"),
        ("a  b\tc.pdf", "a b c"),
        ("[x] (y).pdf", "[x] (y)"),
        ("报告.pdf", "document"),
        ("x" * 240 + ".pdf", "x" * 200),
    ],
)
def test_a_document_is_named_in_the_characters_that_aws_allows(
    tmp_path: Path, name: str, expected: str
) -> None:
    document = DocumentContent.from_path(write(tmp_path, name)).document
    assert document.name == expected


def test_a_document_may_be_given_a_name(tmp_path: Path) -> None:
    document = DocumentContent.from_path(str(write(tmp_path, "a.pdf")), name="Contract").document
    assert document.name == "Contract"


@pytest.mark.parametrize(
    ("name", "format_"), [("a.mp4", "mp4"), ("a.3gp", "three_gp"), ("a.MOV", "mov")]
)
def test_a_video_has_the_format_of_its_extension(tmp_path: Path, name: str, format_: str) -> None:
    assert VideoContent.from_path(write(tmp_path, name)).video.format == format_


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (ImageContent, "a.png", r"a\.png: Bedrock takes images as gif, jpeg, png, webp"),
        (
            DocumentContent,
            "a.exe",
            r"a\.exe: Bedrock takes documents as csv, doc, docx, html, md, pdf",
        ),
        (VideoContent, "a", r"a: Bedrock takes videos as flv, mkv, mov, mp4"),
    ],
)
def test_a_format_that_bedrock_does_not_take_is_refused(
    tmp_path: Path, kind: Any, name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind.from_path(write(tmp_path, name))


@pytest.mark.parametrize(
    ("kind", "what", "name", "message"),
    [
        (ImageContent, "image", "a.png", "images in a request may have 3.75 MB at most"),
        (DocumentContent, "document", "a.pdf", "documents in a request may have 4.5 MB at most"),
        (VideoContent, "video", "a.mp4", "videos in a request may have 25 MB at most"),
    ],
)
def test_a_file_that_is_too_large_for_a_request_is_refused_before_it_is_read(
    tmp_path: Path, kind: Any, what: str, name: str, message: str
) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(MAX_BYTES[what] + 1)

    with pytest.raises(ValueError, match=message):
        kind.from_path(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.pdf is empty"):
        DocumentContent.from_path(write(tmp_path, "a.pdf", b""))


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ImageContent.from_path(tmp_path / "none.png")


def test_a_file_can_be_sent(tmp_path: Path) -> None:
    image = ImageContent.from_path(write(tmp_path, "a.png", PNG))
    wire = ConverseRequest.build(
        "m", {"role": "user", "content": [{"text": "What is this?"}, image]}
    ).to_wire()
    assert wire["messages"][0]["content"][1] == image.to_wire()
