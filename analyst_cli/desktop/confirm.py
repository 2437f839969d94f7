"""Confirmations: what one binds to, who may use it, and what becomes of it. Pure: `now` is an argument, in seconds of a clock that only goes forward.

A token is issued for one method with one set of normalised params in one workspace (the digest), for one principal. It is *reserved* when a request
shows it, *consumed* immediately before the first side effect, and *released* when the request fails before that (R-CF-3).
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import msgspec

from analyst_cli.desktop.errors import Code, DesktopProblem, confirm_required

__all__ = [
    "Approval",
    "ApprovalState",
    "ConfirmBook",
    "Principal",
    "Proof",
    "Scope",
    "Token",
    "TokenState",
    "canonical_json",
    "digest_of",
    "proof_of",
    "token_id",
]

MAX_LIVE_PER_PRINCIPAL = 32  # R-CF-4
MAX_LIVE = 256  # R-CF-4
FORGET_AFTER_S = 600.0  # R-CF-4: consumed and expired records are kept so long, to tell "used" from "invalid"


def canonical_json(value: Any) -> str:
    """Write a JSON value as RFC 8785 (JCS) does: keys sorted by UTF-16 code units, numbers as ECMAScript prints them."""
    match value:
        case None | True | False | str():
            return msgspec.json.encode(value).decode()
        case int():
            return str(value)
        case float():
            return _ecmascript_number(value)
        case list() | tuple():
            return f"[{','.join(map(canonical_json, value))}]"
        case dict():
            members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
            return "{" + ",".join(f"{canonical_json(key)}:{canonical_json(item)}" for key, item in members) + "}"
        case _:
            raise TypeError(f"{type(value).__name__} is no JSON value")


def digest_of(normalized: dict[str, Any], workspace: str) -> str:
    """Return the digest (64 hex digits) of normalised params in a workspace (its real path)."""
    return hashlib.sha256(canonical_json({**normalized, "workspace": workspace}).encode()).hexdigest()


def token_id(token: str) -> str:
    """Return the name of a token that may be written down (R-CF-5)."""
    return hashlib.sha256(token.encode()).hexdigest()[:8]


class Principal(msgspec.Struct, frozen=True):
    """Who asks: the user, the program, the login session (Q5), and the connection for tokens that are bound to it."""

    uid: int
    exe_digest: str | None
    login_session: str | None
    connection_id: str

    def same_as(self, other: "Principal") -> bool:
        """Tell whether both are the same program of the same user in the same login session; an unknown program is only itself."""
        if self.connection_id == other.connection_id:
            return True
        known = self.exe_digest is not None and self.exe_digest == other.exe_digest
        return known and self.uid == other.uid and self.login_session == other.login_session


class Scope(msgspec.Struct, frozen=True):
    """What a confirmation is for."""

    method: str
    digest: str


class TokenState(StrEnum):
    """The life of a token."""

    LIVE = "live"
    RESERVED = "reserved"
    CONSUMED = "consumed"
    VOID = "void"


class Token(msgspec.Struct):
    """A token's record; the token itself is nowhere kept, only its hash."""

    hash: str
    scope: Scope
    principal: Principal
    expires_at: float
    connection_bound: bool = False
    state: TokenState = TokenState.LIVE
    approved_by: str = "self"

    @property
    def id(self) -> str:
        """What may be written down."""
        return self.hash[:8]


