"""Scripts of other users with real accounts and the real sudo: as them, with one line in sudoers, and nothing else."""

import asyncio
import grp
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from analyst_server.errors import ServerError, StoreUnavailable
from analyst_server.runner.exec_as import account_settings
from analyst_server.runner.isolation import ScriptsOfUsers
from analyst_server.runner.scripts import ScriptNotFound, ScriptProblem
from analyst_server.runner.settings import RunnerSettings
from tests.support.accounts import Accounts, accounts
from tests.support.eventually import eventually, is_gone

SCRIPT = """
import json, os, pwd
path = os.path.join(os.environ["ANALYST_RUN_DIR"], "chart.png")
open(path, "wb").write(b"PNG of " + pwd.getpwuid(os.getuid()).pw_name.encode())
print(json.dumps({"notify": True, "title": pwd.getpwuid(os.getuid()).pw_name, "message": " ".join(sorted(os.environ)), "image_path": path}))
"""
pytestmark = pytest.mark.xdist_group("accounts")  # one worker makes them: the password file is locked while one is made
real_accounts = pytest.mark.real("root", "sudo", "useradd", "crontab")


@dataclass
class Dispatches:
    """The gateway's dispatch path: keeps what it gets, and the picture that lay there."""

    bodies: list[dict[str, object]] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    status: int = 200
    refuses_pictures: bool = False

    @property
    def body(self) -> bytes:
        return b'{"error": "broken image"}'

    async def __call__(self, body: bytes) -> "Dispatches":
        members = json.loads(body)
        self.bodies.append(members)
        if path := members["notification"].get("image_path"):
            self.pictures.append(Path(path).read_bytes())
        self.status = 400 if self.refuses_pictures and path else self.status if not self.refuses_pictures else 200
        return self


@pytest.fixture(scope="module")
def people() -> Iterator[Accounts]:
    with accounts() as made:
        scripts = made.home(made.member) / "user" / "notifications"
        scripts.mkdir(parents=True)
        (scripts / "who.py").write_text(SCRIPT)
        (scripts / "broken.py").write_text("raise SystemExit(3)")
        for folder in (scripts, scripts.parent):
            shutil.chown(folder, made.member, made.member)
        yield made


def of_all(people: Accounts, dispatch: Dispatches) -> ScriptsOfUsers:
    own = RunnerSettings(user="nobody-here", home=Path("/"), scripts_dir=Path("/nowhere"), state_dir=Path("/nowhere"))
    return ScriptsOfUsers(dispatch, own=own, group=people.group, sudo=str(people.sudo), command=[str(people.analyst)])


