"""Both colours of the client, on a machine where nothing is set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.clients import ENVIRONMENT, Colour, FakeTime

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.fixture(autouse=True, scope="session")
def state_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what rotations note out of the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Colour]:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    colour = Colour(request.param)
    yield colour
    colour.close()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()
