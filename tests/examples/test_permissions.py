"""The permissions list of plain Django: sync and async views say the same, in one query, in the order of the model."""

import pytest
from django.contrib.auth.models import Permission
from django.test import AsyncClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def wanted():
    """The answer, told from the model itself."""
    return {"items": [{"pk": one.pk, "name": one.name} for one in Permission.objects.all()]}


def test_the_sync_view_lists_all_permissions_in_one_query(client, wanted, django_assert_num_queries):
    with django_assert_num_queries(1):
        answer = client.get("/permissions/sync/")

    assert answer.json() == wanted
    assert len(wanted["items"]) > 20


@pytest.mark.django_db(transaction=True)
async def test_the_async_view_says_the_same(wanted):
    answer = await AsyncClient().get("/permissions/async/")

    assert answer.json() == wanted
    assert len(wanted["items"]) > 20


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_list_cannot_be_written(client, way):
    assert client.post(f"/permissions/{way}/").status_code == 405
    assert client.head(f"/permissions/{way}/").status_code == 200
