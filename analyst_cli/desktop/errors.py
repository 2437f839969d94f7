"""What the host answers when it does not do what was asked: a code, a sentence, details. Pure; codes and their meaning are in the reference.

Texts carry no typed text, no token, and no path outside the caller's own request.
"""

from enum import StrEnum
from typing import Any

__all__ = ["Code", "DesktopProblem", "confirm_required", "invalid"]


class Code(StrEnum):
    """The value of `error.code`."""

    INVALID_REQUEST = "DESKTOP_INVALID_REQUEST"
    HOST_NOT_READY = "DESKTOP_HOST_NOT_READY"
    HOST_STOPPED = "DESKTOP_HOST_STOPPED"
    CALLER_NOT_ALLOWED = "DESKTOP_CALLER_NOT_ALLOWED"
    WORKSPACE_FORBIDDEN = "DESKTOP_WORKSPACE_FORBIDDEN"
    PERMISSION_MISSING = "DESKTOP_PERMISSION_MISSING"
    CONFIRM_REQUIRED = "DESKTOP_CONFIRM_REQUIRED"
    ELEMENT_NOT_FOUND = "DESKTOP_ELEMENT_NOT_FOUND"
    ANCHOR_NOT_FOUND = "DESKTOP_ANCHOR_NOT_FOUND"
    PATH_NOT_FOUND = "DESKTOP_PATH_NOT_FOUND"
    PATH_VERIFICATION_FAILED = "DESKTOP_PATH_VERIFICATION_FAILED"
    STALE_ELEMENT = "DESKTOP_STALE_ELEMENT"
    AMBIGUOUS_MATCH = "DESKTOP_AMBIGUOUS_MATCH"
    MODAL_BLOCKING = "DESKTOP_MODAL_BLOCKING"
    TIMEOUT = "DESKTOP_TIMEOUT"
    ABORTED = "DESKTOP_ABORTED"
    INTERNAL_ERROR = "DESKTOP_INTERNAL_ERROR"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without anybody changing a setting."""
        return self in _RETRYABLE


_RETRYABLE = {
    Code.HOST_NOT_READY,
    Code.HOST_STOPPED,
    Code.ELEMENT_NOT_FOUND,
    Code.ANCHOR_NOT_FOUND,
    Code.PATH_NOT_FOUND,
    Code.PATH_VERIFICATION_FAILED,
    Code.STALE_ELEMENT,
    Code.AMBIGUOUS_MATCH,
    Code.MODAL_BLOCKING,
    Code.TIMEOUT,
}


class DesktopProblem(Exception):
    """A request that ends with an error. `rpc_code` is the integer of JSON-RPC 2.0 for clients that know no others."""

    def __init__(self, code: Code, message: str, *, rpc_code: int | None = None, **details: Any) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.details = details
        self.rpc_code = rpc_code if rpc_code is not None else (-32602 if code is Code.INVALID_REQUEST else -32000)

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

    def reply(self) -> dict[str, Any]:
        """Return the member `error` of the reply."""
        return {
            "code": self.code.value,
            "message": self.message,
            "retryable": self.code.retryable,
            "details": {**self.details, "rpcCode": self.rpc_code},
        }


def invalid(message: str, **details: Any) -> DesktopProblem:
    """A request whose envelope or fields cannot be meant."""
    return DesktopProblem(Code.INVALID_REQUEST, message, **details)


def confirm_required(reason: str, message: str, **details: Any) -> DesktopProblem:
    """A confirmation that does not hold; `reason` is one of missing, invalid, used, expired, mismatch, peer, denied."""
    return DesktopProblem(Code.CONFIRM_REQUIRED, message, reason=reason, **details)
