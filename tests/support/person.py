"""A person with a browser: opens the page, signs in with an invitation, presses the button, and lets the system open the link it leads to.

Started as `BROWSER="python person.py %s"`; the invitation is in the environment variable INVITATION. Standard library only.
"""

import os
import re
import subprocess
import sys
from html import unescape
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener


class _StayHere(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def main() -> None:
    page = sys.argv[1]
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page))
    browser = build_opener(HTTPCookieProcessor(CookieJar()), _StayHere)

    def ask(url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        data = urlencode(form).encode() if form is not None else None
        request = Request(url, data, {"Origin": origin, "Sec-Fetch-Site": "same-origin"})  # noqa: S310 - a page of our own
        try:
            with browser.open(request) as answer:
                return answer.status, answer.read().decode(), ""
        except HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode(), answer.headers.get("Location", "")

    code = re.search(r"[#?](?:code=)?([^#?=]+)$", os.environ["INVITATION"])
    assert code is not None, os.environ["INVITATION"]
    status, text, _ = ask(f"{origin}/signin/invite", {"code": code[1]})
    assert status == 303, (status, text)
    status, text, _ = ask(page)
    assert status == 200, (status, text)
    assert parse_qs(urlsplit(page).query)["device"][0] in unescape(text), text
    fields = {
        unescape(name): unescape(value)
        for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', text)
    }
    status, text, link = ask(f"{origin}/api/desktop/authorize", {**fields, "decision": "authorize"})
    assert link.startswith("keboola-analyst://auth?"), (status, text, link)
    subprocess.run(["xdg-open", link], check=True, timeout=20)


if __name__ == "__main__":
    main()
