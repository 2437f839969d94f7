"""Tokens in a real Secret Service."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from secret_service import secret_service

SCRIPT = """
from analyst_cli.client import credentials
stored = credentials.store_token("https://a.example", "secret-token")
found = credentials.find_token("https://a.example")
print(stored.origin, stored.warning or "-", found.value, found.origin, credentials.token_file().exists())
print(credentials.forget_token("https://a.example"), credentials.forget_token("https://a.example"))
"""


@pytest.mark.real("gnome-keyring-daemon", "dbus-daemon", "dbus-send")
def test_a_token_goes_to_the_keyring_where_there_is_one(home: Path) -> None:
    with secret_service({**os.environ, "HOME": str(home)}) as environment:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=30, check=False
        )
    assert done.stderr == ""
    assert done.stdout == "keyring - secret-token keyring False\nTrue False\n"
