"""The rules on imports: which room may import which, and where third-party packages may be used.

Imports inside functions and under `TYPE_CHECKING` count: whoever reads a module must open what it
names. `python tests/support/imports.py [DIRECTORY]` checks the package in that directory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

PACKAGE = "bedrock_bearer"

LAYERS = (
    ("__main__",),
    ("cli",),
    ("pytest_plugin",),
    ("testing",),
    ("local",),
    ("adapters", "telemetry"),
    ("rotation",),
    ("aws",),
    ("async_client",),
    ("client",),
    ("streams",),
    ("call",),
    ("operations",),
    ("settings", "stream_reader"),
    ("wire",),
    ("keys",),
    ("regions",),
    ("errors",),
    ("access", "converse"),
    ("keys.description",),
    ("facts", "lazy", "signatures", "version"),
)
"""From the top down. A room imports from rooms below it, not from those in its own row."""

PUBLIC_LISTS = ("", "access")
"""Packages whose `__init__` offers names of rooms above them, loaded when they are used."""

THIRD_PARTY = {
    "annotated_types": ("converse",),
    "aws_bedrock_token_generator": ("aws", "adapters"),
    "boto3": ("aws", "adapters"),
    "botocore": ("aws", "adapters"),
    "certifi": ("wire",),
    "click": ("cli",),
    "h11": ("wire",),
    "httpx": ("adapters", "async_client", "client", "local", "rotation", "testing", "wire"),
    "httpx2": ("adapters", "async_client", "client", "local", "rotation", "testing", "wire"),
    "hypercorn": ("local",),
    "opentelemetry": ("telemetry",),
    "pydantic": ("access", "converse", "local", "operations"),
    "pydantic_core": ("access", "converse"),
    "pytest": ("pytest_plugin",),
    "tenacity": ("wire",),
    "trustme": ("local",),
    "typing_extensions": ("converse",),
}
"""The rooms that may import each third-party package."""

MAY_IMPORT_BY_NAME = ("lazy", "cli", "converse.base")
"""Where modules are imported by a name in a string, which no graph of imports shows. What
`converse.base` imports so is named under `TYPE_CHECKING` as well."""


def violations(directory: Path) -> list[str]:
    """Return what the package in this directory breaks, one sentence each."""
    # First on the path, so that a copy is checked and not what is installed.
    sys.path.insert(0, str(directory))
    graph = grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)
    ours = {module for module in graph.modules if not graph.is_module_squashed(module)}
    imports = [
        (module, imported)
        for module in sorted(ours)
        for imported in sorted(graph.find_modules_directly_imported_by(module))
    ]
    found = [*_circles(graph, ours)]
    for module, imported in imports:
        line = graph.get_import_details(importer=module, imported=imported)[0]["line_number"]
        place = f"{module} (line {line}) imports {imported}"
        if imported in ours:
            found += [f"{place}: {why}" for why in _own(_room(module), _room(imported))]
            if graph.find_children(imported) and imported != f"{PACKAGE}.cli":
                found += [f"{place}: import from the module that defines the name"]
        else:
            found += [f"{place}: {why}" for why in _third_party(_room(module), imported)]
    found += [f"{module}: no layer is given for it" for module in ours if not _has_place(module)]
    return [*found, *_imports_by_name(directory)]


def _circles(graph: grimp.ImportGraph, ours: set[str]) -> Iterator[str]:
    below = {m: graph.find_modules_directly_imported_by(m) & ours for m in ours}
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        yield "a circle: " + " is imported by ".join(error.args[1])


def _room(module: str) -> str:
    return module.removeprefix(PACKAGE).removeprefix(".")


def _is_in(room: str, home: str) -> bool:
    return room == home or room.startswith(f"{home}.")


def _has_place(module: str) -> bool:
    room = _room(module)
    return room in PUBLIC_LISTS or any(_is_in(room, name) for row in LAYERS for name in row)


def _layer(room: str) -> tuple[int, str]:
    """Return the row and the name of the layer; the longest name fits best."""
    places = [(row, n) for row, names in enumerate(LAYERS) for n in names if _is_in(room, n)]
    return max(places, key=lambda place: len(place[1]), default=(-1, ""))


def _own(room: str, imported: str) -> Iterator[str]:
    if room in PUBLIC_LISTS or imported in PUBLIC_LISTS:
        return
    (row, name), (other_row, other_name) = _layer(room), _layer(imported)
    if name != other_name and other_row <= row:
        yield f"{other_name!r} is not below {name!r}"


def _third_party(room: str, imported: str) -> Iterator[str]:
    if imported in sys.stdlib_module_names:
        return
    homes = THIRD_PARTY.get(imported)
    if homes is None:
        yield "no room is given for this package"
    elif not any(_is_in(room, home) for home in homes):
        yield f"only {', '.join(homes)} may"


def _imports_by_name(directory: Path) -> Iterator[str]:
    for path in sorted((directory / PACKAGE).rglob("*.py")):
        room = ".".join(path.relative_to(directory / PACKAGE).with_suffix("").parts)
        allowed = any(_is_in(room, home) for home in MAY_IMPORT_BY_NAME)
        if not allowed and re.search(r"\b(import_module|__import__)\(", path.read_text("utf-8")):
            yield f"{room}: imports a module by a name in a string"


if __name__ == "__main__":
    broken = violations(Path(sys.argv[1] if sys.argv[1:] else ".").resolve())
    sys.exit("\n".join(broken) or None)
