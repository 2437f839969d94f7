"""The whole sign-in: invitation, page, button, the system's URL handler, the waiting command, a real Secret Service, the inbox."""

import json
import sys
from pathlib import Path

import jwt
import pytest
from secret_service import secret_service
from system import PROGRAM, running_system

from tests.cli.tui.test_terminal import terminal

PERSON = Path(__file__).parents[1] / "support" / "person.py"


@pytest.mark.real("xdg-open", "xdg-mime", "gnome-keyring-daemon", "dbus-daemon")
def test_a_person_signs_in_through_the_custom_url_and_the_token_goes_to_the_keyring() -> None:
    with running_system() as system, secret_service(system.environment) as reaching:
        desktop = {
            **reaching,
            "DISPLAY": ":987654",  # xdg-open wants a display for links of applications, and does not connect to it
            "BROWSER": f"{sys.executable} {PERSON} %s",
        }
        desktop["INVITATION"] = system.run("gateway", "invite", "petr").stdout.split()[-1]
        system.environment.update(desktop)
        system.run("login", "--install-handler")
        told = system.run("login", "--device-name", "Petr's laptop").stderr
        assert "as petr" in told
        assert "system's keyring" in told
        assert not (system.home / ".config/analyst/tokens.json").exists()

        who = json.loads(system.run("whoami", "--json").stdout)
        assert (who["username"], who["token_origin"], who["server"]) == ("petr", "keyring", system.portal_url)
        assert [device["name"] for device in who["devices"]] == ["Petr's laptop"]

        system.run("dispatch", "--user", "petr", "--title", "Hello", "--message", "You are signed in")
        assert [row["title"] for row in system.receive(1)] == ["Hello"]

        system.run("logout")
        assert system.run("whoami", check=False).returncode == 4


@pytest.mark.real("gnome-keyring-daemon", "dbus-daemon", "dbus-send")
def test_an_inbox_whose_token_was_revoked_comes_back_after_a_sign_in_beside_it() -> None:
    with running_system() as system, secret_service(system.environment) as reaching:
        system.environment.update(reaching)

        def sign_in() -> str:
            token = system.run("token", "issue", "petr").stdout.strip()
            system.run("login", "--token-stdin", "--server", system.portal_url, stdin=token)
            return str(jwt.decode(token, options={"verify_signature": False})["jti"])

        revoked = sign_in()
        with terminal([*PROGRAM, "inbox"], **system.environment) as inbox:
            inbox.wait_for("● live")
            system.run("gateway", "revoke", "--token", revoked)
            inbox.wait_for("does not accept the token")
            sign_in()
            system.run("dispatch", "--user", "petr", "--title", "While signed out", "--message", "m")
            inbox.wait_for("While signed out")
            inbox.press("q")
            assert inbox.wait_for_end() == 0


@pytest.mark.real("xdg-open", "xdg-mime")
def test_a_link_that_nobody_waits_for_is_refused() -> None:
    with running_system() as system:
        done = system.run("callback", "keboola-analyst://auth?code=a&state=b", check=False)
        assert done.returncode == 1
        assert "no sign-in waits" in done.stderr
