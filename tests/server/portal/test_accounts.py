"""What the accounts database promises whoever asks it directly: identities, codes, sessions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyst_server.errors import TokenRefused
from analyst_server.identity.grants import digest
from analyst_server.portal.accounts import Accounts, IdentityClaim
from analyst_server.portal.audit import ADMINISTRATOR
from analyst_server.portal.codes import MAX_PENDING_DEVICE_CODES, Codes
from analyst_server.portal.database import Database, open_database
from analyst_server.portal.sessions import MAX_NAMELESS, Session, SessionStore

NOW = 1_800_000_000.0
PETR = IdentityClaim("https://a.example", "7", "petr@example.com", "petr")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty accounts database."""
    opened = open_database(tmp_path / "accounts.db")
    yield opened
    opened.close()


def test_the_same_subject_of_another_issuer_is_another_person(database: Database) -> None:
    accounts = Accounts(database)
    assert accounts.user_of_identity(PETR, now=NOW, by=ADMINISTRATOR) == "petr"
    elsewhere = PETR._replace(issuer="https://b.example", username="eva")
    assert accounts.user_of_identity(elsewhere, now=NOW, by=ADMINISTRATOR) == "eva"


def test_a_person_who_is_shut_out_does_not_come_in_by_the_provider(database: Database) -> None:
    accounts = Accounts(database)
    accounts.user_of_identity(PETR, now=NOW, by=ADMINISTRATOR)
    accounts.set_disabled("petr", disabled=True, now=NOW, by=ADMINISTRATOR)
    with pytest.raises(TokenRefused, match="disabled"):
        accounts.user_of_identity(PETR, now=NOW, by=ADMINISTRATOR)
    accounts.set_disabled("petr", disabled=False, now=NOW, by=ADMINISTRATOR)
    assert accounts.user_of_identity(PETR, now=NOW, by=ADMINISTRATOR) == "petr"


def test_a_device_code_is_decided_before_its_end_and_once(database: Database) -> None:
    Accounts(database).ensure_user("petr", now=NOW, by=ADMINISTRATOR)
    codes = Codes(database)
    late, good = (codes.new_device_code("laptop", now=NOW) for _ in range(2))
    assert late
    assert good
    assert not codes.decide(late.user_code, "petr", approved=True, now=NOW + late.expires_in_s)
    assert codes.decide(good.user_code, "petr", approved=True, now=NOW)
    assert not codes.decide(good.user_code, "petr", approved=False, now=NOW)


def test_a_flood_of_device_codes_ends_and_passes(database: Database) -> None:
    codes = Codes(database)
    with database.transaction():
        for number in range(MAX_PENDING_DEVICE_CODES):
            database.execute(
                "INSERT INTO device_codes(digest, user_code, device, expires_at, interval_s) VALUES (?, ?, '', ?, 5)",
                *(str(number), str(number), NOW + 600),
            )
    assert codes.new_device_code("laptop", now=NOW) is None
    assert codes.new_device_code("laptop", now=NOW + 601) is not None


def test_a_session_that_was_signed_out_meanwhile_does_not_come_back(database: Database) -> None:
    store = SessionStore(database, now=lambda: NOW)
    key = store.write(Session(content={"user": "petr"}))
    under_way = store.read(key, by_person=True)
    store.delete(key)
    under_way.put("flash", "late")
    store.write(under_way)
    assert store.read(key, by_person=True).content == {}


def test_sign_ins_that_strangers_begin_do_not_fill_the_disk_nor_end_a_session(database: Database) -> None:
    store = SessionStore(database, now=lambda: NOW)
    petr = store.write(Session(content={"user": "petr"}))
    with database.transaction():
        for number in range(MAX_NAMELESS + 5):
            database.execute(
                "INSERT INTO sessions VALUES (?, '', '{}', ?, ?)", digest(str(number)), NOW - 60 + number / 1e6, NOW
            )
    newest = store.write(Session(content={"attempt": {}}))
    kept = database.row("SELECT count(*) AS n FROM sessions WHERE user = ''")
    assert kept is not None
    assert kept["n"] <= MAX_NAMELESS + 1
    assert store.read(petr, by_person=True).content == {"user": "petr"}
    assert store.read(newest, by_person=True).content == {"attempt": {}}
    assert store.read("0", by_person=True).key == "", "the oldest give way"
