"""The reader of script output: says where a mistake is, and never lets an ornament mute an alert."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.runner.contract import MAX_MESSAGE_BYTES, BadOutput, Output, read_output


def read(**members: object) -> Output:
    return read_output(json.dumps({"notify": True, **members}).encode())


def test_the_fixed_contract_is_read() -> None:
    output = read(title="Revenue", message="down", image_path="/tmp/a.png", cooldown="30m", data={"a": [1]})
    assert (output.notify, output.title, output.message, output.image_path, output.cooldown_s, output.data) == (
        True, "Revenue", "down", "/tmp/a.png", 1800, {"a": [1]})  # fmt: skip
    assert output.warnings == ()


def test_the_extension_is_read() -> None:
    chart = {"kind": "line", "x": ["a", "b"], "series": [{"name": "s", "y": [1, None]}], "mark": 1}
    output = read(
        chart=chart, image_alt="alt", priority="critical", tags=["x"], key="k", status="firing", url="https://e.org"
    )
    assert output.chart is not None
    assert output.chart.series[0].y == [1, None]
    assert (output.image_alt, output.priority, output.tags, output.key, output.status, output.url) == (
        "alt", "critical", ("x",), "k", "firing", "https://e.org")  # fmt: skip


@pytest.mark.parametrize(
    ("stdout", "words"),
    [
        (b"", "printed nothing"),
        (b"  \n ", "printed nothing"),
        (b'{"title": "x"}', '"notify" (true or false) is missing'),
        (b'{"notify": "yes"}', '"notify" must be true or false, this is a string (line 1, column 2)'),
        (b'{"notify": true,\n "title": 5}', '"title" must be a string, this is a number (line 2, column 2)'),
        (b"[]", "one JSON object is wanted, this is an array"),
        (b'{"notify": true,\n  "title": }', "expecting value (line 2, column 12)"),
        (b"{'notify': True}", "print json.dumps(...), not the dict itself"),
        (b'{"notify": true,\n "title": "NaN", "data": {"v": NaN}}', "where it comes from (line 2, column 32)"),
        (b'{"notify": false, "data": -Infinity}', "-Infinity is not JSON"),
        (b'{"notify": false}\n{"notify": true}', "text follows the JSON object (line 2, column 1)"),
        (b'{"notify": false,\n "title": ""}\n\n {"notify": true}', "text follows the JSON object (line 4, column 2)"),
        (b'{"notify": tru,\n"data": [\n{"notify": true}\n]}', "expecting value (line 1, column 12)"),
        (b'{"level": 1}\ndone', "extra data (line 2, column 1)"),
        (b'{"notify": true} {"notify": false}', "text follows the JSON object (line 1, column 18)"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"notify": ' + b"9" * 5000 + b"}", "integer string conversion"),
    ],
)
def test_a_mistake_is_named_with_its_place(stdout: bytes, words: str) -> None:
    with pytest.raises(BadOutput) as caught:
        read_output(stdout)
    assert words in str(caught.value)


def test_warnings_before_the_object_are_passed_over_and_said() -> None:
    output = read_output(b'DeprecationWarning: {old}\n{broken\n{"notify": true, "title": "x"}\n')
    assert output.title == "x"
    assert "2 line(s) before the JSON object" in output.warnings[0]


def test_tags_beyond_the_gateways_limits_are_cut() -> None:
    output = read(tags=["t" * 100] * 30)
    assert (len(output.tags), {len(tag) for tag in output.tags}) == (20, {64})


def test_a_line_of_a_log_that_is_json_too_is_passed_over() -> None:
    output = read_output(b'{"level": "warn"}\n{"notify": true, "title": "x"}')
    assert (output.title, len(output.warnings)) == ("x", 1)


def test_the_line_of_a_mistake_counts_the_noise_before_it() -> None:
    with pytest.raises(BadOutput, match=r"line 3, column 12"):
        read_output(b'noise\nmore\n{"notify": }')


def test_what_is_not_utf8_is_shown_as_such() -> None:
    output = read_output(b'{"notify": true, "title": "caf\xe9"}')
    assert output.title == "caf\ufffd"
    assert "not UTF-8" in output.warnings[0]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("chart", {"kind": "pie", "series": []}),
        ("chart", {"kind": "line", "series": [{"y": list(range(501))}]}),
        ("priority", "urgent"),
        ("tags", "revenue"),
        ("status", 5),
        ("cooldown", "soon"),
        ("data", [1]),
        ("url", 5),
        ("image_path", 5),
        ("data", {"big": "x" * 200_000}),
    ],
)
def test_a_broken_ornament_is_left_out_with_a_warning(member: str, value: object) -> None:
    output = read(title="kept", **{member: value})
    assert output.title == "kept"
    assert not getattr(output, "cooldown_s" if member == "cooldown" else member)
    assert member in output.warnings[0]


def test_text_over_the_limits_is_cut_not_refused() -> None:
    output = read(title="t" * 10_000, message="č" * MAX_MESSAGE_BYTES)
    assert len(output.title) == 250
    assert len(output.message.encode()) <= MAX_MESSAGE_BYTES
    assert len(output.warnings) == 2


def test_half_of_a_surrogate_pair_does_not_break_the_alert() -> None:
    output = read_output(b'{"notify": true, "title": "a\\ud83d"}')
    assert output.title.encode() == "a\ufffd".encode()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_no_output_makes_the_reader_fail_otherwise(stdout: bytes) -> None:
    with contextlib.suppress(BadOutput):
        read_output(stdout)


@given(st.dictionaries(st.sampled_from(["notify", "title", "chart", "data", "tags", "cooldown", "priority", "x"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5)))  # fmt: skip
def test_no_json_object_makes_the_reader_fail_otherwise(members: dict[str, object]) -> None:
    with contextlib.suppress(BadOutput):
        read_output(json.dumps(members).encode())
