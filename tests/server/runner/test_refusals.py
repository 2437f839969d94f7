"""What the gateway refuses, or cannot take now: the text arrives all the same, once, and the runner says what was left out."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyst_server.errors import StoreUnavailable
from analyst_server.gateway.allowances import UserAllowances, UserLimits
from analyst_server.runner.dispatching import GatewayAway, post
from analyst_server.runner.exec_as import answer_to
from analyst_server.runner.outcomes import Outcome, Trigger
from tests.server.runner.conftest import Bench

ALERT = """
import json
import socket
print(json.dumps({"notify": True, "title": "Revenue down", "message": "by 12 %", "cooldown": "1h"}))
"""
CHART = """
import json, os
path = os.path.join(os.environ["ANALYST_RUN_DIR"], "a.png")
open(path, "wb").write(b"PNG")
print(json.dumps({"notify": True, "title": "t", "image_path": path}))
"""


def test_an_image_that_the_gateway_refuses_does_not_mute_the_alert(bench: Bench) -> None:
    accept = bench.gateway.answer
    bench.gateway.answer = lambda body: (
        (400, {"error": "broken image"}) if "image_path" in body["notification"] else accept(body)
    )
    bench.write("broken_chart", """
        import json, os
        path = os.path.join(os.environ["ANALYST_RUN_DIR"], "a.png")
        open(path, "wb").write(b"no png")
        print(json.dumps({"notify": True, "title": "x", "image_path": path}))
        """)  # fmt: skip
    record = bench.run("broken_chart")
    assert record.outcome is Outcome.SENT
    assert record.warnings == ("sent without its chart: broken image",)
    assert bench.gateway.notifications[-1]["message"] == "(Its chart was left out: broken image.)"


def test_a_gateway_that_takes_the_call_and_never_answers_is_away(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "ws.sock"))
        listening.listen()
        with pytest.raises(GatewayAway, match="timed out"):
            post(tmp_path / "ws.sock", b"{}", timeout_s=0.2)


def test_who_asked_for_the_run_hears_that_a_chart_is_too_large(bench: Bench) -> None:
    bench.write("chart", CHART.replace('b"PNG"', 'b"P" * (10 * 1024 * 1024 + 1)'))
    answer = answer_to(bench.settings, "run", "chart")
    assert "image" not in answer
    assert "image_path" not in answer["notification"]
    assert answer["notification"]["message"] == "(Its chart was left out: it cannot be read, or has more than 10 MB.)"


def test_a_user_who_had_all_pictures_of_a_day_gets_the_text_at_once_and_hears_why(bench: Bench) -> None:
    """With the words of the gateway's own limit, whose 503 otherwise means: later."""
    allowances = UserAllowances(UserLimits(user_day_images=1))
    accept = bench.gateway.answer

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        try:
            allowances.take([body["user"]], body_bytes=1, images=int("image_path" in body["notification"]), now=0)
        except StoreUnavailable as exc:
            return exc.status, {"error": str(exc)}
        return accept(body)

    bench.gateway.answer = answer
    bench.write("chart", CHART.replace('"t"', '"t", "message": "down", "tags": ["a"]'))
    assert [bench.run("chart", Trigger.PERSON).outcome for _ in range(2)] == [Outcome.SENT, Outcome.SENT]
    first, _, second = bench.gateway.notifications
    assert ("image_path" in first, first["message"]) == (True, "down")
    assert (second["message"], second["tags"]) == (
        "down\n\n(Its chart was left out: more than 1 pictures in a day for petr.)",
        ["a"],
    )
    assert bench.history.runs("chart")[0].warnings == (
        "sent without its chart: more than 1 pictures in a day for petr; send less, or raise gateway.user_day_images",
    )
    assert bench.history.waiting() == []


def test_what_waited_goes_without_its_chart_too_when_the_gateway_refuses_that(bench: Bench) -> None:
    bench.write("chart", CHART)
    bench.gateway.answer = lambda _: (503, {"error": "disk full"})
    bench.run("chart")
    bench.gateway.answer = lambda body: (
        (413, {"error": "the image has more than 40 megapixels"}) if "image_path" in body["notification"] else (200, {})
    )
    assert bench.flight.flush_waiting() == 1
    assert bench.gateway.notifications[-1]["title"] == "t"
    assert bench.history.runs("chart")[0].outcome is Outcome.SENT
    assert list((bench.settings.state_dir / "waiting").iterdir()) == []


def test_a_later_alert_takes_the_place_of_one_that_waits_and_counts_it(bench: Bench) -> None:
    bench.write("chart", CHART)
    accept = bench.gateway.answer
    bench.gateway.answer = lambda _: (503, {"error": "away"})
    for _ in range(3):
        bench.run("chart")
        bench.pass_time(300)
    assert [run.outcome.value for run in bench.history.runs("chart")] == ["waiting", "replaced", "replaced"]
    assert len(list((bench.settings.state_dir / "waiting").iterdir())) == 1
    bench.gateway.answer = accept
    bench.gateway.received.clear()
    assert bench.flight.flush_waiting() == 1
    (sent,) = bench.gateway.notifications
    assert sent["data"] == {"held_back": 2}
    assert bench.history.take_held_back("chart", reset=False) == 0
    assert "later alert took its place" in bench.history.runs("chart")[1].reason


