"""Finding a speech model, and fetching one by a list of Vosk's form from a real HTTP server on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from recordings.models import (
    NOTE,
    ModelError,
    choose,
    fetch_model,
    find_model,
    is_model,
    model_catalogue,
)

pytestmark = pytest.mark.doors

NAME = "vosk-model-small-cn-0.22"
MODEL_FILES = {f"{NAME}/am/final.mdl": b"acoustic" * 999, f"{NAME}/conf/mfcc.conf": b"--use-energy=false\n"}


def zipped(content: dict[str, bytes], link: str | None = None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc")
    return packed.getvalue()


@dataclass
class Site:
    """What the server serves, path to body; `list` builds the list of models."""

    root: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)

    @property
    def list_url(self) -> str:
        return f"{self.root}/model-list.json"

    def offer(self, archive: bytes, **changes: Any) -> None:
        row = {
            "lang": "cn", "lang_text": "Chinese", "md5": hashlib.md5(archive).hexdigest(), "name": NAME,
            "obsolete": "false", "size": len(archive), "size_text": "41.9MiB", "type": "small",
            "url": f"{self.root}/{NAME}.zip", "version": "0.22",
        }  # fmt: skip
        old = {**row, "name": "vosk-model-small-cn-0.3", "obsolete": "true", "url": f"{self.root}/old.zip"}
        english = {**row, "lang": "en-us", "name": "vosk-model-small-en-us-0.15"}
        big = {**row, "type": "big", "name": "vosk-model-cn-0.22"}
        self.bodies["/model-list.json"] = json.dumps([old, big, {**row, **changes}, english]).encode()
        self.bodies[f"/{NAME}.zip"] = archive


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.bodies.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.root = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def test_fetched_whole_and_found_again(site: Site, tmp_path: Path) -> None:
    archive = zipped(MODEL_FILES)
    site.offer(archive)
    seen: list[tuple[int, int]] = []
    model = fetch_model("zh", tmp_path / "models", list_url=site.list_url, progress=lambda *a: seen.append(a))
    assert (model.name, model.language, model.source, model.grammar) == (NAME, "zh", "fetched", None)
    assert (model.path / "am" / "final.mdl").read_bytes() == MODEL_FILES[f"{NAME}/am/final.mdl"]
    assert json.loads((model.path / NOTE).read_text())["sha256"] == hashlib.sha256(archive).hexdigest()
    assert seen[-1] == (len(archive), len(archive))
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["zh"]
    assert find_model("zh", configured=None, models_dir=tmp_path / "models", package=None) == model
    assert find_model("en", configured=None, models_dir=tmp_path / "models", package=None) is None
    assert "free speech" in model.describe()


def test_a_newer_one_takes_the_place_of_the_older(site: Site, tmp_path: Path) -> None:
    site.offer(zipped(MODEL_FILES))
    fetch_model("zh", tmp_path, list_url=site.list_url)
    site.offer(zipped({**MODEL_FILES, f"{NAME}/new": b"1"}))
    model = fetch_model("zh", tmp_path, list_url=site.list_url)
    assert (model.path / "new").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["zh"]


UNSAFE = [
    zipped({**MODEL_FILES, "../evil": b"x"}),
    zipped({**MODEL_FILES, f"{NAME}/../../../evil": b"x"}),
    zipped({**MODEL_FILES, "/tmp/evil": b"x"}),
    zipped({**MODEL_FILES, "..\\evil": b"x"}),
    zipped(MODEL_FILES, link=f"{NAME}/link"),
]


@pytest.mark.parametrize(
    ("archive", "changes", "message"),
    [
        *((archive, {}, "nothing was unpacked") for archive in UNSAFE),
        (zipped({"readme": b"no model"}), {}, "no Vosk model"),
        (b"not a zip", {}, "damaged"),
        (zipped(MODEL_FILES)[:-30], {}, "damaged"),
        (zipped(MODEL_FILES), {"md5": "0" * 32}, "did not arrive whole"),
        (zipped(MODEL_FILES), {"size": 10}, "did not arrive whole"),
        (zipped(MODEL_FILES), {"size": 10**6}, "did not arrive whole"),
        (zipped(MODEL_FILES), {"url": "http://example.invalid/m.zip"}, "address elsewhere"),
        (zipped(MODEL_FILES), {"url": "file:///etc/passwd"}, "address elsewhere"),
        (zipped(MODEL_FILES), {"obsolete": "true"}, "no small model for zh"),
    ],
)
def test_whatever_is_wrong_the_old_model_stays(
    site: Site, tmp_path: Path, archive: bytes, changes: dict[str, Any], message: str
) -> None:
    models = tmp_path / "models"
    site.offer(zipped({**MODEL_FILES, f"{NAME}/old": b"1"}))
    fetch_model("zh", models, list_url=site.list_url)
    site.offer(archive, **changes)
    with pytest.raises(ModelError, match=message):
        fetch_model("zh", models, list_url=site.list_url)
    assert (models / "zh" / "old").exists()
    assert [path.name for path in models.iterdir()] == ["zh"]
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"a": 1}', b"[1]", b'[{"name": "x"}]', b"\xff\xfe"])
def test_a_list_of_another_form(site: Site, body: bytes) -> None:
    site.bodies["/model-list.json"] = body
    if body == b"{}":
        assert model_catalogue(site.list_url) == []
        return
    with pytest.raises(ModelError, match="list of models"):
        model_catalogue(site.list_url)


def test_a_server_that_says_no(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="answered 404"):
        model_catalogue(site.list_url)
    site.offer(zipped(MODEL_FILES))
    del site.bodies[f"/{NAME}.zip"]
    with pytest.raises(ModelError, match="answered 404"):
        fetch_model("zh", tmp_path, list_url=site.list_url)


def test_without_internet_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/model-list.json"
        with pytest.raises(ModelError, match=r"cannot reach 127\.0\.0\.1.*give its folder"):
            fetch_model("zh", tmp_path, list_url=url)
    assert list(tmp_path.iterdir()) == []


def test_only_web_addresses() -> None:
    with pytest.raises(ModelError, match="only https"):
        model_catalogue("file:///etc/passwd")


def test_languages_and_kinds(site: Site) -> None:
    site.offer(zipped(MODEL_FILES))
    catalogue = model_catalogue(site.list_url)
    assert choose(catalogue, "zh").name == NAME
    assert choose(catalogue, "zh", "big").name == "vosk-model-cn-0.22"
    assert choose(catalogue, "en").name == "vosk-model-small-en-us-0.15"
    with pytest.raises(ModelError, match="known are zh, en"):
        choose(catalogue, "de")
    with pytest.raises(ModelError, match="no big model for en"):
        choose(catalogue, "en", "big")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my-model"
    (folder / "am").mkdir(parents=True)
    (folder / "am" / "final.mdl").write_bytes(b"x")
    (folder / "conf").mkdir()
    return folder


def test_a_configured_model_comes_first(model_folder: Path, tmp_path: Path) -> None:
    model_folder.joinpath("zh").mkdir()
    found = find_model("zh", configured=model_folder, models_dir=tmp_path)
    assert found is not None
    assert (found.path, found.name, found.source) == (model_folder, "my-model", "configured")
    assert is_model(model_folder)


def test_a_wrong_configured_folder_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"am/final\.mdl"):
        find_model("zh", configured=tmp_path, models_dir=tmp_path, package_grammar=("네",))


def test_a_package_is_taken_only_with_a_grammar_and_says_what_it_is(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_vosk_model"
    package.mkdir()
    (package / "__init__.py").write_text("")
    model_folder.rename(package / "model")
    monkeypatch.syspath_prepend(str(tmp_path))

    def found(**more: Any) -> Any:
        return find_model("zh", configured=None, models_dir=tmp_path / "none", package="some_vosk_model", **more)

    assert found() is None
    model = found(package_grammar=("네", "민원"))
    assert (model.name, model.language, model.source) == ("some-vosk-model", "ko", "package")
    for part in ("some-vosk-model", "language ko", "no Chinese or English model", "only these 2 phrases", "네, 민원"):
        assert part in model.describe()
    assert find_model("zh", configured=None, models_dir=tmp_path, package="no_such", package_grammar=("네",)) is None
