"""Who is let in, and what the page may load."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.web.options import WebOptions, check_token, is_loopback_name
from tests.support.web_app import open_browser

TOKEN = "correcthorsebattery"
STATIC = Path(__file__).parents[3] / "pipelines" / "web" / "static"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("web")) as opened:
        yield opened


@pytest.fixture
def guarded(tmp_path):
    with open_browser(tmp_path, how=replace(WebOptions(), host="0.0.0.0", token=TOKEN)) as opened:
        yield opened


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7:8765", "[", ""])
def test_a_local_server_answers_no_other_host(browser, host):
    assert browser.get("/api/about", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8765", "[::1]:8765"])
def test_a_local_server_answers_to_its_names(browser, host):
    assert browser.get("/api/about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_origins_are_refused(browser, headers):
    for ask in (
        lambda: browser.post("/api/uploads", params={"kind": "photo"}, content=b"x", headers=headers),
        lambda: browser.post("/api/samples/photo", headers=headers),
        lambda: browser.get("/api/jobs", headers=headers),
    ):
        assert ask().status_code == 403
    assert browser.get("/api/jobs").json() == []


def test_the_page_itself_may_be_linked_to_from_elsewhere(browser):
    assert browser.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200
    own = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert browser.post("/api/samples/photo", headers=own).status_code == 201


def test_without_the_token_there_is_the_page_and_nothing_else(guarded):
    assert guarded.get("/").status_code == 200
    assert guarded.get("/static/page.js").status_code == 200
    for path in ("about", "jobs", "openapi.json", "uploads/x", "jobs/x/result"):
        answer = guarded.get(f"/api/{path}")
        assert (answer.status_code, answer.json()) == (
            401,
            {"error": "give the token that this server was started with"},
        )
    assert guarded.post("/api/session", json={"token": "wrong"}).status_code == 401
    assert guarded.get("/api/about", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_the_token_is_a_bearers_or_a_cookie_that_scripts_cannot_read(guarded):
    assert guarded.get("/api/about", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    given = guarded.post("/api/session", json={"token": TOKEN})
    assert "httponly" in given.headers["set-cookie"].lower()
    assert "samesite=strict" in given.headers["set-cookie"].lower()
    assert guarded.get("/api/about").status_code == 200


def test_tokens_that_are_guessed_easily_are_refused():
    for weak in ("", "short", "with spaces in it", "ünïcode-letters-12"):
        with pytest.raises(ValueError, match="12 or more letters and digits"):
            check_token(None, weak)
    check_token(None, TOKEN)
    assert [is_loopback_name(name) for name in ("127.0.0.9", "::1", "localhost", "0.0.0.0", "example")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_answers_carry_headers_that_keep_others_out(browser):
    for path in ("/", "/api/about", "/static/page.js", "/api/nothing"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_the_page_loads_nothing_from_elsewhere():
    for path in STATIC.iterdir():
        if path.is_file():
            assert not re.search(r"""(src|href|import|url)\W{1,3}https?:|from "(?!\./)""", path.read_text()), path


def test_errors_are_one_sentence(browser):
    for answer, status in (
        (browser.get("/api/nothing"), 404),
        (browser.put("/api/jobs"), 405),
        (browser.post("/api/jobs", content=b"{"), 422),
        (browser.post("/api/jobs", content=b"[" * 100_000), 422),
        (browser.post("/api/jobs", content=b" " * 1_100_000), 400),
    ):
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
