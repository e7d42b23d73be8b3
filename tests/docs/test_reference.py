"""The reference says what the code says."""

from tools.reference import PAGE, page


def test_the_table_of_settings_is_fresh():
    text = PAGE.read_text()

    assert page(text) == text, "run: python tools/reference.py"
