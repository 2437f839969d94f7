"""Render pages: one Jinja environment, one content security policy."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analyst_server.portal.message_html import message_html
from analyst_server.wire.inert import inert_line, inert_text

__all__ = ["STATIC", "TEMPLATES", "error_page", "page", "rendered"]

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inert"] = inert_text
    environment.filters["inert_line"] = inert_line
    environment.filters["message_html"] = message_html
    environment.filters["day"] = lambda text: datetime.fromisoformat(text).strftime("%-d %B %Y, %H:%M UTC")
    return environment


def rendered(template: str, **values: Any) -> str:
    """Return a template's HTML."""
    return _environment().get_template(template).render(**values)


def page(
    template: str,
    *,
    user: str = "",
    status: int = 200,
    form_targets: str = "",
    connect_to: str = "",
    **values: Any,
) -> web.Response:
    """Return a page. A form may lead to `form_targets` too (sources of the policy), a script may connect to `connect_to`."""
    response = web.Response(
        text=rendered(template, user=user, **values), status=status, content_type="text/html", charset="utf-8"
    )
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        f"connect-src 'self' {connect_to}; form-action 'self' {form_targets}; frame-ancestors 'none'; base-uri 'none'"
    )
    return response


def error_page(status: int, problem: str, way_out: str, *, user: str = "") -> web.Response:
    """Return a page that tells what went wrong and what to do next."""
    return page("error.html", user=user, status=status, problem=inert_line(problem), way_out=inert_line(way_out))
