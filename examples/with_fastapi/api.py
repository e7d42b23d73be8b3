"""The FastAPI app: the permissions list in two ways, who is signed in, and a like that becomes an event."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from anyio.to_thread import current_default_thread_limiter
from django.contrib.auth.models import Permission
from fastapi import APIRouter, FastAPI, HTTPException, Path
from pydantic import BaseModel

from events.publishing import aatomic, apublish
from examples.contracts import QuoteLiked
from examples.likes.models import KnownQuote, Like
from examples.with_fastapi.connections import DjangoRoute
from examples.with_fastapi.session import SignedIn

THREADS = 20
"""`def` endpoints at once. Each may hold a database connection; FastAPI's own default is 40."""

log = logging.getLogger(__name__)


class PermissionItem(BaseModel):
    """One permission."""

    pk: int
    name: str


class Permissions(BaseModel):
    """All permissions, in the model's own order."""

    items: list[PermissionItem]


class Me(BaseModel):
    """Who is signed in."""

    username: str


class Liked(BaseModel):
    """Who likes what."""

    quote_id: int
    username: str


router = APIRouter(route_class=DjangoRoute)
QuoteId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/permissions/sync", response_model=Permissions)
def list_permissions() -> dict[str, Any]:
    """All permissions, read by a `def` endpoint in a thread of FastAPI's pool."""
    return {"items": list(Permission.objects.values("pk", "name"))}


@router.get("/permissions/async", response_model=Permissions)
async def alist_permissions() -> dict[str, Any]:
    """All permissions, read by the async ORM."""
    return {"items": [row async for row in Permission.objects.values("pk", "name")]}


@router.get("/me", responses={401: {"description": "Nobody is signed in."}})
async def me(user: SignedIn) -> Me:
    """Who is signed in to Django, in this browser."""
    return Me(username=user.get_username())


@router.post(
    "/quotes/{quote_id}/like",
    status_code=201,
    responses={
        401: {"description": "Nobody is signed in."},
        403: {"description": "The CSRF token is missing."},
        404: {"description": "No such quote is known here (yet)."},
        409: {"description": "Liked already."},
    },
)
async def like(quote_id: QuoteId, user: SignedIn) -> Liked:
    """Like a quote. The event is published if and only if the row is committed, and counted by Quotes."""
    async with aatomic():
        quote = await KnownQuote.objects.select_for_update().filter(pk=quote_id).afirst()
        if quote is None:
            raise HTTPException(404, f"Likes knows no quote {quote_id}.")
        _, new = await Like.objects.aget_or_create(quote=quote, user=user)
        if not new:
            raise HTTPException(409, f"{user.get_username()} likes quote {quote_id} already.")
        await apublish(QuoteLiked(quote_id=quote_id, username=user.get_username()))
    return Liked(quote_id=quote_id, username=user.get_username())


@asynccontextmanager
async def up(api: FastAPI) -> AsyncIterator[None]:
    """FastAPI's own lifespan: opened after the resources of `Lifespan`, closed before them."""
    current_default_thread_limiter().total_tokens = THREADS
    log.info("The API is up, with %d threads.", THREADS)
    yield
    log.info("The API is closed.")


api = FastAPI(title="Quotes and Likes", lifespan=up)
api.include_router(router)
