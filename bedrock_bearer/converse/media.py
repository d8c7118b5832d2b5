"""Images, documents, videos and sounds in a message.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from typing import TYPE_CHECKING, Annotated, Literal

from bedrock_bearer.converse.base import Blob, OpenEnum, OpenUnion, UnknownMember, WireModel
from bedrock_bearer.converse.citations import CitationsConfig

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AudioBlock",
    "AudioContent",
    "AudioFormat",
    "AudioSource",
    "BytesSource",
    "ContentSource",
    "DocumentBlock",
    "DocumentContent",
    "DocumentContentBlock",
    "DocumentFormat",
    "DocumentSource",
    "ErrorBlock",
    "ImageBlock",
    "ImageContent",
    "ImageFormat",
    "ImageSource",
    "S3Location",
    "S3Source",
    "TextSource",
    "VideoBlock",
    "VideoContent",
    "VideoFormat",
    "VideoSource",
]


ImageFormat = Annotated[Literal["png", "jpeg", "gif", "webp"] | str, OpenEnum()]
DocumentFormat = Annotated[
    Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"] | str, OpenEnum()
]
VideoFormat = Annotated[
    Literal["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"] | str, OpenEnum()
]
AudioFormat = Annotated[
    Literal[
        "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg",
        "mpga", "pcm", "webm",
    ]
    | str,
    OpenEnum(),
]  # fmt: skip


class S3Location(WireModel):
    """An object in S3; `bucket_owner` is an account id."""

    uri: str
    bucket_owner: str | None = None


class BytesSource(WireModel):
    """The data itself: `bytes` in Python, base64 on the wire."""

    bytes: Blob


class S3Source(WireModel):
    """Data in S3."""

    s3_location: S3Location


class TextSource(WireModel):
    """A document as text."""

    text: str


class DocumentContentBlock(WireModel):
    """A piece of a document."""

    text: str | None = None


class ContentSource(WireModel):
    """A document in pieces, each of which can be cited."""

    content: list[DocumentContentBlock]


ImageSource = Annotated[BytesSource | S3Source | UnknownMember, OpenUnion()]
VideoSource = Annotated[BytesSource | S3Source | UnknownMember, OpenUnion()]
AudioSource = Annotated[BytesSource | S3Source | UnknownMember, OpenUnion()]
DocumentSource = Annotated[
    BytesSource | S3Source | TextSource | ContentSource | UnknownMember, OpenUnion()
]


class ErrorBlock(WireModel):
    """Why the block has no data."""

    message: str | None = None


class ImageBlock(WireModel):
    """An image. `source` is None only if the stream broke off or `error` says why."""

    format: ImageFormat
    source: ImageSource | None = None
    error: ErrorBlock | None = None


class VideoBlock(WireModel):
    """A video."""

    format: VideoFormat
    source: VideoSource


class AudioBlock(WireModel):
    """A sound."""

    format: AudioFormat
    source: AudioSource
    error: ErrorBlock | None = None


class DocumentBlock(WireModel):
    """A document. The model sees `name`, so it should be neutral: AWS warns of prompt injection."""

    name: str
    source: DocumentSource
    format: DocumentFormat | None = None
    context: str | None = None
    citations: CitationsConfig | None = None


class ImageContent(WireModel):
    """An image."""

    image: ImageBlock

    @classmethod
    def from_path(cls, path: "str | Path") -> "ImageContent":
        """Read an image from a file; its format is that of its content.

        Raises:
            ValueError: it is no png, jpeg, gif or webp image, or larger than 3.75 MB.
            OSError: the file cannot be read.
        """
        from bedrock_bearer.converse.files import read_file

        format_, data = read_file(path, "image")
        return cls(image=ImageBlock(format=format_, source=BytesSource(bytes=data)))


class DocumentContent(WireModel):
    """A document."""

    document: DocumentBlock

    @classmethod
    def from_path(cls, path: "str | Path", *, name: str | None = None) -> "DocumentContent":
        """Read a document from a file; its format is that of the file's extension.

        Args:
            path: the file.
            name: what the model is told as the name. Default: the file's, without its extension
                and with the characters that AWS does not allow replaced.

        Raises:
            ValueError: Bedrock does not take the format, or the file is larger than 4.5 MB.
            OSError: the file cannot be read.
        """
        from bedrock_bearer.converse.files import document_name, read_file

        format_, data = read_file(path, "document")
        source = BytesSource(bytes=data)
        block = DocumentBlock(name=name or document_name(path), format=format_, source=source)
        return cls(document=block)


class VideoContent(WireModel):
    """A video."""

    video: VideoBlock

    @classmethod
    def from_path(cls, path: "str | Path") -> "VideoContent":
        """Read a video from a file; its format is that of the file's extension.

        Raises:
            ValueError: Bedrock does not take the format, or the file is larger than 25 MB.
            OSError: the file cannot be read.
        """
        from bedrock_bearer.converse.files import read_file

        format_, data = read_file(path, "video")
        return cls(video=VideoBlock(format=format_, source=BytesSource(bytes=data)))


class AudioContent(WireModel):
    """A sound."""

    audio: AudioBlock
