"""A rotation loses no key, wherever it fails or is killed: real boto3, files and processes."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from support.clients import FakeTime
from support.iam import iam_client
from support.local import Switch

from bedrock_bearer import ApiKey, errors
from bedrock_bearer.access import deny_use
from bedrock_bearer.aws.handover import Handover, ToCommand, ToFile, ToFunction, ToStream
from bedrock_bearer.aws.key_rotation import KeyRotation, Rotation
from bedrock_bearer.aws.lifecycle import KeyLifecycle
from bedrock_bearer.aws.long_term_keys import LongTermKey
from bedrock_bearer.aws.state import RotationState, StateStore
from bedrock_bearer.keys.key_file import write_key_file
from bedrock_bearer.local import LocalBedrock, local_client
from bedrock_bearer.local.server import LocalServer
from bedrock_bearer.rotation import try_key


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Switch, str]]:
    switch = Switch()
    with LocalServer(switch) as running:
        yield switch, running.url


@dataclass
class Place:
    """A user with one key in a file, and everything that a rotation of it needs."""

    bedrock: LocalBedrock
    url: str
    path: Path
    state: Path
    old: LongTermKey
    iam: Any
    unused_iam: Any = None
    """One without connections, which a child process may take."""

    @property
    def lifecycle(self) -> KeyLifecycle:
        return KeyLifecycle(self.iam)

    def handover(self, kind: str = "file") -> Handover:
        if kind == "file":
            return ToFile(str(self.path), replace_existing=True)
        return ToCommand(f"cat > '{self.path}.tmp' && mv '{self.path}.tmp' '{self.path}'")

    def rotate(self, handover: Handover | None = None, **options: Any) -> Rotation:
        retire_old = options.pop("retire_old", False)
        given: dict[str, Any] = {"try_key": self.try_key, **options}
        rotation = KeyRotation(
            self.lifecycle,
            "app",
            handover=handover or self.handover(),
            store=StateStore(self.state),
            **given,
        )
        return rotation.run(retire_old=retire_old)

    def try_key(self, key: ApiKey) -> None:
        try_key(key, region="us-east-1", endpoint_url=self.url)

    def held_key_is_accepted(self) -> bool:
        """Return whether whoever reads the file has a usable key."""
        with local_client(self.bedrock, api_key=self.path.read_text()) as client:
            try:
                client.probe()
            except errors.ApiKeyRejectedError:
                return False
        return True

    def statuses(self) -> dict[str, str]:
        return {key.credential_id: key.status for key in self.lifecycle.list_keys("app")}


@pytest.fixture
def place(server: tuple[Switch, str], tmp_path: Path) -> Iterator[Place]:
    switch, url = server
    switch.bedrock = LocalBedrock()
    write_key_file(
        ApiKey.parse(switch.bedrock.mint_key("LONG_TERM", user_name="app")), tmp_path / "key"
    )
    iam = iam_client(url)
    (old,) = KeyLifecycle(iam).list_keys("app")
    yield Place(switch.bedrock, url, tmp_path / "key", tmp_path / "state", old, iam)
    iam.close()


# ------------------------------------------------------------------------------------- the way


def test_a_rotation_hands_over_the_new_key_and_leaves_both_active(place: Place) -> None:
    seen: list[dict[str, str]] = []
    done = place.rotate(ToFunction(lambda _: seen.append(place.statuses())))

    assert done.old == place.old
    both = {place.old.credential_id: "Active", done.new.credential_id: "Active"}
    assert seen == [both]
    assert place.statuses() == both
    assert not done.is_retired


def test_the_old_key_is_retired_on_request_after_the_new_one_arrived(place: Place) -> None:
    done = place.rotate(retire_old=True)

    assert place.statuses()[place.old.credential_id] == "Inactive"
    assert place.statuses()[done.new.credential_id] == "Active"
    assert place.held_key_is_accepted()
    assert done.is_retired


def test_nothing_is_left_of_a_finished_rotation_but_fingerprints(place: Place) -> None:
    done = place.rotate(retire_old=True)

    assert sorted(path.name for path in place.state.iterdir()) == ["fingerprints.json", "lock"]
    assert StateStore(place.state).fingerprints() == {done.new.credential_id: done.fingerprint}


def test_no_secret_is_kept_once_the_key_was_handed_over(place: Place) -> None:
    place.rotate()

    assert not [path for path in place.state.iterdir() if "ABSK" in path.read_text()]


def test_the_state_can_be_read_by_its_owner_alone(place: Place) -> None:
    modes: list[int] = []

    def look(_: ApiKey) -> None:
        modes.extend(path.stat().st_mode & 0o777 for path in place.state.iterdir())

    place.rotate(ToFunction(look))

    assert set(modes) == {0o600}


def test_a_rotation_waits_until_the_new_key_is_accepted(place: Place, time: FakeTime) -> None:
    clock = time.clock
    failures = iter(
        [
            errors.ApiKeyRejectedError("no", status_code=403),
            errors.ConnectError("no"),
            errors.ThrottlingError("no", status_code=429),
        ]
    )

    def try_it(_: ApiKey) -> None:
        for failure in failures:
            raise failure

    place.rotate(try_key=try_it, monotonic=clock.monotonic, sleep=clock.sleep)

    assert time.waits == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            errors.ApiKeyRejectedError("no", status_code=403),
            "Bedrock did not accept the new key within 60 s",
        ),
        (errors.ConnectError("No connection to bedrock."), "could not be tried within 60 s: No"),
    ],
    ids=["rejected", "refused connection"],
)
def test_a_key_that_is_not_accepted_in_time_is_deleted_and_the_old_one_untouched(
    failure: errors.BedrockError, said: str, place: Place, time: FakeTime
) -> None:
    clock = time.clock

    def try_it(_: ApiKey) -> None:
        raise failure

    with pytest.raises(errors.BedrockError, match=said) as caught:
        place.rotate(try_key=try_it, wait=60, monotonic=clock.monotonic, sleep=clock.sleep)

    assert isinstance(caught.value, errors.KeyLifecycleError | errors.ConnectError)
    assert place.lifecycle.list_keys("app") == [place.old]
    assert f"The old key {place.old.credential_id} is unchanged" in caught.value.message


def test_a_denied_new_key_ends_the_rotation_at_once(place: Place) -> None:
    place.bedrock.attach_policy("app", deny_use("LONG_TERM").to_wire())

    with pytest.raises(errors.LongTermKeyDeniedError):
        place.rotate()

    assert place.lifecycle.list_keys("app") == [place.old]


def test_a_user_with_two_keys_is_told_to_delete_one_first(place: Place) -> None:
    other = place.lifecycle.create("app").listed

    with pytest.raises(errors.KeyLimitError, match="Retire one that is no longer in use"):
        place.rotate()
    place.lifecycle.deactivate("app", other.credential_id)
    with pytest.raises(
        errors.KeyLimitError, match=f"key retire app {other.credential_id} --delete"
    ):
        place.rotate()


def test_a_user_without_a_key_has_none_to_rotate(place: Place) -> None:
    place.lifecycle.delete("app", place.old.credential_id)

    with pytest.raises(errors.KeyLifecycleError, match="no key to replace"):
        place.rotate()


# -------------------------------------------------------------------------------- handed over


def test_a_function_that_fails_leaves_the_old_key_alone(place: Place) -> None:
    def fail(_: ApiKey) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        place.rotate(ToFunction(fail))

    assert place.lifecycle.list_keys("app") == [place.old]


def test_a_command_gets_the_key_and_nothing_else_on_its_standard_input(place: Place) -> None:
    done = place.rotate(place.handover("command"))

    assert ApiKey.parse(place.path.read_text()).fingerprint == done.fingerprint
    assert len(place.path.read_text().split()) == 1
    assert not place.path.read_text().endswith("\n")


def test_after_a_command_that_failed_both_keys_stay_and_the_same_one_is_handed_over_again(
    place: Place,
) -> None:
    with pytest.raises(errors.KeyLifecycleError, match="exit code 3") as caught:
        place.rotate(ToCommand("cat > /dev/null; exit 3"))

    (new,) = set(place.statuses()) - {place.old.credential_id}
    assert f"new key {new} (fingerprint" in caught.value.message
    assert f"key retire app {new}" in caught.value.message
    assert "Run the same command again" in caught.value.message

    done = place.rotate(place.handover("command"))
    assert done.new.credential_id == new
    assert place.held_key_is_accepted()


def test_what_a_command_prints_is_shown_without_the_key(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets: list[str] = []

    class Noting(ToCommand):
        def deliver(self, new: Any) -> None:
            secrets.append(new.key.get_secret_value())
            super().deliver(new)

    place.rotate(Noting("echo stored:; cat"))
    shown = capsys.readouterr()

    assert shown.out == ""
    assert shown.err == "stored:\n[API key]"
    assert secrets[0] not in shown.err


def test_a_pipe_that_nobody_reads_is_a_key_that_did_not_arrive(place: Place) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as stream:
        with pytest.raises(errors.KeyLifecycleError, match="was not written"):
            place.rotate(ToStream(stream))
        with suppress(BrokenPipeError):
            stream.close()

    assert place.statuses()[place.old.credential_id] == "Active"


def test_a_full_disk_is_a_key_that_did_not_arrive(place: Place) -> None:
    with open("/dev/full", "w") as stream:
        with pytest.raises(errors.KeyLifecycleError, match="No space left"):
            place.rotate(ToStream(stream))
        with suppress(OSError):
            stream.close()

    assert place.statuses()[place.old.credential_id] == "Active"


# --------------------------------------------------------------------------- the last check


def test_the_old_key_stays_active_when_another_key_is_in_the_new_ones_place(place: Place) -> None:
    place.rotate()
    place.path.write_text(place.bedrock.mint_key("LONG_TERM", user_name="other"))

    with pytest.raises(errors.KeyLifecycleError, match="holds a key with the fingerprint"):
        place.rotate(retire_old=True)

    assert place.statuses()[place.old.credential_id] == "Active"


def test_the_old_key_stays_active_when_the_new_one_is_not_accepted_any_more(place: Place) -> None:
    done = place.rotate()
    place.lifecycle.deactivate("app", done.new.credential_id)

    with pytest.raises(errors.KeyLifecycleError, match="is not active") as caught:
        place.rotate(retire_old=True)

    assert f"The old key {place.old.credential_id} stays active" in caught.value.message
    assert place.statuses()[place.old.credential_id] == "Active"


def test_a_rotation_goes_on_to_retire_the_old_key_when_it_is_run_again(place: Place) -> None:
    first = place.rotate()
    second = place.rotate(retire_old=True)

    assert second.is_resumed
    assert second.new.credential_id == first.new.credential_id
    assert place.statuses()[place.old.credential_id] == "Inactive"


def test_a_second_rotation_waits_for_the_end_of_the_first(place: Place) -> None:
    first = place.rotate()

    with pytest.raises(errors.KeyLimitError, match="is done, and the old key") as caught:
        place.rotate()

    assert first.new.credential_id in caught.value.message
    assert f"key retire app {place.old.credential_id}, then" in caught.value.message


def test_the_next_rotation_replaces_the_key_of_the_last_one(place: Place) -> None:
    first = place.rotate(retire_old=True)
    place.lifecycle.delete("app", place.old.credential_id)
    second = place.rotate(retire_old=True)

    assert second.old is not None
    assert second.old.credential_id == first.new.credential_id
    assert place.held_key_is_accepted()


def test_a_key_that_another_person_may_have_made_is_named_and_never_deleted(place: Place) -> None:
    store = StateStore(place.state)
    store.save(RotationState("app", place.old.credential_id, datetime.now(UTC)))
    other = place.lifecycle.create("app").listed.credential_id

    with pytest.raises(errors.KeyLimitError, match="or of another person") as caught:
        place.rotate()

    assert f"key retire app {other} --delete" in caught.value.message
    assert place.statuses() == {place.old.credential_id: "Active", other: "Active"}

    place.lifecycle.delete("app", other)
    assert place.rotate(retire_old=True).is_retired


def test_a_key_that_another_person_makes_while_iams_answer_is_lost_is_never_deleted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(_: KeyLifecycle, user_name: str, **__: Any) -> None:
        place.iam.create_service_specific_credential(
            UserName=user_name, ServiceName="bedrock.amazonaws.com"
        )
        raise errors.TransportError("No answer came.")

    monkeypatch.setattr(KeyLifecycle, "create_only", lose)
    with pytest.raises(errors.TransportError, match="or of another person") as caught:
        place.rotate()

    (other,) = set(place.statuses()) - {place.old.credential_id}
    assert f"key retire app {other} --delete" in caught.value.message


@pytest.mark.parametrize("kind", ["file", "function"])
def test_an_interrupt_after_the_key_arrived_does_not_delete_it(
    kind: str, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    class Interrupted(ToFile):
        def deliver(self, new: Any) -> None:
            super().deliver(new)
            raise KeyboardInterrupt

    def store(key: ApiKey) -> None:
        write_key_file(key, place.path, replace_existing=True)
        raise KeyboardInterrupt

    file = Interrupted(str(place.path), replace_existing=True)
    with pytest.raises(KeyboardInterrupt):
        place.rotate(file if kind == "file" else ToFunction(store))

    assert place.held_key_is_accepted()
    (new,) = set(place.statuses()) - {place.old.credential_id}
    assert f"The new key {new} " in caplog.text
    assert "Run the same command again" in caplog.text
    assert place.rotate().new.credential_id == new


def test_a_key_printed_by_an_earlier_run_does_not_retire_the_old_one(place: Place) -> None:
    with open(os.devnull, "w") as stream:
        done = place.rotate(ToStream(stream))
        with pytest.raises(errors.KeyLifecycleError, match="An earlier run printed") as caught:
            place.rotate(ToStream(stream), retire_old=True)

    assert place.statuses()[place.old.credential_id] == "Active"
    assert f"key retire app {place.old.credential_id}." in caught.value.message
    assert f"key retire app {done.new.credential_id} --delete" in caught.value.message


def test_a_rotation_after_one_that_was_ended_by_hand_is_a_new_one(place: Place) -> None:
    place.rotate()
    place.lifecycle.deactivate("app", place.old.credential_id)

    with pytest.raises(errors.KeyLimitError, match="Delete the inactive one"):
        place.rotate(retire_old=True)


@pytest.mark.parametrize(
    "command",
    [
        "fold -w 30",
        "cut -c 1-60",
        "cut -c 9-",
        "base64 | tr -d '\\n'",
        "sed 's,/,%2F,g'",
        "fold; exit 3",
    ],
)
def test_no_part_of_the_key_that_a_command_prints_is_shown(
    command: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with suppress(errors.KeyLifecycleError):
        place.rotate(ToCommand(f"tee '{place.path}' | {command}"))
    shown, secret = capsys.readouterr().err, place.path.read_text()

    assert "[API key]" in shown
    shown = "".join(shown.split()).replace("%2F", "/")
    encoded = base64.b64encode(secret.encode()).decode()
    for text in (secret, encoded):
        assert not [at for at in range(len(text) - 19) if text[at : at + 20] in shown]


def test_two_rotations_at_once_are_refused(place: Place) -> None:
    def rotate_too(_: ApiKey) -> None:
        place.rotate()

    with pytest.raises(errors.ConfigurationError, match="Another rotation is running"):
        place.rotate(ToFunction(rotate_too))


# -------------------------------------------------------------------- killed and failed everywhere

POINTS = (
    ("botocore.httpsession.URLLib3Session", "send"),
    ("os", "open"),
    ("os", "fsync"),
    ("os", "replace"),
    ("os", "unlink"),
    ("subprocess", "run"),
    ("bedrock_bearer.client.BedrockClient", "probe"),
)
"""Every call of IAM, every step of a write, and what a rotation does besides."""


class Points:
    """Counts the points of a rotation, before and after each, and does something at one of them."""

    def __init__(
        self,
        at: int,
        act: Callable[[str], None],
        patch: pytest.MonkeyPatch,
        *,
        each: bool = False,
    ) -> None:
        self.count = 0
        self._at = at
        self._each = each
        self._act = act
        for owner, name in POINTS:
            target = f"{owner}.{name}"
            patch.setattr(target, self._counted(target, _resolve(owner, name)))

    def _counted(self, target: str, function: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._pass(f"before {target}")
            result = function(*arguments, **options)
            self._pass(f"after {target}")
            return result

        return counted

    def _pass(self, point: str) -> None:
        self.count += 1
        if self._each or self.count == self._at:
            self._act(point)


def _resolve(owner: str, name: str) -> Any:
    import importlib

    module, _, last = owner.rpartition(".")
    if not module:
        return getattr(importlib.import_module(owner), name)
    return getattr(getattr(importlib.import_module(module), last), name)


def run_in_child(place: Place, kind: str, retire_old: bool, at: int) -> int | None:
    """Rotate in a child process that is killed at a point; return its exit code, None if killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            patch = pytest.MonkeyPatch()
            Points(at, lambda _: os.kill(os.getpid(), signal.SIGKILL), patch)
            place.iam = place.unused_iam
            place.rotate(place.handover(kind), retire_old=retire_old)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize(("kind", "retire_old"), [("file", True), ("command", False)])
