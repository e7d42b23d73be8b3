"""The page with the sockets in a real browser: two users, a stranger, another origin, and a server that comes again.

SCREENSHOTS in the environment names a folder for pictures; else they go to a folder of the test.
"""

import json
import os
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.acceptance.project import PASSWORD, ROOT
from tests.acceptance.services import Services
from tests.acceptance.sockets import SocketProject, environment

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

TITLES = iter(
    [
        "Little strokes fell great oaks. — Benjamin Franklin",
        "Common sense is not so common. — Voltaire",
        "Hope springs eternal in the human breast. — Alexander Pope",
        "Nothing will come of nothing. — William Shakespeare",
        "Much learning does not teach understanding. — Heraclitus",
        "He that lives upon hope will die fasting. — Benjamin Franklin",
        "It is never too late to give up our prejudices. — Henry David Thoreau",
        "The only way to have a friend is to be one. — Ralph Waldo Emerson",
        "Who overcomes by force, hath overcome but half his foe. — John Milton",
    ]
)
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
OPENING = """
path => new Promise(resolve => {
  const socket = new WebSocket(new URL(path));
  let opened = false;
  socket.onopen = () => { opened = true; if (path.includes("echo")) socket.close(1000); };
  socket.onclose = ({ code }) => resolve({ opened, code });
})
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One process with some quotes, for all tests here: to begin takes longer than to look."""
    folder = tmp_path_factory.mktemp("sockets")
    project = SocketProject(folder, environment(folder)).prepare("alice", "bob")
    project.manage("import_quotes", str(ROOT / "examples/quotes/quotes.jsonl"))
    with ExitStack() as stack:
        stack.callback(project.close)
        Services(project.start(), project, "/likes").settled()
        yield project
    project.manage("events_broker", "--stop", check=False)
    assert "Traceback" not in project.log


@pytest.fixture
def quote_id(project):
    """A new quote, the first on the page, that nobody likes yet. Likes knows it."""
    services = Services(project, project, "/likes")
    created = services.create(next(TITLES)).body["id"]
    services.wait_for_copy(created)
    return created


@pytest.fixture
def window(chromium, project):
    """Opens windows, each of a browser of its own, that complain about every fault of a script or of the policy."""
    faults, contexts = [], []

    def opened(user=None, prepare=lambda page: None):
        context = chromium.new_context(base_url=project.address, viewport=WIDE, color_scheme="light")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: "Content Security Policy" in line.text and faults.append(line.text))
        prepare(page)
        if user:
            page.goto("/login/?next=/sockets/")
            page.fill("#id_username", user)
            page.fill("#id_password", PASSWORD)
            page.click("main button[type=submit]")
            page.wait_for_url("**/sockets/")
        else:
            page.goto("/sockets/")
        page.wait_for_selector("#status[data-state=live]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


class Empty(BaseHTTPRequestHandler):
    """A page with nothing on it."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *said):
        """Say nothing."""


@pytest.fixture
def foreign():
    """The address of a page of another origin, on a server of its own: a browser lets it call this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def pictures(tmp_path):
    """Where pictures go."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def expect(locator):
    return playwright.expect(locator)


def of(page, quote_id):
    return page.locator(f"#quote-{quote_id}")


def test_a_like_in_one_browser_appears_in_the_other_without_a_reload(window, quote_id):
    alices, bobs = window("alice"), window("bob")
    for page in (alices, bobs):
        page.evaluate("window.neverReloaded = true")
        expect(of(page, quote_id).locator(".number")).to_have_text("0")

    of(alices, quote_id).locator("button.heart").click()

    for page in (bobs, alices):
        expect(of(page, quote_id).locator(".number")).to_have_text("1")
        expect(page.locator("#said")).to_contain_text("alice likes")
        assert page.evaluate("window.neverReloaded")
    expect(of(alices, quote_id).locator("button.heart")).to_have_attribute("aria-pressed", "true")
    expect(of(bobs, quote_id).locator("button.heart")).to_have_attribute("aria-pressed", "false")


def test_who_likes_is_said_also_when_the_number_came_before(window, quote_id):
    alices = window("alice", corrected_first)

    of(alices, quote_id).locator("button.heart").click()

    expect(alices.locator("#said")).to_contain_text("alice likes")
    expect(of(alices, quote_id).locator(".number")).to_have_text("1")


def corrected_first(page):
    """Have each number told without a name before it is told with one, as by a socket that looks in between."""

    def pass_on(route):
        server = route.connect_to_server()

        def told(text):
            like = json.loads(text)
            route.send(json.dumps({"id": like["id"], "likes": like["likes"]}))
            route.send(text)

        server.on_message(told)

    page.route_web_socket("**/ws/quotes/**", pass_on)


def test_a_stranger_reads_and_echoes_but_is_told_no_likes(window, project, quote_id):
    page = window()
    address = project.address.replace("http", "ws")

    expect(of(page, quote_id).locator("a.heart")).to_have_attribute("title", "Sign in to like")
    assert page.evaluate(OPENING, f"{address}/ws/quotes/{quote_id}/") == {"opened": True, "code": 4401}
    assert page.evaluate(OPENING, f"{address}/ws/echo/") == {"opened": True, "code": 1000}


def test_a_page_of_another_origin_gets_no_socket(window, project, quote_id, foreign):
    page = window("alice")
    address = project.address.replace("http", "ws")
    page.goto(foreign)

    for path in ("/ws/echo/", f"/ws/quotes/{quote_id}/"):
        assert page.evaluate(OPENING, address + path) == {"opened": False, "code": 1006}
        assert f'"WebSocket {path}" 403' in project.log


def test_who_signed_out_elsewhere_is_told_at_the_next_connection(window, project, quote_id):
    page = window("alice")
    page.context.clear_cookies()

    project.stop()
    project.start()

    expect(page.locator("#toast")).to_contain_text("Nobody is signed in any more")


def test_a_lost_connection_is_told_and_found_again_with_what_was_missed(window, project, quote_id):
    page = window("bob")

    project.stop()
    expect(page.locator("#status-text")).to_contain_text("Connection lost")
    project.start()
    assert project.ask("POST", f"/likes/quotes/{quote_id}/like/", user="alice").status == 201

    expect(page.locator("#status-text")).to_have_text("Live again")
    expect(of(page, quote_id).locator(".number")).to_have_text("1")


def test_json_is_echoed_and_what_is_none_is_answered(window):
    page = window()

    page.click("#echo button")
    expect(page.locator("#echoes li").first).to_have_text('{"message": "Hello"}')
    page.fill("#echo-text", "Hello")
    page.keyboard.press("Enter")

    expect(page.locator("#echoes li").first).to_contain_text("not JSON")
    expect(page.locator("#echoes li.refused")).to_have_count(1)


def test_it_reads_and_likes_without_a_script(window, chromium, project, quote_id):
    kept = window("alice").context.storage_state()
    context = chromium.new_context(base_url=project.address, java_script_enabled=False, storage_state=kept)
    bare = context.new_page()
    bare.goto("/sockets/")

    of(bare, quote_id).locator("button.heart").click()

    bare.wait_for_url(f"**/sockets/#quote-{quote_id}")
    Services(project, project, "/likes").wait_for_likes(quote_id, 1)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "size"), [("wide", WIDE), ("phone", PHONE)])
def test_it_fits_its_window(window, pictures, scheme, device, size):
    page = window("alice")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    page.click("#echo button")
    expect(page.locator("#echoes li")).to_have_text('{"message": "Hello"}')

    page.screenshot(path=pictures / f"sockets-page-{device}-{scheme}.png")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
