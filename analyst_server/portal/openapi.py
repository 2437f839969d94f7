"""The OpenAPI document of the HTTP API that programs use. The tests let schemathesis try every call of it, so it is true."""

from typing import Any

from analyst_server.wire import publication

__all__ = ["document"]

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "one sentence; RFC 8628 words at `/api/desktop/token`"}},
    "required": ["error"],
}
_ISSUED = {
    "type": "object",
    "properties": {
        "token": _TEXT,
        "expires_at": {"type": "string", "format": "date-time"},
        "username": _TEXT,
        "device": _TEXT,
    },
    "required": ["token", "expires_at"],
}


def _at_most(characters: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": characters}


_CHART = {
    "type": "object",
    "description": "the numbers of a picture, at most 5 series and 500 points in all; every client draws them",
    "properties": {
        "kind": {"enum": ["line", "bar"]},
        "title": _TEXT,
        "x": {
            "type": "array",
            "items": {"type": ["number", "string"]},
            "description": "empty, or as many as the longest series",
        },
        "series": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": _TEXT,
                    "y": {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1},
                },
                "required": ["y"],
            },
            "minItems": 1,
            "maxItems": publication.MAX_CHART_SERIES,
        },
        "mark": {"type": "integer", "minimum": 0, "description": "index of a point, the one that matters"},
    },
    "required": ["kind", "series"],
}
_RUN = {
    "type": "object",
    "description": "where it came from",
    "properties": {
        "script": _TEXT,
        "hash": _TEXT,
        "exit_code": {"type": ["integer", "null"]},
        "duration_s": {"type": ["number", "null"]},
        "id": _TEXT,
    },
}
_NOTIFICATION = {
    "type": "object",
    "description": "section 2.5 of the protocol. `image_path` is refused with 403: it names a file of the gateway's machine; "
    "send the chart's numbers (`chart`) and a sentence (`image_alt`)",
    "properties": {
        "id": {
            **_at_most(publication.MAX_ID_CHARS),
            "minLength": 1,
            "description": "printable; missing: a new one. The same id again is stored and shown once",
        },
        "title": _at_most(publication.MAX_TITLE_CHARS),
        "message": {
            **_at_most(publication.MAX_MESSAGE_BYTES),
            "description": f"at most {publication.MAX_MESSAGE_BYTES} bytes",
        },
        "timestamp": {"type": "string", "format": "date-time", "description": "missing: now"},
        "script": _at_most(publication.MAX_SHORT_CHARS),
        "priority": {"enum": ["low", "normal", "high", "critical"]},
        "tags": {
            "type": "array",
            "items": _at_most(publication.MAX_TAG_CHARS),
            "maxItems": publication.MAX_TAGS,
        },
        "key": {**_at_most(publication.MAX_SHORT_CHARS), "description": "groups repeats"},
        "status": {"enum": ["firing", "resolved"]},
        "url": _at_most(publication.MAX_URL_CHARS),
        "data": {"type": "object"},
        "chart": _CHART,
        "image_alt": _at_most(publication.MAX_ALT_CHARS),
        "run": _RUN,
    },
    "anyOf": [{"required": [name], "properties": {name: {"minLength": 1}}} for name in ("title", "message")],
}
_USER = {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}$"}
_STORED = {
    "type": "object",
    "properties": {
        "sent": {"type": "integer", "description": "live connections that got it"},
        "id": _TEXT,
        "seq": _NUMBER,
        "duplicate": {"type": "boolean"},
        "users": {
            "type": "object",
            "description": "asked with `users`: the line of each",
            "additionalProperties": {
                "type": "object",
                "properties": {"seq": _NUMBER, "duplicate": {"type": "boolean"}},
                "required": ["seq", "duplicate"],
            },
        },
    },
    "required": ["sent", "id"],
}