def test_a_rotation_that_is_killed_anywhere_loses_no_key_and_goes_on(
    kind: str, retire_old: bool, server: tuple[Switch, str], tmp_path: Path
) -> None:
    killed = finished = 0
    for at in range(1, 200):
        (tmp_path / str(at)).mkdir()
        case = fresh(server, tmp_path / str(at))
        code = run_in_child(case, kind, retire_old, at)
        assert case.held_key_is_accepted(), at
        if code is not None:
            assert code == 0
            break
        killed += 1
        if retire_old and case.statuses()[case.old.credential_id] == "Inactive":
            # Nothing was left to do but to forget the rotation.
            continue
        try:
            done = go_on(case, kind, retire_old)
        except errors.KeyLimitError:
            # It was killed after its end was noted.
            finished += 1
            continue
        assert case.held_key_is_accepted(), at
        assert ApiKey.parse(case.path.read_text()).fingerprint == done.fingerprint, at
        expected = "Inactive" if retire_old else "Active"
        assert case.statuses() == {
            case.old.credential_id: expected,
            done.new.credential_id: "Active",
        }, at
    assert killed > 30
    assert finished <= 3


def test_a_rotation_that_fails_anywhere_loses_no_key_and_goes_on(
    server: tuple[Switch, str], tmp_path: Path
) -> None:
    # Once before: what is imported on the way writes files too.
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        seen: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            Points(0, seen.append, patch, each=True)
            fresh(server, tmp_path / name).rotate(retire_old=True)
    places = [at for at, point in enumerate(seen, start=1) if failure_at(point) is not None]
    assert len(places) > 15

    failed = 0
    for at in places:
        (tmp_path / str(at)).mkdir()
        case = fresh(server, tmp_path / str(at))
        failure: BaseException | None = None
        with pytest.MonkeyPatch.context() as patch:
            Points(at, fail, patch)
            try:
                case.rotate(retire_old=True)
            except (errors.BedrockError, OSError) as error:
                failure = error
        assert case.held_key_is_accepted(), at
        if failure is not None:
            failed += 1
            assert isinstance(failure, errors.BedrockError), at
            with suppress(errors.KeyLimitError):
                go_on(case, "file", retire_old=True)
            assert case.held_key_is_accepted(), at
        assert case.statuses()[case.old.credential_id] == "Inactive", at
    assert failed > 7


