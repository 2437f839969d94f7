"""Run a recipe: one connection, one step after the other, stop at the first that does not go as written (§8.4)."""

import asyncio
import hashlib
import json
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from analyst_cli.desktop.client import CLIENT_GRACE_S, HostClient
from analyst_cli.desktop.recipes import Recipe, RecipeProblem, Step, substituted

__all__ = ["RecipeRun", "StepOutcome"]

APPROVAL_S = 600.0  # a person may take so long


class StepOutcome(msgspec.Struct, frozen=True, rename="camel"):
    """How a step went; never with text that was typed."""

    step: int
    method: str
    ok: bool
    execution_id: str | None
    error_code: str | None
    why: str


class RecipeRun:
    """One run. `tell` is called with every outcome as it comes."""

    def __init__(
        self, recipe: Recipe, content: bytes, workspace: str, client: HostClient, tell: Callable[[StepOutcome], None]
    ) -> None:
        self._recipe = recipe
        self._hash = hashlib.sha256(content).hexdigest()
        self._workspace = workspace
        self._client = client
        self._tell = tell
        self._known: dict[str, Any] = {}
        self._run_tokens: dict[int, str] = {}
        self.outcomes: list[StepOutcome] = []

    async def run(self) -> bool:
        """Do all steps; return whether everything went as written. Interrupted, it stops what is in flight (R-RE-7)."""
        if self._recipe.approve == "run":
            await self._approve_run()
        try:
            for number, step in enumerate(self._recipe.steps, start=1):
                outcome = await self._step(number, step)
                self.outcomes.append(outcome)
                self._tell(outcome)
                if not outcome.ok and not step.continue_on_error:
                    break
        finally:
            self._write_down()
        return all(outcome.ok for outcome in self.outcomes) and len(self.outcomes) == len(self._recipe.steps)

    async def _step(self, number: int, step: Step) -> StepOutcome:
        tries = 1 + (step.retry.max if step.retry else 0)
        for left in range(tries - 1, -1, -1):
            try:
                reply = await self._send(number, step)
            except RecipeProblem as exc:
                return StepOutcome(number, step.method, False, None, None, str(exc))
            retryable = reply.get("error", {}).get("retryable", False)
            if step.retry is None or not retryable or not left:
                break
            await asyncio.sleep(step.retry.delay_ms / 1000)
        self._remember(step, reply)
        return _judged(number, step, reply)

    async def _send(self, number: int, step: Step) -> dict[str, Any]:
        params = {name: value for name, value in step.params.items() if name != "confirm"}
        params = substituted(params, self._known)
        if step.auto_confirmed:
            token = self._run_tokens.get(number)
            if token is None:
                answer = await self._tokens({"intent": {"method": step.method, "params": params}})
                if "error" in answer:
                    return answer
                token = answer["result"]["token"]
            params["confirm"] = {"token": token}
        elif "confirm" in step.params:
            params["confirm"] = substituted(step.params["confirm"], self._known)
        reply = await self._call(step.method, params, step.timeout_ms)
        if step.method == "desktop.confirm.issue" and reply.get("result", {}).get("pending"):
            return await self._awaited(reply)
        return reply

    async def _approve_run(self) -> None:
        """Ask once for all steps whose params are known before the run (Q15)."""
        numbered = [
            (n, s) for n, s in enumerate(self._recipe.steps, 1) if s.auto_confirmed and "$" not in json.dumps(s.params)
        ]
        if not numbered:
            return
        intents = [
            {"method": s.method, "params": {k: v for k, v in s.params.items() if k != "confirm"}} for _, s in numbered
        ]
        answer = await self._tokens({"intents": intents, "ttlMs": 300_000})
        if "error" in answer:
            raise RecipeProblem(f"the run was not approved: {answer['error']['message']}")
        result = answer["result"]
        tokens = result.get("tokens") or [result]
        self._run_tokens = {number: token["token"] for (number, _), token in zip(numbered, tokens, strict=True)}

    async def _tokens(self, params: dict[str, Any]) -> dict[str, Any]:
        answer = await self._call("desktop.confirm.issue", params, 10_000)
        return await self._awaited(answer) if answer.get("result", {}).get("pending") else answer

    async def _awaited(self, asked: dict[str, Any]) -> dict[str, Any]:
        approval_id = asked["result"]["approvalId"]
        self._tell(StepOutcome(0, "desktop.confirm.await", True, None, None, f"waiting for approval {approval_id}"))
        return await self._call("desktop.confirm.await", {"approvalId": approval_id}, round(APPROVAL_S * 1000))

    async def _call(self, method: str, params: dict[str, Any], timeout_ms: int) -> dict[str, Any]:
        request_id = str(uuid.uuid4())
        meta = {"schemaVersion": 1, "requestId": request_id, "workspacePath": self._workspace, "timeoutMs": timeout_ms}
        try:
            reply = await self._client.call(
                method, {**params, "meta": meta}, request_id=request_id, wait_s=timeout_ms / 1000 + CLIENT_GRACE_S
            )
        except asyncio.CancelledError:
            await asyncio.gather(
                self._client.call("desktop.abort", {"targetRequestId": request_id}, wait_s=1.0), return_exceptions=True
            )
            raise
        return reply

    def _remember(self, step: Step, reply: dict[str, Any]) -> None:
        result = reply.get("result")
        if not isinstance(result, dict):
            return
        if step.method == "desktop.confirm.issue" and "token" in result:
            self._known["$lastToken"] = result["token"]
            if step.as_:
                self._known[f"$token.{step.as_}"] = result["token"]
        if step.method == "desktop.find" and step.as_:
            self._known[f"$find.{step.as_}"] = result

    def _write_down(self) -> None:
        """Write `recipe-run.json` beside the evidence (R-RE-6)."""
        now = datetime.now(UTC)
        record = {
            "recipe": self._recipe.id,
            "recipeSha256": self._hash,
            "endedAt": now.isoformat(timespec="milliseconds"),
            "steps": [msgspec.to_builtins(outcome) for outcome in self.outcomes],
        }
        folder = Path(self._workspace, "artifacts", "desktop", now.strftime("%Y-%m-%d"))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            name = folder / f"recipe-run-{now.strftime('%H%M%S')}-{os.urandom(3).hex()}.json"
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise RecipeProblem(f"recipe-run.json cannot be written: {exc.strerror}") from exc
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(record), indent=2))


def _judged(number: int, step: Step, reply: dict[str, Any]) -> StepOutcome:
    error = reply.get("error")
    expected = step.expect_error
    execution_id = (reply.get("result") or {}).get("executionId")
    if error is None:
        if expected is None:
            return StepOutcome(number, step.method, True, execution_id, None, "done")
        return StepOutcome(number, step.method, False, execution_id, None, "it succeeded, and an error was expected")
    code, reason = error.get("code"), error.get("details", {}).get("reason")
    fits = expected is not None and expected.code in {None, code} and expected.reason in {None, reason}
    words = f"{code}{f' ({reason})' if reason else ''}: {error.get('message')}"
    return StepOutcome(number, step.method, fits, execution_id, code, f"failed as expected: {words}" if fits else words)
