"""What publishers send: limits by name, fuzzed, and the body that is stored."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.errors import RequestRefused, TooLarge
from analyst_server.wire.codec import decode_server_message, notification_text
from analyst_server.wire.messages import Notification
from analyst_server.wire.publication import decode_publication, new_notification_id, stored_body

NOW = datetime(2026, 1, 30, 12, tzinfo=UTC)


def publication(notification: Any, **request: Any) -> Any:
    return decode_publication(json.dumps({"user": "petr", "notification": notification} | request).encode())


def stored(notification: dict[str, Any]) -> Notification:
    decoded = publication(notification)
    body = stored_body(decoded, notification_id=decoded.submission.id or "made", now=NOW)
    message = decode_server_message(notification_text(body))
    assert isinstance(message, Notification)
    return message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Invalid JSON"),
        (b"not json", "Invalid JSON"),
        (b'{"user":"petr"', "Invalid JSON"),
        (b'{"user":"petr","notification":{"title":"\xff"}}', "Invalid JSON"),
        (b'{"user":"petr","notification":' + b"[" * 10_000, "Invalid JSON"),
        (b'{"user":"petr","notification":{"data":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}}", "Invalid JSON"),
        (b"[]", "Missing 'user' or 'notification'"),
        (b"{}", "Missing 'user' or 'notification'"),
        (b'{"user":"petr"}', "Missing 'user' or 'notification'"),
        (b'{"user":"petr","notification":null}', "Missing 'user' or 'notification'"),
        (b'{"user":"petr","notification":{}}', "Missing 'user' or 'notification'"),
        (b'{"user":"","notification":{"title":"t"}}', "Missing 'user' or 'notification'"),
        (b'{"notification":{"title":"t"}}', "Missing 'user' or 'notification'"),
    ],
)
def test_the_old_refusals_keep_their_words(body: bytes, words: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        decode_publication(body)
    assert (str(refused.value), refused.value.status) == (words, 400)


@pytest.mark.parametrize(
    "name", ["a b", "-petr", ".", "../etc", "petr\n", "pet\x00r", "\u202epetr", "ř", "x" * 129, 7, ["petr"], {"a": 1}]
)
def test_a_name_that_can_be_no_users_is_refused_with_the_value_and_the_rule(name: object) -> None:
    with pytest.raises(RequestRefused, match="letters, digits or") as refused:
        publication({"title": "t"}, user=name)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("name", ["petr", "petr.novak@example.com", "_svc", "A-1+x", "0"])
def test_names_of_people_and_services_are_accepted(name: str) -> None:
    assert publication({"title": "t"}, user=name).users == (name,)


@pytest.mark.parametrize(
    ("notification", "named"),
    [
        ({"title": "x" * 251}, "title has 251 characters, more than 250; shorten it"),
        ({"message": "ř" * 8_193}, "message has 16386 bytes, more than 16384"),
        ({"title": "t", "id": "x" * 129}, "id has 129"),
        ({"title": "t", "script": "x" * 257}, "script has 257"),
        ({"title": "t", "key": "x" * 257}, "key has 257"),
        ({"title": "t", "url": "x" * 2_049}, "url has 2049"),
        ({"title": "t", "image_alt": "x" * 1_001}, "image_alt has 1001"),
        ({"title": "t", "tags": ["a"] * 21}, "tags has 21 tags, more than 20; send fewer"),
        ({"title": "t", "tags": ["a" * 65]}, "tags has 65 characters in one"),
        ({"title": "t", "chart": {"kind": "line", "series": [{"y": [1]}] * 6}}, "chart has 6 series, more than 5"),
        (
            {"title": "t", "chart": {"kind": "line", "series": [{"y": [1] * 501}]}},
            "chart has 501 points, more than 500",
        ),
    ],
)
def test_a_passed_limit_is_named(notification: dict[str, Any], named: str) -> None:
    with pytest.raises(TooLarge) as refused:
        publication(notification)
    assert named in str(refused.value)
    assert refused.value.status == 413


def test_at_the_limits_everything_is_accepted() -> None:
    publication({"title": "ř" * 250, "message": "x" * 16_384, "id": "x" * 128, "tags": ["t" * 64] * 20})
    publication({"title": "t", "chart": {"kind": "bar", "series": [{"y": [1.5] * 100, "name": "a"}] * 5, "mark": 99}})


@pytest.mark.parametrize(
    ("notification", "named"),
    [
        ({"title": 7}, "title"),
        ({"title": "t", "priority": "urgent"}, "'urgent' in priority; it is low, normal, high or critical"),
        ({"title": "t", "status": "maybe"}, "'maybe' in status; it is firing or resolved"),
        ({"title": "t", "tags": "a"}, "tags"),
        ({"title": "t", "id": 7}, "id"),
        ({"title": "t", "id": ""}, "the id '' is not 1 to 128"),
        ({"title": "t", "id": "a\nb"}, "the id 'a b'"),
        ({"title": "t", "timestamp": "yesterday"}, "the timestamp 'yesterday' is no RFC 3339 time"),
        ({"title": "t", "timestamp": "2026-02-31T10:00:00Z"}, "is no RFC 3339 time"),
        ({"title": "t", "chart": {"kind": "line", "series": []}}, "no points"),
        ({"title": "t", "chart": {"kind": "pie", "series": [{"y": [1]}]}}, "'pie' in chart.kind; it is line or bar"),
        ({"title": "t", "chart": {"kind": "bar", "series": [{"y": [1, 2]}], "x": [1]}}, "1 values of x for 2 points"),
        ({"title": "t", "chart": {"kind": "bar", "series": [{"y": [1, 2]}], "mark": 2}}, "mark 2 is no index"),
        (
            {"title": "t", "data": {"a": [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}},
            "data is nested deeper than 20 levels",
        ),
        ({"script": "s"}, "no title and no message"),
        ("text", "Expected object"),
    ],
)
def test_a_member_that_cannot_be_meant_is_named(notification: Any, named: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        publication(notification)
    assert named in str(refused.value)
    assert type(refused.value) is RequestRefused


def test_many_users_are_a_list_of_1_to_1000() -> None:
    many = publication({"title": "t"}, user=None, users=["a", "b", "a"])
    assert (many.users, many.to_many) == (("a", "b"), True)
    with pytest.raises(TooLarge, match="1001 users, more than 1000"):
        publication({"title": "t"}, user=None, users=[f"u{n}" for n in range(1001)])
    for users in ([], "a", {"a": 1}, [7], ["a", "b c"]):
        with pytest.raises(RequestRefused):
            publication({"title": "t"}, user=None, users=users)
    with pytest.raises(RequestRefused):
        publication({"title": "t"}, users=["a"])


@pytest.mark.parametrize(
    ("given_time", "kept"),
    [
        ("2026-01-30T12:00:00Z", "2026-01-30T12:00:00Z"),
        ("2026-01-30T12:00:00.123456Z", "2026-01-30T12:00:00.123456Z"),
        ("2026-01-30T13:00:00+01:00", "2026-01-30T12:00:00Z"),
        ("2026-01-30T12:00:00", "2026-01-30T12:00:00Z"),
        ("2026-01-30T12:00:00.5+00:00", "2026-01-30T12:00:00.500Z"),
        (None, "2026-01-30T12:00:00Z"),
    ],
)
def test_times_are_stored_as_utc_with_z(given_time: str | None, kept: str) -> None:
    assert stored({"title": "t", "timestamp": given_time}).timestamp == kept


def test_title_and_message_are_in_every_stored_body() -> None:
    assert (stored({"title": "t"}).title, stored({"title": "t"}).message) == ("t", "")
    assert (stored({"message": "m", "data": {"title": "x"}}).title, stored({"message": "m"}).message) == ("", "m")


def test_a_publisher_cannot_set_what_belongs_to_the_log() -> None:
    message = stored(
        {"title": "t", "seq": 7, "type": "state", "replay": True, "snapshot": True, "image_path": "/etc/passwd"}
    )
    assert (message.seq, message.replay, message.snapshot) == (None, False, False)
    assert b"passwd" not in msgspec.json.encode(message)


def test_the_same_notification_has_the_same_fingerprint_however_it_is_written() -> None:
    one = decode_publication(b'{"user":"petr","notification":{"id":"a","title":"t","data":{"x":1,"y":2}}}')
    two = decode_publication(
        b'{"notification": {"data": {"y": 2, "x": 1}, "title": "\\u0074", "id": "a"}, "user": "petr"}'
    )
    other = decode_publication(b'{"user":"petr","notification":{"id":"a","title":"T","data":{"x":1,"y":2}}}')
    assert one.fingerprint == two.fingerprint != other.fingerprint


def test_ids_are_uuids_of_version_7_and_sort_by_time() -> None:
    early = new_notification_id(NOW, bytes(10))
    late = new_notification_id(NOW.replace(second=1), b"\xff" * 10)
    assert UUID(early).version == UUID(late).version == 7
    assert UUID(late).variant == UUID(early).variant
    assert early < late


@given(st.binary())
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with contextlib.suppress(RequestRefused):
        decode_publication(body)


@given(
    st.dictionaries(
        st.sampled_from(
            ["id", "title", "message", "timestamp", "tags", "chart", "run", "data", "priority", "image_path", "x"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
    )
)
def test_no_notification_raises_anything_but_a_refusal_and_what_is_accepted_can_be_read(
    notification: dict[str, Any],
) -> None:
    with contextlib.suppress(RequestRefused):
        stored(notification)