def document(origin: str) -> dict[str, Any]:
    """Return the document for a portal at this origin."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "analyst portal",
            "version": "2",
            "description": "Linking devices, charts, scripts, publishing.",
        },
        "servers": [{"url": origin}],
        "components": {
            "securitySchemes": {
                "device": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "publisher": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "analyst-session"},
            },
            "schemas": {"Error": _ERROR, "IssuedToken": _ISSUED, "Notification": _NOTIFICATION},
        },
        "paths": {**_sign_in_calls(), **_device_calls(), **_publisher_calls(), **_browser_calls()},
    }


def _sign_in_calls() -> dict[str, Any]:
    return {
        "/.well-known/analyst.json": {
            "get": _call(
                "Where the WebSocket is", _object({"ws_url": _TEXT, "protocol": {"type": "integer"}, "scheme": _TEXT})
            )
        },
        "/api/health": {"get": _call("Whether the portal answers", _object({"status": {"const": "ok"}}))},
        "/api/desktop/device": {
            "post": _call(
                "Begin a sign-in without browser (RFC 8628)",
                _object(
                    {
                        "device_code": _TEXT,
                        "user_code": _TEXT,
                        "verification_uri": _TEXT,
                        "verification_uri_complete": _TEXT,
                        "interval": _NUMBER,
                        "expires_in": _NUMBER,
                    }
                ),
                body={"type": "object", "properties": {"device": _TEXT}},
                errors=(400, 413, 429, 503),
            )
        },
        "/api/desktop/token": {
            "post": _call(
                "Exchange a one-time code, or an approved device code, for a token",
                _ref("IssuedToken"),
                body={"type": "object", "properties": {"code": _TEXT, "code_verifier": _TEXT, "device_code": _TEXT}},
                errors=(400, 413, 429, 503),
            )
        },
    }


def _device_calls() -> dict[str, Any]:
    script = _object({"name": _TEXT, "stem": _TEXT, "last_run": {"type": ["string", "null"]}})
    device = _object({"device": _TEXT, "name": _TEXT, "linked_at": _TEXT, "last_seen": _TEXT})
    return {
        "/api/desktop/refresh": {
            "post": _call("Exchange a token, valid or expired less than 7 days ago", _ref("IssuedToken"), who="device")
        },
        "/api/desktop/devices": {"get": _call("The devices of this account", _list(device), who="device")},
        "/api/desktop/scripts": {
            "get": _call("The scripts of this person", _list(script), who="device", errors=(500,))
        },
        "/api/desktop/scripts/run": {
            "post": _call(
                "Run a script; its result arrives as a notification",
                _object({"ok": {"const": True}}),
                who="device",
                body=_object({"name": _TEXT}),
                errors=(400, 413, 500),
            )
        },
        "/api/notifications/images/{name}": {
            "get": {
                **_call("A chart of one of the person's notifications", None, who="device", errors=(404,)),
                "parameters": [
                    {
                        "name": "name",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "pattern": r"^[A-Za-z0-9_-]{1,128}\.png$"},
                    }
                ],
            }
        },
    }


def _publisher_calls() -> dict[str, Any]:
    return {
        "/api/dispatch": {
            "post": _call(
                "Publish a notification from afar",
                _STORED,
                who="publisher",
                body={
                    "type": "object",
                    "properties": {
                        "user": _USER,
                        "users": {
                            "type": "array",
                            "items": _USER,
                            "minItems": 1,
                            "maxItems": publication.MAX_USERS,
                        },
                        "notification": _ref("Notification"),
                    },
                    "required": ["notification"],
                    "oneOf": [{"required": ["user"]}, {"required": ["users"]}],
                },
                errors=(400, 403, 409, 413, 503),
            )
        },
    }


def _browser_calls() -> dict[str, Any]:
    done = _object({"ok": {"const": True}, "message": _TEXT})
    return {
        "/api/desktop/authorize": {
            "post": _call(
                "Authorize a device in the signed-in browser",
                _object({"url": _TEXT}),
                who="session",
                errors=(400, 403, 413),
            )
        },
        "/api/desktop/unlink": {"post": _call("Unlink the desktop app", done, who="session", errors=(400, 403, 413))},
        "/api/desktop/live-token": {
            "post": _call("A page's token for its WebSocket", _ref("IssuedToken"), who="session", errors=(403,))
        },
        "/api/telegram/verify": {
            "post": _call("Link Telegram by a 6-digit code", done, who="session", errors=(400, 403, 413))
        },
        "/api/telegram/unlink": {"post": _call("Unlink Telegram", done, who="session", errors=(400, 403))},
        "/api/telegram/status": {
            "get": _call(
                "Whether Telegram is linked",
                _object({"linked": {"type": "boolean"}, "linked_at": {"type": ["string", "null"]}}),
                who="session",
            )
        },
    }


def _call(
    summary: str,
    answer: dict[str, Any] | None,
    *,
    who: str = "",
    body: dict[str, Any] | None = None,
    errors: tuple[int, ...] = (),
) -> dict[str, Any]:
    content = {"image/png": {}} if answer is None else {"application/json": {"schema": answer}}
    # 421: asked by a name that is not this server's; 503: the store cannot be used now.
    refused = sorted({*errors, *((401, 429) if who else ()), 421, 503})
    call: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "done", "content": content},
            **{
                str(status): {"description": "refused", "content": {"application/json": {"schema": _ref("Error")}}}
                for status in refused
            },
        },
    }
    if who:
        call["security"] = [{who: []}]
    if body is not None:
        call["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return call


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
