"""The addresses of Quotes."""

from django.urls import path

from examples import accounts
from examples.endpoint import addresses
from examples.quotes import api
from examples.quotes.live import live
from examples.quotes.page import page

app_name = "quotes"
urlpatterns = [
    path("", page, name="page"),
    path("live/", live, name="live"),
    *addresses("quotes/", api.quotes, name="quotes"),
    *addresses("quotes/<quote_id>/", api.quote, name="quote"),
    *addresses("users/", api.users, name="users"),
    *addresses("users/<user_id>/", api.user, name="user"),
    *accounts.urlpatterns,
]