@real_accounts
async def test_a_script_runs_as_its_user_with_a_clean_environment_and_its_alert_is_dispatched(
    people: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESKTOP_JWT_SECRET", "s" * 64)
    dispatch = Dispatches()
    scripts = of_all(people, dispatch)
    allow_group(people)
    await scripts.run(people.member, "who.py")
    (body,) = dispatch.bodies
    assert body["user"] == people.member
    notification = body["notification"]
    assert isinstance(notification, dict)
    assert notification["title"] == people.member
    names = set(str(notification["message"]).split()) - {"LANG", "LC_ALL", "TZ", "LC_CTYPE", "PWD"}
    assert names == {"ANALYST_RUN_DIR", "ANALYST_RUN_ID", "HOME", "LOGNAME", "PATH", "SHELL", "USER"}
    assert dispatch.pictures == [f"PNG of {people.member}".encode()]
    listed = await scripts.list(people.member)
    assert [(entry.name, entry.stem, bool(entry.last_run)) for entry in listed] == [
        ("broken.py", "broken", False),
        ("who.py", "who", True),
    ]


@real_accounts
async def test_nothing_of_a_script_is_left_when_nobody_waits_for_it_any_more(people: Accounts) -> None:
    allow_group(people)
    home = people.home(people.member)
    (home / "user" / "notifications" / "hangs.py").write_text(
        "import os, time; open('pid.new', 'w').write(str(os.getpid())); os.rename('pid.new', 'pid'); time.sleep(600)"
    )
    running = asyncio.ensure_future(of_all(people, Dispatches()).run(people.member, "hangs"))
    assert await asyncio.to_thread(eventually, (home / "pid").exists)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await asyncio.to_thread(eventually, lambda: is_gone(int((home / "pid").read_text())))
    (home / "user" / "notifications" / "hangs.py").unlink()


@real_accounts
async def test_what_goes_wrong_is_one_sentence(people: Accounts) -> None:
    allow_group(people)
    scripts = of_all(people, Dispatches())
    with pytest.raises(ScriptProblem, match="broken: it ended with exit code 3"):
        await scripts.run(people.member, "broken.py")
    with pytest.raises(ServerError, match=r"there is no script 'nothere.py'"):
        await scripts.run(people.member, "nothere.py")


@real_accounts
async def test_somebody_outside_of_the_group_has_no_scripts(people: Accounts) -> None:
    scripts = of_all(people, Dispatches())
    for user in (people.outsider, "root", "no-such-user", "-u root", "a b", ""):
        assert await scripts.list(user) == []
        with pytest.raises(ScriptNotFound):
            await scripts.run(user, "who.py")


async def test_root_has_no_scripts_in_whatever_group_it_is() -> None:
    """Root is of its own group everywhere."""
    own = RunnerSettings(user="nobody-here", home=Path("/"), scripts_dir=Path("/nowhere"), state_dir=Path("/nowhere"))
    scripts = ScriptsOfUsers(Dispatches(), own=own, group=grp.getgrgid(0).gr_name, sudo="/nowhere/sudo")
    assert await scripts.list("root") == []


@pytest.mark.real("root")
def test_exec_as_is_nothing_for_root() -> None:
    environ = {"KEPT": "as it is"}
    with pytest.raises(ScriptProblem, match="does not run as root"):
        account_settings(environ, group=grp.getgrgid(0).gr_name)
    assert environ == {"KEPT": "as it is"}


@real_accounts
@pytest.mark.parametrize("name", ["../who.py", "-h", "", "who.py; id", "a" * 101, "/etc/passwd", "who\n.py"])
async def test_a_name_that_is_none_never_reaches_sudo(people: Accounts, name: str) -> None:
    scripts = ScriptsOfUsers(
        Dispatches(), own=of_all(people, Dispatches()).own, group=people.group, sudo="/nowhere/sudo"
    )
    with pytest.raises(ScriptNotFound):
        await scripts.run(people.member, name)


@real_accounts
async def test_sudo_allows_this_and_nothing_else(people: Accounts) -> None:
    assert people.run(people.server, "sudo", "-n", "-u", people.member, "--", "id").returncode != 0
    outsider = people.run(
        people.server, "sudo", "-n", "-u", people.outsider, "--", str(people.analyst), "runner", "exec-as", "list"
    )
    assert outsider.returncode != 0
    assert "password is required" in outsider.stderr
    assert people.run(people.server, "ls", str(people.home(people.member))).returncode != 0
    refused = people.run(people.outsider, str(people.analyst), "runner", "exec-as", "list", "--group", people.group)
    assert f"{people.outsider} is not in the group {people.group}" in json.loads(refused.stdout)["error"]


@real_accounts
async def test_a_missing_line_in_sudoers_is_said_with_the_line(people: Accounts) -> None:
    scripts = of_all(people, Dispatches())
    elsewhere = ScriptsOfUsers(
        Dispatches(), own=scripts.own, group=people.group, sudo=scripts.sudo, command=["/usr/bin/id"]
    )
    with pytest.raises(
        ScriptProblem, match=r"password is required; allow it in sudoers: .* NOPASSWD: /usr/bin/id runner exec-as \*"
    ):
        await elsewhere.list(people.member)


@real_accounts
def test_the_crontab_line_is_shown_written_once_and_taken_away(people: Accounts) -> None:
    program = str(people.analyst)
    before = people.run(people.member, "sh", "-c", "echo '0 1 * * * /bin/true' | crontab -")
    assert before.returncode == 0
    unasked = people.run(people.member, program, "runner", "install", "--with", "cron")
    assert (unasked.returncode, "add --yes" in unasked.stderr) == (2, True)
    assert "*/5 * * * * " in unasked.stdout
    for _ in range(2):
        assert (
            people.run(
                people.member, program, "runner", "install", "--with", "cron", "--yes", "--user", "petr"
            ).returncode
            == 0
        )
    table = people.run(people.member, "crontab", "-l").stdout.splitlines()
    assert len(table) == 2
    assert table[0] == "0 1 * * * /bin/true"
    assert table[1].endswith("runner once --quiet --user petr # analyst runner")
    assert people.run(people.member, program, "runner", "install", "--with", "cron", "--remove").returncode == 0
    assert people.run(people.member, "crontab", "-l").stdout == "0 1 * * * /bin/true\n"
    for more in ("--yes", "--remove"):
        assert people.run(people.server, program, "runner", "install", "--with", "cron", more).returncode == 0
    assert "no crontab" in people.run(people.server, "crontab", "-l").stderr


async def test_the_own_account_needs_no_sudo_and_a_broken_chart_mutes_nothing(settings: RunnerSettings) -> None:
    (settings.scripts_dir / "who.py").write_text(SCRIPT)
    dispatch = Dispatches(refuses_pictures=True)
    scripts = ScriptsOfUsers(dispatch, own=settings, sudo="/nowhere/sudo")
    assert [entry.last_run for entry in await scripts.list("petr")] == [None]
    await scripts.run("petr", "who")
    assert ["image_path" in body["notification"] for body in dispatch.bodies] == [True, False]  # type: ignore[operator]
    assert str(dispatch.bodies[1]["notification"]["message"]).endswith("(Its chart was left out: broken image.)")  # type: ignore[index]
    assert not settings.cooldown_file("who").exists()


async def test_a_script_that_runs_ends_with_the_server(settings: RunnerSettings, tmp_path: Path) -> None:
    (settings.scripts_dir / "hangs.py").write_text(
        f"open({str(tmp_path / 'began')!r}, 'w'); import time; time.sleep(600)"
    )
    scripts = ScriptsOfUsers(Dispatches(), own=settings)
    running = asyncio.ensure_future(scripts.run("petr", "hangs"))
    assert await asyncio.to_thread(eventually, (tmp_path / "began").exists)
    await asyncio.to_thread(scripts.close)
    with pytest.raises(ScriptProblem, match="hangs: the runner was stopped in the middle of it"):
        await running


async def test_the_scripts_of_two_people_run_side_by_side(settings: RunnerSettings, tmp_path: Path) -> None:
    """Each waits for the other, so one after the other would fail."""
    for name, other in (("a", "b"), ("b", "a")):
        (settings.scripts_dir / f"{name}.py").write_text(f"""
import pathlib, time
pathlib.Path({str(tmp_path / name)!r}).touch()
deadline = time.monotonic() + 20
while not pathlib.Path({str(tmp_path / other)!r}).exists():
    assert time.monotonic() < deadline
    time.sleep(0.01)
print('{{"notify": true}}')
""")
    dispatch = Dispatches()
    scripts = ScriptsOfUsers(dispatch, own=settings)
    await asyncio.gather(scripts.run("petr", "a"), scripts.run("petr", "b"))
    assert len(dispatch.bodies) == 2


async def test_a_gateway_that_cannot_store_is_no_success(settings: RunnerSettings) -> None:
    (settings.scripts_dir / "who.py").write_text(SCRIPT)
    with pytest.raises(StoreUnavailable, match="broken image"):
        await ScriptsOfUsers(Dispatches(status=503), own=settings).run("petr", "who.py")


def allow_group(people: Accounts) -> None:
    """The group of the test is not the default: what sudoers allows has no --group, so the wrapper adds it."""
    text = people.analyst.read_text()
    if "--group" not in text:
        people.analyst.write_text(text.replace('"$@"', f'"$@" $([ "$2" = exec-as ] && echo --group {people.group})'))
