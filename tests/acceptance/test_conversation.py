"""The two services talk: what is created, changed, removed and liked on one side arrives on the other, once."""

import pytest

from tests.acceptance.services import ON_MYSQL


@pytest.mark.parametrize("services", ["together", "apart", ON_MYSQL], indirect=True)
def test_a_quote_travels_to_likes_and_a_like_travels_back(services):
    created = services.create("Know thyself.")
    quote_id = created.body["id"]
    assert created.status == 201
    services.wait_for_copy(quote_id, "Know thyself.")

    changed = services.quotes.ask("PUT", f"/quotes/{quote_id}/", {"title": "Know yourself."}, user="alice")
    assert changed.status == 200
    services.wait_for_copy(quote_id, "Know yourself.")

    assert services.like(quote_id, "bob").status == 201
    services.wait_for_likes(quote_id, 1)

    assert services.like(quote_id, "bob").status == 409
    assert services.like(quote_id, "carol").status == 201
    services.wait_for_likes(quote_id, 2)

    removed = services.quotes.ask("DELETE", f"/quotes/{quote_id}/", user="alice")
    assert removed.status == 204
    services.wait_for_no_copy(quote_id)
    assert services.quote(quote_id).status == 404


def test_a_process_says_at_start_what_it_runs_and_ends_cleanly(services):
    services.wait_for_copy(services.create("Nothing in excess.").body["id"])

    codes = [project.stop() for project in services.projects]

    assert all(code in (0, -15) for code in codes)  # uvicorn ends itself with the signal that it caught
    for project in services.projects:
        assert "Traceback" not in project.log
        assert "relay" in project.log
