"""README's snippets are a project: put where their first lines say, it migrates, starts, and an event travels."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs.test_papers import ROOT

# What `startproject` and `startapp` write.
AROUND = {
    "settings.py": """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "of a test"
DEBUG = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
""",
    "shop/__init__.py": "",
    "urls.py": "urlpatterns = []\n",
}
TRAVEL = """
import asyncio
import sys
from asgi import application
from asgiref.sync import sync_to_async
from django.test import Client
from lifespan.testing import running
from shop.models import KnownQuote

def post(form, path):
    client = Client(enforce_csrf_checks=True, headers={"host": "127.0.0.1"})
    return client.post(path, form, content_type="application/x-www-form-urlencoded")

async def main():
    form, path = sys.argv[1:]
    async with running(application), asyncio.timeout(60):
        answer = await sync_to_async(post)(form, path)
        assert answer.status_code == 201, answer.content
        while not await KnownQuote.objects.filter(title=form.partition("=")[2]).aexists():
            await asyncio.sleep(0.05)

asyncio.run(main())
"""


def snippets():
    """Each file of the part on existing projects, by the path that its first line names; its pieces in their order."""
    files = {}
    for path, text in re.findall(r"```python\n# (\S+)\n(.*?)```", steps(), re.DOTALL):
        files[path] = files.get(path, "") + text
    return files


def steps():
    """The part on existing projects."""
    return (ROOT / "README.md").read_text().split("## Into an existing project")[1].split("\n## ")[0]


def curl():
    """What README's curl sends, and the path it sends it to."""
    return re.search(r'^curl -d "([^"]+)" http://127\.0\.0\.1:8000(\S+)', steps(), re.MULTILINE).groups()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The folder of the project, migrated."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "shop").mkdir()
    for path, text in AROUND.items():
        (folder / path).write_text(text)
    for path, text in snippets().items():
        with (folder / path).open("a") as file:
            file.write(text)
    run(folder, "-m", "django", "makemigrations", "shop")
    run(folder, "-m", "django", "migrate")
    return folder


def run(folder, *command):
    """Run Python in the project as a user would; return what it said."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    settings = {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", *command],
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout + said.stderr


def test_the_steps_show_every_file():
    shop = {f"shop/{name}.py" for name in ("models", "contracts", "views", "subscribers")}

    assert set(snippets()) == {"settings.py", "asgi.py", "urls.py"} | shop


def test_the_project_passes_its_checks(project):
    assert "no issues" in run(project, "-m", "django", "check", "--fail-level", "WARNING")


def test_asgi_can_be_imported_as_written(project):
    run(project, "-c", "from lifespan import Lifespan; import asgi; assert isinstance(asgi.application, Lifespan)")


def test_a_server_that_sets_up_the_root_logger_makes_no_line_a_second_time(project):
    said = run(
        project, "-c", "import logging; logging.basicConfig(); import asgi; logging.getLogger('events').info('up')"
    )

    assert said == "up\n"


@pytest.mark.embedded
def test_an_event_travels_from_the_curl_to_the_subscriber_and_the_start_is_told(project):
    pytest.importorskip("confluent_kafka")

    try:
        said = run(project, "-c", TRAVEL, *curl())
    finally:
        run(project, "-m", "django", "events_broker", "--stop")

    assert re.search(
        r"^Kafka: the embedded broker at .*\nTopics: quotes\nThis process sends\.\nThis process runs the relay\.\n"
        r"This process runs the subscribers of shop\.$",
        said,
        re.MULTILINE,
    )


def test_the_ten_lines_are_lines_of_the_whole_files():
    ten = re.search(r"## Ten lines\n\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    whole = {line.strip() for text in snippets().values() for line in text.splitlines()}

    code = [line.split("  #")[0].strip() for line in ten.splitlines() if line and not line.startswith("#")]

    assert len(code) > 9
    assert [line for line in code if line not in whole] == ["quote = Quote.objects.create(title=title)"]
