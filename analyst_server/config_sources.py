"""Where settings come from: a TOML file, the environment and flags, checked against the dataclasses of the parts.

Knows no part: `config.py` does.
"""

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from analyst_server.errors import ConfigProblem

__all__ = ["CONFIG_VARIABLE", "Parts", "SettingRow", "read_sources", "rows_of", "setting"]

Parts = Mapping[str, type]

CONFIG_VARIABLE = "ANALYST_GATEWAY_CONFIG"  # names the file, so it is none of its settings


def setting(
    default: Any,
    words: str,
    *,
    env: str | None = None,
    secret: bool = False,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a setting: its default, one line of help, the environment variable if it is not `ANALYST_<PART>_<NAME>`, and its range or choices."""
    meta = {"words": words, "env": env, "secret": secret, "least": least, "most": most, "choices": choices}
    if isinstance(default, list | dict):
        raise TypeError("a frozen settings object holds tuples")
    return dataclasses.field(default=default, metadata=meta, repr=not secret)


class SettingRow(NamedTuple):
    """One line of the table of settings."""

    key: str  # as in the file: part.name
    env: str
    default: str
    words: str
    secret: bool


def read_sources(
    parts: Parts, *, file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the values that are given, by part and name, and where each comes from, by key. Raises `ConfigProblem`."""
    given: dict[str, tuple[Any, str]] = {}
    if file is not None:
        given |= {key: (value, str(file)) for key, value in _from_file(parts, file)}
    given |= {key: (value, name) for key, value, name in _from_environment(parts, environ)}
    for key, value in flags.items():
        if value is not None:
            given[_known_key(parts, key, "a flag")] = (value, "a flag")
    values: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for key, (value, source) in given.items():
        part, _, name = key.partition(".")
        values[part][name] = _checked(parts[part], key, value, source)
    return values, {key: source for key, (_, source) in given.items()}


def rows_of(parts: Parts) -> Iterator[SettingRow]:
    """Return a row for every setting of these parts."""
    for key, part, field in _fields(parts):
        default = "" if field.default in (None, "", ()) else str(field.default)
        yield SettingRow(key, _env_name(part, field), default, field.metadata["words"], field.metadata["secret"])


def _fields(parts: Parts) -> Iterator[tuple[str, str, "dataclasses.Field[Any]"]]:
    for part, kind in parts.items():
        for field in dataclasses.fields(kind):
            yield f"{part}.{field.name}", part, field


def _from_file(parts: Parts, file: Path) -> Iterator[tuple[str, Any]]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigProblem(f"cannot read {file}: {exc.strerror}", "name another file: --config") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ConfigProblem(f"{file} is no TOML: {exc}", "see docs/gateway.md for an example") from exc
    for part, table in tables.items():
        if not isinstance(table, dict):
            raise _unknown(part, parts, f"{part} in {file}, outside of any table")
        if part not in parts:
            raise _unknown(part, parts, f"the table [{part}] of {file}")
        for name, value in table.items():
            yield _known_key(parts, f"{part}.{name}", str(file)), value


def _from_environment(parts: Parts, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    names = {_own_name(part, field): key for key, part, field in _fields(parts)}
    names |= {_env_name(part, field): key for key, part, field in _fields(parts)}
    for name, text in environ.items():
        if name in names:
            yield names[name], text, name
        elif name != CONFIG_VARIABLE and any(name.startswith(f"ANALYST_{part.upper()}_") for part in parts):
            raise _unknown(name, names, f"the environment variable {name}")


def _known_key(parts: Parts, key: str, where: str) -> str:
    known = [each for each, _, _ in _fields(parts)]
    if key not in known:
        raise _unknown(key, known, f"{key} in {where}")
    return key


def _unknown(name: str, known: Any, where: str) -> ConfigProblem:
    near = difflib.get_close_matches(name, list(known), n=1)
    return ConfigProblem(
        f"unknown setting: {where}", f"did you mean {near[0]}?" if near else "see: analyst gateway settings"
    )


def _env_name(part: str, field: "dataclasses.Field[Any]") -> str:
    return field.metadata["env"] or _own_name(part, field)


def _own_name(part: str, field: "dataclasses.Field[Any]") -> str:
    """Return the name that works for every setting, also where the source system's is kept."""
    return f"ANALYST_{part}_{field.name}".upper()


def _checked(kind: type, key: str, value: Any, source: str) -> Any:
    name = key.partition(".")[2]
    meta = next(each.metadata for each in dataclasses.fields(kind) if each.name == name)
    plain = _plain(get_type_hints(kind)[name])
    converted = _converted(plain, value)
    if converted is _NOT_CONVERTIBLE:
        shown = "a value that is not shown" if meta["secret"] else repr(value)
        raise ConfigProblem(f"{key} is {shown} (from {source})", f"it must be {_WORDS[plain]}")
    if meta["choices"] and converted not in meta["choices"]:
        raise ConfigProblem(
            f"{key} is {converted!r} (from {source})", f"it must be one of {', '.join(meta['choices'])}"
        )
    least, most = meta["least"], meta["most"]
    if (least is not None and converted < least) or (most is not None and converted > most):
        span = f"at least {least}" if most is None else f"{least} to {most}"
        raise ConfigProblem(f"{key} is {converted} (from {source})", f"it must be {span}")
    return converted


_NOT_CONVERTIBLE: Any = object()
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    tuple: "a list of texts",
}


def _plain(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    return get_origin(kind) or kind


def _converted(plain: Any, value: Any) -> Any:
    """Return a value of the file, or the text of a variable or flag, as this type."""
    try:
        return _CONVERTERS[plain](value)
    except (ValueError, TypeError, KeyError):
        return _NOT_CONVERTIBLE


def _to_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return int(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _to_bool(value: Any) -> bool:
    return value if isinstance(value, bool) else _BOOLEANS[_to_text(value).lower()]


def _to_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _to_path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise TypeError
    return Path(value).expanduser()


def _to_texts(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(_to_text(part).strip() for part in parts if part != "")


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    int: _to_int,
    float: _to_float,
    bool: _to_bool,
    str: _to_text,
    Path: _to_path,
    tuple: _to_texts,
}