def test_what_a_person_asked_for_mutes_nothing_although_it_waited(bench: Bench) -> None:
    bench.write("revenue", ALERT)
    accept = bench.gateway.answer
    bench.gateway.answer = lambda _: (503, {"error": "away"})
    bench.run("revenue", Trigger.PERSON)
    bench.gateway.answer = accept
    assert bench.flight.flush_waiting() == 1
    assert not bench.settings.cooldown_file("revenue").exists()
    assert bench.run("revenue").outcome is Outcome.SENT


def test_an_alert_whose_answer_was_lost_is_known_to_the_gateway_and_not_refused(bench: Bench) -> None:
    """The chart lies elsewhere by then, so the gateway sees the same id with another body."""
    bench.write("chart", CHART)
    bench.gateway.answer = lambda _: (503, {"error": "answer lost"})
    bench.run("chart")
    bench.gateway.answer = lambda _: (409, {"error": "another body"})
    assert bench.flight.flush_waiting() == 1
    assert bench.history.runs("chart")[0].outcome is Outcome.DUPLICATE
    assert bench.settings.cooldown_file("chart").exists()


def test_ornaments_that_the_gateway_refuses_go_and_the_chart_stays(bench: Bench) -> None:
    bench.write("chart", CHART.replace('"t"', '"t", "url": "x:"'))
    bench.gateway.answer = lambda body: (
        (400, {"error": "url: not a link"}) if "url" in body["notification"] else (200, {})
    )
    record = bench.run("chart")
    assert (record.outcome, record.warnings) == (Outcome.SENT, ("sent without its ornaments: url: not a link",))
    assert "image_path" in bench.gateway.notifications[-1]


def test_a_text_that_the_gateway_refuses_is_refused_when_nothing_more_can_be_left_out(bench: Bench) -> None:
    bench.write("chart", CHART)
    bench.gateway.answer = lambda _: (400, {"error": "no such user"})
    assert (bench.run("chart").outcome, len(bench.gateway.received)) == (Outcome.REFUSED, 4)


def test_an_alert_waits_for_a_gateway_that_is_away_and_the_cooldown_with_it(bench: Bench) -> None:
    bench.write("chart", """
        import json, os
        path = os.path.join(os.environ["ANALYST_RUN_DIR"], "a.png")
        open(path, "wb").write(b"PNG")
        print(json.dumps({"notify": True, "title": "x", "image_path": path}))
        """)  # fmt: skip
    bench.gateway.answer = lambda _: (503, {"error": "disk full"})
    record = bench.run("chart")
    assert record.outcome is Outcome.WAITING
    assert "disk full" in record.reason
    assert not bench.settings.cooldown_file("chart").exists()
    bench.gateway.received.clear()
    bench.gateway.images.clear()

    bench.pass_time(600)
    bench.gateway.answer = lambda body: (200, {"sent": 0, "id": body["notification"]["id"]})
    assert bench.flight.flush_waiting() == 1
    assert bench.gateway.images == [b"PNG"]
    assert bench.settings.cooldown_file("chart").exists()
    (kept,) = bench.history.runs("chart")
    assert (kept.outcome, kept.reason) == (Outcome.SENT, "sent 10 min late: the gateway was away")
    assert kept.cooldown_until == bench.clock[0] + 3600
    assert bench.flight.flush_waiting() == 0


def test_no_gateway_at_all_is_one_sentence_and_nothing_is_lost(
    bench: Bench, with_settings: Callable[..., Bench]
) -> None:
    with_settings(socket=Path("/nowhere/ws.sock"))
    bench.write("revenue", ALERT)
    record = bench.run("revenue")
    assert record.outcome is Outcome.WAITING
    assert record.reason.startswith("no gateway answers at /nowhere/ws.sock (No such file or directory); it is kept")
    assert len(bench.history.waiting()) == 1


def test_sync_status_hands_over_what_waited_and_tells_the_state_of_the_scripts(
    bench: Bench, with_settings: Callable[..., Bench]
) -> None:
    reachable = bench.settings
    with_settings(socket=Path("/nowhere/ws.sock"))
    bench.write("revenue", ALERT)
    bench.run("revenue")
    away = answer_to(bench.settings, "sync-status", "")
    assert (away["ok"], away["user"], away["sent"], away["waiting"]) == (True, "petr", 0, 1)
    back = answer_to(reachable, "sync-status", "")
    assert (back["sent"], back["waiting"]) == (1, 0)
    assert [script["name"] for script in back["scripts"]] == ["revenue.py"]
    assert [notice["title"] for notice in bench.gateway.notifications] == ["Revenue down"]
    assert answer_to(reachable, "sync-status", "")["sent"] == 0
    assert "known are list, run NAME, sync-status" in answer_to(reachable, "rm", "")["error"]


def test_a_newer_alert_that_begins_to_wait_while_an_older_one_goes_keeps_its_chart(bench: Bench) -> None:
    bench.write("chart", CHART)
    bench.gateway.answer = lambda _: (503, {"error": "disk full"})
    bench.run("chart")

    def first_goes_and_a_second_comes(body: dict[str, Any]) -> tuple[int, dict[str, object]]:
        bench.gateway.answer = lambda _: (503, {"error": "disk full"})
        bench.run("chart")
        return 200, {"sent": 0, "id": body["notification"]["id"]}

    bench.gateway.answer = first_goes_and_a_second_comes
    assert bench.flight.flush_waiting() == 1
    bench.gateway.images.clear()
    bench.gateway.answer = lambda _: (200, {"sent": 0})
    assert bench.flight.flush_waiting() == 1
    assert bench.gateway.images == [b"PNG"]
    assert list((bench.settings.state_dir / "waiting").iterdir()) == []
