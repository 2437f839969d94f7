"""The signing secret: set, kept, or made once on loopback, and never where others read it."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analyst_server.errors import ConfigProblem
from analyst_server.identity.secret import signing_secret


def test_the_configured_secret_wins_and_nothing_is_written(tmp_path: Path) -> None:
    secret = signing_secret("s" * 32, folder=tmp_path / "data", only_loopback=False)
    assert (secret.value, secret.file, secret.made_now) == ("s" * 32, None, False)
    assert not (tmp_path / "data").exists()
    assert "sss" not in repr(secret)


def test_a_first_run_on_loopback_makes_one_and_later_runs_keep_it(tmp_path: Path) -> None:
    first = signing_secret("", folder=tmp_path / "data", only_loopback=True)
    again = signing_secret("", folder=tmp_path / "data", only_loopback=True)
    assert first.made_now
    assert not again.made_now
    assert first.value == again.value
    assert len(bytes.fromhex(first.value)) == 32
    assert first.file is not None
    assert stat.S_IMODE(first.file.stat().st_mode) == 0o600
    assert [each.name for each in first.file.parent.iterdir()] == ["jwt-secret"]


def test_beyond_loopback_one_must_be_set_even_if_one_was_kept(tmp_path: Path) -> None:
    signing_secret("", folder=tmp_path, only_loopback=True)
    with pytest.raises(ConfigProblem, match=r"DESKTOP_JWT_SECRET is not set.*make one with: python"):
        signing_secret("", folder=tmp_path, only_loopback=False)


def test_a_short_secret_is_refused_with_its_length_and_not_its_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match="DESKTOP_JWT_SECRET has 9 bytes, fewer than 32") as refused:
        signing_secret("too short", folder=tmp_path, only_loopback=True)
    assert "too short" not in str(refused.value)


def test_a_kept_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = signing_secret("", folder=tmp_path, only_loopback=True)
    assert secret.file is not None
    secret.file.chmod(0o644)
    with pytest.raises(ConfigProblem, match=r"can be read by others .mode 0644.; chmod 600"):
        signing_secret("", folder=tmp_path, only_loopback=True)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigProblem, match="cannot keep a secret in"):
        signing_secret("", folder=tmp_path / "file" / "data", only_loopback=True)


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = list(threads.map(lambda _: signing_secret("", folder=tmp_path, only_loopback=True).value, range(16)))
    assert len(set(secrets)) == 1
