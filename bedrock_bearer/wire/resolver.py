"""Looks up host names in threads, so that a dead name server blocks no other call.

`socket.getaddrinfo` takes no time limit, and a thread of asyncio's own executor that waits for it
would hold up the end of `asyncio.run`.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Outcome = list[Any] | OSError
Tell = Callable[[Outcome], object]


class _Lookups:
    """The lookups that are under way: who else needs the same name waits for the same one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: dict[tuple[str, int], list[Tell]] = {}


_lookups = _Lookups()


def _after_fork() -> None:
    global _lookups
    _lookups = _Lookups()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def look_up(host: str, port: int, tell: Tell) -> None:
    """Look up a host, and call `tell` with what `getaddrinfo` returns, or with its error.

    For an IP address this happens at once, for a name in another thread.
    """
    if _is_address(host):
        tell(_addresses(host, port))
        return
    lookups = _lookups
    with lookups.lock:
        waiting = lookups.waiting.setdefault((host, port), [])
        waiting.append(tell)
        if len(waiting) > 1:
            return
    threading.Thread(target=_run, args=(lookups, host, port), daemon=True).start()


def _run(lookups: _Lookups, host: str, port: int) -> None:
    outcome = _addresses(host, port)
    with lookups.lock:
        waiting = lookups.waiting.pop((host, port))
    for tell in waiting:
        # Each takes its own copy apart. The loop of one may have ended meanwhile.
        with suppress(RuntimeError):
            tell(list(outcome) if isinstance(outcome, list) else outcome)


def _addresses(host: str, port: int) -> Outcome:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError:
        return OSError(0, "the host name is not valid")


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            return bool(socket.inet_pton(family, host))
    return False
