"""Register `analyst` with the operating system as what opens `keboola-analyst://` links.

Linux: a desktop file and `xdg-mime` (freedesktop.org "Association between MIME types and applications"). macOS: a small AppleScript application whose
Info.plist names the scheme, made with `osacompile` and registered with LaunchServices. Windows: `HKCU\\Software\\Classes\\<scheme>`. The last two
follow the systems' documentation and could not be tried on the machines this was built on.
"""

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

from analyst_cli.client.sign_in import DEFAULT_SCHEME
from analyst_cli.errors import LocalProblem

__all__ = ["command_line", "install", "is_installed", "uninstall"]

PROGRAM_TIMEOUT_S = 15.0
_LSREGISTER = "/System/Library/Frameworks/CoreServices.framework/Frameworks/LaunchServices.framework/Support/lsregister"


def install(scheme: str = DEFAULT_SCHEME) -> str:
    """Register the scheme for this person and return where; doing it again is harmless. Raises `LocalProblem`."""
    system: str = sys.platform
    try:
        match system:
            case "darwin":
                return _install_macos(scheme)
            case "win32":
                return _install_windows(scheme)
            case _:
                return _install_linux(scheme)
    except OSError as exc:
        raise LocalProblem(
            f"the handler of {scheme}:// could not be registered ({exc})", "sign in with --loopback or --device instead"
        ) from exc


def uninstall(scheme: str = DEFAULT_SCHEME) -> bool:
    """Remove what `install` wrote; tell whether there was something."""
    system: str = sys.platform
    match system:
        case "darwin":
            found = _macos_app(scheme).exists()
            shutil.rmtree(_macos_app(scheme), ignore_errors=True)
            return found
        case "win32":
            return _uninstall_windows(scheme)
        case _:
            found = _desktop_file(scheme).exists()
            _desktop_file(scheme).unlink(missing_ok=True)
            return found


def is_installed(scheme: str = DEFAULT_SCHEME) -> bool:
    """Tell whether links of this scheme come to a handler that this program wrote."""
    system: str = sys.platform
    match system:
        case "darwin":
            return _macos_app(scheme).exists()
        case "win32":
            return _windows_command(scheme) is not None
        case _:
            return _desktop_file(scheme).exists() and _default_of(scheme) == _desktop_file(scheme).name


def command_line() -> list[str]:
    """Return how the operating system starts this very installation."""
    program = Path(sys.argv[0])
    if program.name == "analyst" and program.exists():
        return [str(program.resolve())]
    beside = Path(sys.executable).parent / "analyst"
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "analyst_cli"]


def _desktop_file(scheme: str) -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local/share") / "applications" / f"analyst-{scheme}.desktop"


def _install_linux(scheme: str) -> str:
    path = _desktop_file(scheme)
    path.parent.mkdir(parents=True, exist_ok=True)
    program = " ".join(_exec_quoted(word) for word in command_line())
    path.write_text(
        "[Desktop Entry]\nType=Application\nVersion=1.5\nName=analyst sign-in\nComment=Finishes the sign-in of analyst in the terminal\n"
        f"Exec={program} callback %u\nTerminal=false\nNoDisplay=true\nStartupNotify=false\nMimeType=x-scheme-handler/{scheme};\n"
    )
    if shutil.which("xdg-mime") is None:
        raise LocalProblem(
            "xdg-mime is missing, so links cannot be registered",
            "install xdg-utils, or sign in with --loopback or --device",
        )
    _run(["xdg-mime", "default", path.name, f"x-scheme-handler/{scheme}"])
    if shutil.which("update-desktop-database"):
        _run(["update-desktop-database", str(path.parent)])
    return str(path)


def _exec_quoted(word: str) -> str:
    """Quote an argument as the Desktop Entry Specification, "The Exec key", wants it."""
    escaped = "".join(f"\\{character}" if character in '"`$\\' else character for character in word).replace("%", "%%")
    return (
        escaped
        if escaped == word and not set(word) & set(" \t\n'<>~|&;*?#()")
        else f'"{escaped}"'.replace("\\", "\\\\")
    )


def _default_of(scheme: str) -> str:
    if shutil.which("xdg-mime") is None:
        return ""
    asked = ["xdg-mime", "query", "default", f"x-scheme-handler/{scheme}"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False).stdout.strip()


def _macos_app(scheme: str) -> Path:
    return Path.home() / "Applications" / f"analyst {scheme}.app"


def _install_macos(scheme: str) -> str:
    application = _macos_app(scheme)
    application.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(application, ignore_errors=True)
    words = " & \" \" & ".join(f'quoted form of "{word}"' for word in command_line())  # fmt: skip
    _run(
        [
            "osacompile",
            "-o",
            str(application),
            "-e",
            f'on open location theLink\ndo shell script {words} & " callback " & quoted form of theLink\nend open location',
        ]
    )
    information = application / "Contents/Info.plist"
    content = plistlib.loads(information.read_bytes())
    content |= {
        "CFBundleIdentifier": f"analyst.sign-in.{scheme}",
        "LSUIElement": True,
        "CFBundleURLTypes": [{"CFBundleURLName": "analyst sign-in", "CFBundleURLSchemes": [scheme]}],
    }
    information.write_bytes(plistlib.dumps(content))
    _run([_LSREGISTER, "-f", str(application)])
    return str(application)


def _install_windows(scheme: str) -> str:
    import winreg  # noqa: PLC0415 - exists on Windows alone

    key = f"Software\\Classes\\{scheme}"
    command = subprocess.list2cmdline([*command_line(), "callback"]) + ' "%1"'
    for path, name, value in (
        (key, "", f"URL:{scheme}"),
        (key, "URL Protocol", ""),
        (f"{key}\\shell\\open\\command", "", command),
    ):
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, path) as handle:  # type: ignore[attr-defined]
            winreg.SetValueEx(handle, name, 0, winreg.REG_SZ, value)  # type: ignore[attr-defined]
    return f"HKCU\\{key}"


def _uninstall_windows(scheme: str) -> bool:
    import winreg  # noqa: PLC0415 - exists on Windows alone

    if _windows_command(scheme) is None:
        return False
    for path in ("\\shell\\open\\command", "\\shell\\open", "\\shell", ""):
        winreg.DeleteKey(winreg.HKEY_CURRENT_USER, f"Software\\Classes\\{scheme}{path}")  # type: ignore[attr-defined]
    return True


def _windows_command(scheme: str) -> str | None:
    import winreg  # noqa: PLC0415 - exists on Windows alone

    try:
        return str(winreg.QueryValue(winreg.HKEY_CURRENT_USER, f"Software\\Classes\\{scheme}\\shell\\open\\command"))  # type: ignore[attr-defined]
    except OSError:
        return None


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LocalProblem(
            f"{command[0]} ended with {done.returncode} ({said[-1] if said else 'no message'})",
            "sign in with --loopback or --device",
        )
