"""Names of a package that are imported when they are first used.

For type checkers the package imports the names as usual:

    if TYPE_CHECKING:
        from package.module import Name
    else:
        __getattr__, __dir__ = lazy_names(__name__, ["module"], __all__)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, modules: Sequence[str], public: Sequence[str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package.

    Args:
        package: the name of the package.
        modules: its modules with public names. They are imported in this order until one has the
            name, so light ones and those that most programs use come first. A module of another
            package is given by its full name.
        public: the public names. Default: all that the modules have in their `__all__`.
    """
    root = package.partition(".")[0]
    homes = [m if m.startswith(f"{root}.") else f"{package}.{m}" for m in modules]

    def public_names() -> list[str]:
        if public is not None:
            return list(public)
        return sorted(name for home in homes for name in import_module(home).__all__)

    def get(name: str) -> Any:
        if name == "__all__":
            return public_names()
        if name.startswith("__") or (public is not None and name not in public):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        for home in homes:
            module = import_module(home)
            if name in (module.__all__ if public is None else vars(module)):
                value = getattr(module, name)
                setattr(sys.modules[package], name, value)
                return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *public_names()})

    return get, names
