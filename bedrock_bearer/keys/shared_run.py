"""One run of a function, shared by all who wait for its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SharedRun(Generic[Result]):
    """Runs a function in a thread of its own; all who ask while it runs share that run's result.

    A function that hangs cannot be stopped: after its time it is abandoned, and the next who asks
    starts it anew.

    Args:
        function: what to run.
        timeout: seconds to wait for it.
        too_late: gives the result after that time.
    """

    def __init__(
        self, function: Callable[[], Result], timeout: float, too_late: Callable[[], Result]
    ) -> None:
        self._function = function
        self._timeout = timeout
        self._too_late = too_late
        self._lock = threading.Lock()
        self._run: Future[Result] | None = None

    def result(self) -> Result:
        """Return what the function returns."""
        run = self._join()
        try:
            return run.result(self._timeout)
        except TimeoutError:
            self._leave(run)
        return self._too_late()

    async def result_async(self) -> Result:
        """Return what the function returns, for an event loop; see `result`."""
        import asyncio

        run = self._join()
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(run)
        except TimeoutError:
            self._leave(run)
        return self._too_late()

    def _join(self) -> Future[Result]:
        with self._lock:
            if self._run is None or self._run.done():
                self._run = Future()
                # A waiter that is cancelled must not cancel it for the others.
                self._run.set_running_or_notify_cancel()
                threading.Thread(target=self._do, args=(self._run,), daemon=True).start()
            return self._run

    def _do(self, run: Future[Result]) -> None:
        try:
            run.set_result(self._function())
        except BaseException as error:  # noqa: BLE001 - raised to those who wait
            run.set_exception(error)

    def _leave(self, run: Future[Result]) -> None:
        with self._lock:
            if self._run is run:
                self._run = None
