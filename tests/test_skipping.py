"""The rule of the tests themselves: where CI=true, what would be skipped fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RULES = Path(__file__).with_name("conftest.py")
MODULES = {
    "test_component.py": "import pytest\n@pytest.mark.real('no-such-program')\ndef test_it(): pass\n",
    "test_while_running.py": "import pytest\ndef test_it(): pytest.skip('may not mount')\n",
    "test_fixture.py": "import pytest\n@pytest.fixture\ndef it(): pytest.skip('may not')\ndef test_it(it): pass\n",
    "test_module.py": "import pytest\npytest.importorskip('no_such_module')\n",
    "test_expected_failure.py": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
}


@pytest.mark.parametrize(
    ("ci", "code", "words"), [("true", 1, "1 failed, 1 xfailed, 3 errors"), ("", 0, "4 skipped, 1 xfailed")]
)
def test_nothing_is_skipped_in_ci(tmp_path: Path, ci: str, code: int, words: str) -> None:
    for name, content in {**MODULES, "conftest.py": RULES.read_text()}.items():
        (tmp_path / name).write_text(content)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
        "--continue-on-collection-errors",
        "-p",
        "no:warnings",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, timeout=50, check=False, env=os.environ | {"CI": ci}
    )
    assert (done.returncode, words in done.stdout) == (code, True), done.stdout