class ApprovalState(StrEnum):
    """The life of a question to the operator."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    COLLECTED = "collected"


class Approval(msgspec.Struct):
    """A question to the operator: may this principal do these actions?"""

    id: str
    scopes: list[Scope]
    principal: Principal
    asked_at: float
    expires_at: float
    ttl_s: float
    connection_bound: bool
    shown: list[dict[str, Any]]  # what a person needs to decide, per action
    state: ApprovalState = ApprovalState.PENDING


class Proof(msgspec.Struct, frozen=True):
    """A well-formed `confirm` member."""

    kind: Literal["token", "phrase"]
    text: str


def proof_of(confirm: Any) -> Proof:
    """Read `params.confirm`; every fault of it is CONFIRM_REQUIRED (R-CF-8)."""
    if confirm is msgspec.UNSET or confirm is None:
        raise confirm_required("missing", "this method needs a confirmation: call desktop.confirm.issue first")
    if not isinstance(confirm, dict) or set(confirm) - {"token", "phrase", "approvedAt", "approver"}:
        raise confirm_required("invalid", "confirm has the form {token} or {phrase}")
    token, phrase = confirm.get("token"), confirm.get("phrase")
    if ("token" in confirm) == ("phrase" in confirm):
        raise confirm_required("invalid", "confirm holds either a token or a phrase")
    text = token if "token" in confirm else phrase
    if not isinstance(text, str) or not text:
        raise confirm_required("invalid", "the token or phrase of confirm must be a string that is not empty")
    return Proof("token" if "token" in confirm else "phrase", text)


class ConfirmBook:
    """All tokens and open questions of a host. Not safe for threads: the event loop owns it."""

    def __init__(self, new_token: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._new_token = new_token  # 128 random bits
        self._tokens: dict[str, Token] = {}
        self._approvals: dict[str, Approval] = {}

    def issue(
        self,
        principal: Principal,
        scope: Scope,
        *,
        ttl_s: float,
        now: float,
        connection_bound: bool = False,
        by: str = "self",
    ) -> str:
        """Make a token and return it. Raises DesktopProblem HOST_NOT_READY when too many are alive (R-CF-4)."""
        self._make_room(principal, now)
        token = self._new_token()
        hashed = hashlib.sha256(token.encode()).hexdigest()
        self._tokens[hashed] = Token(hashed, scope, principal, now + ttl_s, connection_bound, approved_by=by)
        return token

    def propose(self, approval: Approval) -> None:
        """Keep a question for the operator."""
        self._make_room(approval.principal, approval.asked_at)
        self._approvals[approval.id] = approval

    def reserve(self, text: str, scope: Scope, principal: Principal, now: float) -> Token:
        """Check a token and take it. Raises CONFIRM_REQUIRED with its reason: used, invalid, expired, peer, mismatch, in this order."""
        hashed = hashlib.sha256(text.encode()).hexdigest()
        token = self._tokens.get(hashed)
        if token is None or not hmac.compare_digest(token.hash, hashed) or token.state is TokenState.VOID:
            raise confirm_required("invalid", "there is no such confirmation token")
        if token.state in {TokenState.RESERVED, TokenState.CONSUMED}:
            raise confirm_required("used", "the confirmation token is already used")
        if now > token.expires_at:
            raise confirm_required("expired", "the confirmation token is no longer valid")
        same = (
            token.principal.connection_id == principal.connection_id
            if token.connection_bound
            else token.principal.same_as(principal)
        )
        if not same:
            raise confirm_required("peer", "the confirmation token was issued to somebody else")
        if token.scope.method != scope.method:
            raise confirm_required(
                "mismatch", f"the confirmation is for {token.scope.method}", actualMethod=scope.method
            )
        if not hmac.compare_digest(token.scope.digest, scope.digest):
            raise confirm_required(
                "mismatch", "the confirmation is for other params", actualDigest=scope.digest[:16], method=scope.method
            )
        token.state = TokenState.RESERVED
        return token

    def release(self, token: Token) -> None:
        """Give a reserved token back: nothing was done with it."""
        if token.state is TokenState.RESERVED:
            token.state = TokenState.LIVE

    def consume(self, token: Token) -> None:
        """Spend a reserved token. Raises CONFIRM_REQUIRED when it was voided meanwhile."""
        if token.state is not TokenState.RESERVED:
            raise confirm_required(
                "used" if token.state is TokenState.CONSUMED else "invalid", "the confirmation was taken back"
            )
        token.state = TokenState.CONSUMED

    def approve(self, approval_id: str, now: float) -> Approval:
        """Say yes. Raises KeyError for an unknown id, ValueError with the state for a question that is no longer open."""
        approval = self._open(approval_id, now)
        approval.state = ApprovalState.APPROVED
        approval.expires_at = now + approval.ttl_s
        return approval

    def deny(self, approval_id: str, now: float) -> Approval:
        """Say no; raises as `approve`."""
        approval = self._open(approval_id, now)
        approval.state = ApprovalState.DENIED
        return approval

    def approval(self, approval_id: str, principal: Principal, now: float) -> Approval | None:
        """Return somebody's own question; None for one that is not theirs, or not there."""
        self._expire(now)
        approval = self._approvals.get(approval_id)
        if approval is None:
            return None
        bound = approval.connection_bound and approval.principal.connection_id != principal.connection_id
        return None if bound or not approval.principal.same_as(principal) else approval

    def remembers(self, approval_id: str) -> bool:
        """Tell whether a question, open or not, is still known."""
        return approval_id in self._approvals

    def collect(self, approval: Approval, now: float) -> list[tuple[Scope, str]]:
        """Hand out the tokens of an approved question, once. Raises CONFIRM_REQUIRED: denied, expired, used."""
        self._expire(now)
        match approval.state:
            case ApprovalState.DENIED:
                raise confirm_required("denied", "the operator denied it")
            case ApprovalState.EXPIRED:
                raise confirm_required("expired", "nobody decided, or collected the decision, in time")
            case ApprovalState.COLLECTED:
                raise confirm_required("used", "the tokens of this approval were already handed out")
        ttl_s = approval.expires_at - now
        approval.state = ApprovalState.COLLECTED
        bound, by = approval.connection_bound, "operator"
        return [
            (s, self.issue(approval.principal, s, ttl_s=ttl_s, now=now, connection_bound=bound, by=by))
            for s in approval.scopes
        ]

    def pending(self, now: float) -> list[Approval]:
        """Return the open questions, oldest first."""
        self._expire(now)
        return [approval for approval in self._approvals.values() if approval.state is ApprovalState.PENDING]

    def live_count(self, now: float) -> int:
        """Return how many tokens could be used."""
        return sum(token.state is TokenState.LIVE and token.expires_at >= now for token in self._tokens.values())

    def void(self, *, connection_id: str | None = None) -> None:
        """Take back everything (stop, panic, narrowed policy), or what is bound to a connection that ended (R-CF-6)."""
        for token in self._tokens.values():
            ours = connection_id is None or (token.connection_bound and token.principal.connection_id == connection_id)
            if ours and token.state is not TokenState.CONSUMED:
                token.state = TokenState.VOID
        for approval in self._approvals.values():
            ours = connection_id is None or (
                approval.connection_bound and approval.principal.connection_id == connection_id
            )
            if ours and approval.state in {ApprovalState.PENDING, ApprovalState.APPROVED}:
                approval.state = ApprovalState.EXPIRED

    def _open(self, approval_id: str, now: float) -> Approval:
        self._expire(now)
        approval = self._approvals[approval_id]
        if approval.state is not ApprovalState.PENDING:
            raise ValueError(approval.state.value)
        return approval

    def _expire(self, now: float) -> None:
        for approval in self._approvals.values():
            if approval.state in {ApprovalState.PENDING, ApprovalState.APPROVED} and now > approval.expires_at:
                approval.state = ApprovalState.EXPIRED

    def _make_room(self, principal: Principal, now: float) -> None:
        self._expire(now)
        self._tokens = {key: token for key, token in self._tokens.items() if now - token.expires_at < FORGET_AFTER_S}
        self._approvals = {key: item for key, item in self._approvals.items() if now - item.expires_at < FORGET_AFTER_S}
        owners = [t.principal for t in self._tokens.values() if t.state is TokenState.LIVE and t.expires_at >= now]
        owners += [a.principal for a in self._approvals.values() if a.state is ApprovalState.PENDING]
        if len(owners) >= MAX_LIVE or sum(owner.same_as(principal) for owner in owners) >= MAX_LIVE_PER_PRINCIPAL:
            raise DesktopProblem(Code.HOST_NOT_READY, "too many confirmations are open; use them or let them expire")


def _ecmascript_number(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    digits = repr(value)
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(digits), "f")
    mantissa, _, exponent = digits.partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
