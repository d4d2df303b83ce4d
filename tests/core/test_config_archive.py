"""[recording.archive] and [[recording.keep]]: every fault is told with its place, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError, load
from controller.config_archive import (
    ACCESS_KEY,
    KEYS,
    SECRET_KEY,
    ArchiveFault,
    archive_faults,
    archive_of,
    credentials,
    sealing_keys,
)
from recordings.archive.form import Form
from recordings.archive.keys import new_key
from recordings.keeping import KeepPolicy, KeepRule
from tests.serving import NUMBERS, configuration

pytestmark = pytest.mark.core

STORE = """
[recording.archive]
form = "opus"
keys_file = "keys"
[recording.archive.store]
endpoint = "http://127.0.0.1:9000"
bucket = "recordings"
credentials_file = "s3"
"""


def faults(folder: Path, text: str) -> list[str]:
    file = configuration(folder, {}, rest=NUMBERS + text)
    try:
        load(file)
    except ConfigError as error:
        lines = file.read_text().splitlines()
        return [f"{lines[one.line - 1]} | {one.text}" for one in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[recording.archive]\n", "[recording.archive] | recording.archive needs one place"),
        (STORE.replace('form = "opus"', 'folder = "x"'), "[recording.archive] | recording.archive needs one place"),
        (STORE.replace("opus", "mp3"), 'form = "mp3" | '),
        (STORE.replace("http://", "ftp://"), "endpoint = "),
        (STORE.replace("9000", "9000/path"), "endpoint = "),
        (STORE.replace('"recordings"', '"My Bucket"'), "bucket = "),
        (STORE + 'prefix = "../x"\n', 'prefix = "../x" | '),
        (STORE + "timeout_s = 0\n", "timeout_s = 0 | "),
        (STORE.replace('form = "opus"', "sealed = false"), 'keys_file = "keys" | '),
        ('[recording.archive]\nfolder = "data/recordings/old"\n', "folder = "),
        ('[recording.archive]\nfolder = "data"\n', "folder = "),
        ('[recording.archive]\nfolder = "."\n', "folder = "),
        ('[recording.archive]\nfolder = "x"\nkeys = "secret"\n', 'keys = "secret" | '),
        ('[[recording.keep]]\nname = "a"\ntypes = ["complaints"]\nkeep_days = 9\n', "types = "),
        ('[[recording.keep]]\nname = "a"\ntypes = []\nkeep_days = 9\n', "types = "),
        ('[[recording.keep]]\nname = "a"\ntypes = ["help"]\nkeep_days = 0\n', "keep_days = 0 | "),
        ('[[recording.keep]]\nname = "general"\ntypes = ["help"]\nkeep_days = 9\n', 'name = "general" | '),
    ],
)
def test_each_fault_is_told_where_it_stands(tmp_path: Path, text: str, said: str) -> None:
    found = faults(tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(said)


def test_without_the_section_nothing_is_archived_and_all_is_kept_as_long_as_keep_days_says(tmp_path: Path) -> None:
    rule = '[[recording.keep]]\nname = "complaints"\ntypes = ["complaint", "report"]\nkeep_days = 1825\n'
    settings = load(configuration(tmp_path, {}, rest=NUMBERS + rule))
    assert settings.archive is None
    assert settings.keeping == KeepPolicy(1095, (KeepRule("complaints", frozenset({"complaint", "report"}), 1825),))


def test_secrets_come_from_files_that_nobody_else_may_read(tmp_path: Path) -> None:
    settings = load(configuration(tmp_path, {}, rest=NUMBERS + STORE))
    plan = settings.archive
    assert plan is not None
    keys, s3 = tmp_path / "keys", tmp_path / "s3"
    assert [place for place, _ in archive_faults(plan)] == [
        ("recording", "archive", "keys_file"),
        ("recording", "archive", "store", "credentials_file"),
    ]
    keys.write_text(f"{new_key()}\n{new_key()} # of 2025\n")
    s3.write_text("AKIA1 top-secret\n")
    assert all("chmod 600" in text for _, text in archive_faults(plan))
    for file in (keys, s3):
        file.chmod(0o600)
    assert archive_faults(plan) == []
    ring = sealing_keys(plan)
    assert ring is not None
    assert len(ring.keys) == 2
    assert credentials(plan) == ("AKIA1", "top-secret")
    assert archive_of(plan)._form is Form.OPUS
    s3.write_text("top-secret\n")
    keys.write_text("dG9wLXNlY3JldA==\n")
    told = archive_faults(plan)
    assert len(told) == 2
    assert not any("top-secret" in text or "dG9w" in text for _, text in told)


def test_secrets_come_from_the_environment_where_no_file_is_named(tmp_path: Path) -> None:
    text = STORE.replace('keys_file = "keys"\n', "").replace('credentials_file = "s3"\n', "")
    plan = load(configuration(tmp_path, {}, rest=NUMBERS + text)).archive
    assert plan is not None
    with pytest.raises(ArchiveFault, match=KEYS):
        sealing_keys(plan, {})
    with pytest.raises(ArchiveFault, match=f"{ACCESS_KEY} and {SECRET_KEY}"):
        credentials(plan, {})
    ring = sealing_keys(plan, {KEYS: new_key()})
    assert ring is not None
    assert len(ring.keys) == 1
    assert credentials(plan, {ACCESS_KEY: "a", SECRET_KEY: "b"}) == ("a", "b")


def test_what_is_not_sealed_needs_no_key(tmp_path: Path) -> None:
    plan = load(
        configuration(tmp_path, {}, rest=NUMBERS + '[recording.archive]\nfolder = "x"\nsealed = false\n')
    ).archive
    assert plan is not None
    assert plan.folder == tmp_path / "x"
    assert sealing_keys(plan, {}) is None
    assert archive_faults(plan) == []
