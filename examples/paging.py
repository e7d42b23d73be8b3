"""`Pages`: a long list in pages, and what an address may ask for: `?page=2&size=50`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from examples.refusal import Refused, answer

NAMES = ("page", "size")
SIZE = 20
MAX_SIZE = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for: page `number` (from 1) of `size` rows each."""

    number: int
    size: int


def wanted(request: HttpRequest) -> Wanted:
    """What the address asks for. Refused (400): another name, `page` or `size` no whole number in its range."""
    if unknown := next((name for name in request.GET if name not in NAMES), None):
        raise Refused(
            400, f"There is nothing named {unknown[:40]!r} to ask for.", "Use page and size: ?page=2&size=50."
        )
    return Wanted(
        _number(request, "page", default=1, most=10**9), _number(request, "size", default=SIZE, most=MAX_SIZE)
    )


def page_of[Row: Model](request: HttpRequest, rows: QuerySet[Row]) -> Page[Row]:
    """The page of rows that the address asks for. Refused: 400 as `wanted`, 404 beyond the last page."""
    asked = wanted(request)
    pages = Paginator(rows, asked.size)
    if asked.number > pages.num_pages:
        raise Refused(404, f"There is no page {asked.number}.", f"The last one is ?page={pages.num_pages}.")
    return pages.page(asked.number)


def paged_answer[Row: Model](
    request: HttpRequest, rows: QuerySet[Row], *, show: Callable[[Row], dict[str, Any]]
) -> HttpResponse:
    """The asked page as JSON: `count` of all, `page`, `pages`, `size`, and `results` as `show` gives them."""
    page = page_of(request, rows)
    return answer(
        {
            "count": page.paginator.count,
            "page": page.number,
            "pages": page.paginator.num_pages,
            "size": page.paginator.per_page,
            "results": [show(row) for row in page],
        }
    )


def _number(request: HttpRequest, name: str, *, default: int, most: int) -> int:
    text = request.GET.get(name, str(default))
    if text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most:
        return int(text)
    raise Refused(400, f"{name}={text[:40]!r} is not possible.", f"Use a whole number from 1 to {most:,}.")