def go_on(case: Place, kind: str, retire_old: bool) -> Rotation:
    """Rotate again; delete the key that was made while nobody got IAM's answer."""
    try:
        return case.rotate(case.handover(kind), retire_old=retire_old)
    except errors.KeyLimitError as error:
        if "or of another person" not in error.message:
            raise
    for unknown in set(case.statuses()) - {case.old.credential_id}:
        case.lifecycle.delete("app", unknown)
    return case.rotate(case.handover(kind), retire_old=retire_old)


def failure_at(point: str) -> Exception | None:
    """Return what the function at a point raises when it fails there, or None if it cannot."""
    failures: dict[str, Exception] = {
        "before botocore.httpsession.URLLib3Session.send": exceptions.EndpointConnectionError(
            endpoint_url="http://iam"
        ),
        "after botocore.httpsession.URLLib3Session.send": exceptions.ReadTimeoutError(
            endpoint_url="http://iam"
        ),
        **{
            f"before os.{name}": OSError(28, "No space left on device")
            for name in ("open", "fsync", "replace")
        },
    }
    return failures.get(point)


def fail(point: str) -> None:
    failure = failure_at(point)
    if failure is not None:
        raise failure


def fresh(server: tuple[Switch, str], directory: Path) -> Place:
    switch, url = server
    switch.bedrock = LocalBedrock()
    path = directory / "key"
    write_key_file(ApiKey.parse(switch.bedrock.mint_key("LONG_TERM", user_name="app")), path)
    iam, unused = clients(url)
    (old,) = KeyLifecycle(iam).list_keys("app")
    return Place(switch.bedrock, url, path, directory / "state", old, iam, unused)


@cache
def clients(url: str) -> tuple[Any, Any]:
    return iam_client(url), iam_client(url)
