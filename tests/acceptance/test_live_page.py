"""The live page in a real browser, on a real server with the embedded broker.

SCREENSHOTS in the environment names a folder for pictures; else they go to a folder of the test.
"""

import os
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.project import PASSWORD, ROOT, Project
from tests.acceptance.services import Services

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser

WORDS = iter(
    [
        "The only way to have a friend is to be one. — Ralph Waldo Emerson",
        "Nothing will come of nothing. — William Shakespeare",
        "It is never too late to give up our prejudices. — Henry David Thoreau",
        "Much learning does not teach understanding. — Heraclitus",
        "He that lives upon hope will die fasting. — Benjamin Franklin",
        "Little strokes fell great oaks. — Benjamin Franklin",
        "The sun, too, shines into cesspools and is not polluted. — Diogenes",
        "Common sense is not so common. — Voltaire",
        "Who overcomes by force, hath overcome but half his foe. — John Milton",
        "Hope springs eternal in the human breast. — Alexander Pope",
        "We know what we are, but know not what we may be. — William Shakespeare",
    ]
)
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Both services in one process for all tests here: to begin takes longer than to look. Each has its own quote."""
    folder = tmp_path_factory.mktemp("live")
    environment = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "EVENTS_EMBEDDED_FOLDER": str(folder / "embedded")}
    project = Project(folder, environment).prepare("alice", "bob", "carol")
    project.manage("import_quotes", str(ROOT / "examples/quotes/quotes.jsonl"))
    with ExitStack() as stack:
        stack.callback(project.close)
        services = Services(project.start(), project, "/likes")
        services.settled()
        yield services
    project.manage("events_broker", "--stop", check=False)


@pytest.fixture
def quote_id(together):
    """A new quote, the first on the page, that nobody likes yet. Likes knows it."""
    created = together.create(next(WORDS)).body["id"]
    together.wait_for_copy(created)
    return created


@pytest.fixture
def page(chromium, together):
    """A page of a browser that complains about every fault of a script or of the policy."""
    faults = []
    context = chromium.new_context(base_url=together.quotes.address, viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: "Content Security Policy" in line.text and faults.append(line.text))
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def pictures(tmp_path):
    """Where pictures go."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sign_in(page, user="alice"):
    page.goto("/login/")
    page.fill("#id_username", user)
    page.fill("#id_password", PASSWORD)
    page.click("main button[type=submit]")
    live(page)


def live(page):
    page.wait_for_selector("#status[data-state=live]")


def expect(locator):
    return playwright.expect(locator)


def of(page, quote_id):
    return page.locator(f"#quote-{quote_id}")


def test_a_like_is_counted_on_the_page_without_a_reload(page, quote_id):
    sign_in(page)
    page.evaluate("window.neverReloaded = true")
    quote = of(page, quote_id)
    expect(quote.locator(".number")).to_have_text("0")

    quote.locator("button.heart").click()

    expect(quote.locator(".number")).to_have_text("1")
    expect(quote.locator("button.heart")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#passed li").first).to_contain_text("QuoteLiked")
    expect(page.locator("#said")).to_contain_text("1 like")
    assert page.evaluate("window.neverReloaded")


def test_what_somebody_else_does_shows_without_a_reload(page, together, quote_id):
    page.goto("/")
    live(page)

    together.like(quote_id, "bob")
    expect(of(page, quote_id).locator(".number")).to_have_text("1")

    together.quotes.ask("PUT", f"/quotes/{quote_id}/", {"title": "Changed — Somebody"}, user="bob")
    expect(of(page, quote_id).locator("blockquote")).to_have_text("Changed")

    together.create("Brand new — Nobody")
    expect(page.locator("#newer")).to_have_text("Show 1 new quote")
    page.click("#newer")
    expect(page.locator(".quote blockquote").first).to_have_text("Brand new")
    expect(page.locator("#newer")).to_be_hidden()

    together.quotes.ask("DELETE", f"/quotes/{quote_id}/", user="bob")
    expect(of(page, quote_id)).to_have_class("quote gone")


def test_a_quote_is_added_on_the_page_and_faults_are_told(page, together):
    sign_in(page)

    page.fill("#new-title", "To be added — Somebody")
    page.click("#add button")
    expect(page.locator(".quote blockquote").first).to_have_text("To be added")

    page.fill("#new-title", "To be added — Somebody")
    page.click("#add button")
    expect(page.locator("#toast")).to_contain_text("has this title already")


def test_a_lost_connection_is_told_and_found_again(page, together, quote_id):
    page.goto("/")
    live(page)

    together.quotes.stop()  # it waits at most 30 s: an open stream must not hold the server up
    expect(page.locator("#status-text")).to_contain_text("Connection lost")

    together.quotes.start()
    expect(page.locator("#status-text")).to_have_text("Live again")
    together.wait_for_copy(quote_id)
    together.like(quote_id, "bob")
    expect(of(page, quote_id).locator(".number")).to_have_text("1")
    ids = page.locator("#passed li").evaluate_all("lines => lines.map(line => line.dataset.id)")
    assert len(ids) == len(set(ids))
    assert "Finished server process" in together.quotes.log


def test_a_list_that_cannot_be_fetched_is_told(page, together):
    page.goto("/")
    live(page)
    together.create("Out of reach — Nobody")
    expect(page.locator("#newer")).to_be_visible()
    page.route("**/*", lambda route: route.abort() if route.request.resource_type == "fetch" else route.continue_())

    page.click("#newer")

    expect(page.locator("#toast")).to_contain_text("could not be fetched")
    expect(page.locator("#newer")).to_be_visible()


def test_it_reads_and_likes_without_a_script(chromium, page, together, quote_id):
    sign_in(page)
    context = chromium.new_context(
        base_url=together.quotes.address, java_script_enabled=False, storage_state=page.context.storage_state()
    )
    bare = context.new_page()
    bare.goto("/?page=1")

    of(bare, quote_id).locator("button.heart").click()

    bare.wait_for_url(f"**/?page=1#quote-{quote_id}")
    together.wait_for_likes(quote_id, 1)
    context.close()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page, quote_id):
    sign_in(page)
    page.goto("/")
    live(page)

    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    heart = of(page, quote_id).locator("button.heart")
    heart.focus()
    page.keyboard.press("Enter")

    expect(heart.locator(".number")).to_have_text("1")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_an_event_is_listed_with_the_time_that_it_took(page, quote_id):
    page.goto("/")
    live(page)

    own_key = page.locator(".key").get_by_text(str(quote_id), exact=True)
    line = page.locator("#passed li").filter(has=own_key)

    expect(line.locator(".type")).to_have_text("QuoteCreated")
    expect(line.locator(".took")).to_have_text(re.compile(r"^(\d+ ms|waited [\d,]+ (s|min|h))$"))  # by how busy it is


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "size"), [("wide", WIDE), ("phone", PHONE)])
def test_it_fits_its_window(page, pictures, quote_id, scheme, device, size):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    sign_in(page)
    of(page, quote_id).locator("button.heart").click()
    expect(of(page, quote_id).locator(".number")).to_have_text("1")

    page.screenshot(path=pictures / f"live-page-{device}-{scheme}.png")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
