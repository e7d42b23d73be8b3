"""The addresses of Likes."""

from examples import accounts
from examples.endpoint import addresses
from examples.likes import api

app_name = "likes"
urlpatterns = [
    *addresses("quotes/", api.copies, name="quotes"),
    *addresses("quotes/<quote_id>/", api.copy, name="quote"),
    *addresses("quotes/<quote_id>/like/", api.like, name="like"),
    *addresses("quoteusers/", api.likes, name="quoteusers"),
    *accounts.urlpatterns,
]
