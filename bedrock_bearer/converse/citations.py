"""Search results, and the sources that a model cites.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html
"""

from typing import Annotated

from bedrock_bearer.converse.base import Boolean, Integer, OpenUnion, UnknownMember, WireModel

__all__ = [
    "Citation",
    "CitationGeneratedContent",
    "CitationLocation",
    "CitationSourceContent",
    "CitationsConfig",
    "CitationsContent",
    "CitationsContentBlock",
    "DocumentCharCitation",
    "DocumentCharLocation",
    "DocumentChunkCitation",
    "DocumentChunkLocation",
    "DocumentPageCitation",
    "DocumentPageLocation",
    "SearchResultBlock",
    "SearchResultCitation",
    "SearchResultContent",
    "SearchResultContentBlock",
    "SearchResultLocation",
    "WebCitation",
    "WebLocation",
]


class CitationsConfig(WireModel):
    """Whether the model is to cite a document or a search result."""

    enabled: Boolean


class SearchResultContentBlock(WireModel):
    """A piece of a search result."""

    text: str | None = None


class SearchResultBlock(WireModel):
    """A search result that the model can cite; `source` is a URL or an identifier."""

    source: str
    title: str
    content: list[SearchResultContentBlock]
    citations: CitationsConfig | None = None


class SearchResultContent(WireModel):
    """A search result."""

    search_result: SearchResultBlock


class WebLocation(WireModel):
    """A page on the web."""

    url: str | None = None
    domain: str | None = None


class DocumentCharLocation(WireModel):
    """Characters of a document, counted from 0."""

    document_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class DocumentPageLocation(WireModel):
    """Pages of a document."""

    document_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class DocumentChunkLocation(WireModel):
    """Pieces of a document."""

    document_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class SearchResultLocation(WireModel):
    """Pieces of a search result."""

    search_result_index: Integer | None = None
    start: Integer | None = None
    end: Integer | None = None


class WebCitation(WireModel):
    """A citation from the web."""

    web: WebLocation


class DocumentCharCitation(WireModel):
    """A citation from characters of a document."""

    document_char: DocumentCharLocation


class DocumentPageCitation(WireModel):
    """A citation from pages of a document."""

    document_page: DocumentPageLocation


class DocumentChunkCitation(WireModel):
    """A citation from pieces of a document."""

    document_chunk: DocumentChunkLocation


class SearchResultCitation(WireModel):
    """A citation from a search result."""

    search_result_location: SearchResultLocation


CitationLocation = Annotated[
    WebCitation
    | DocumentCharCitation
    | DocumentPageCitation
    | DocumentChunkCitation
    | SearchResultCitation
    | UnknownMember,
    OpenUnion(),
]


class CitationSourceContent(WireModel):
    """A passage of the source."""

    text: str | None = None


class CitationGeneratedContent(WireModel):
    """Text that the model wrote from its sources."""

    text: str | None = None


class Citation(WireModel):
    """A source that the model relied on."""

    title: str | None = None
    source: str | None = None
    source_content: list[CitationSourceContent] | None = None
    location: CitationLocation | None = None


class CitationsContentBlock(WireModel):
    """Text of the model, with its citations."""

    content: list[CitationGeneratedContent] | None = None
    citations: list[Citation] | None = None


class CitationsContent(WireModel):
    """Text with its citations."""

    citations_content: CitationsContentBlock
