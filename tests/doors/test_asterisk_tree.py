"""A private tree from a small Debian archive of our own, with the real apt-get and dpkg-deb; no network."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from controller import asterisk_tree, debian
from controller.asterisk_tree import Account, find_asterisk, reachable, settle
from controller.debian import PrepareError, Source, apt_sources, is_prepared, prepare_tree

pytestmark = [
    pytest.mark.doors,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's own tools, which apt-get belongs to"),
]

DAY = 86400


class Archive:
    """A Debian archive in a folder: packages are built by dpkg-deb, its Release file says what the test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.apt = folder / "etc-apt"
        (self.apt / "sources.list.d").mkdir(parents=True)
        self.architecture = subprocess.run(
            ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self.entries: list[str] = []
        (self.apt / "sources.list").write_text(f"deb [trusted=yes] file:{folder}/repo forky main\n")

    def package(self, name: str, content: str, depends: str = "", mode: int = 0o644) -> None:
        build = self.folder / "build" / name
        (build / "DEBIAN").mkdir(parents=True)
        file = build / "usr/lib" / name
        file.parent.mkdir(parents=True)
        file.write_text(content)
        file.chmod(mode)
        control = f"Package: {name}\nVersion: 1\nArchitecture: {self.architecture}\nMaintainer: test <t@example.org>\n"
        control += f"Depends: {depends}\n" if depends else ""
        (build / "DEBIAN/control").write_text(control + "Description: for a test\n")
        pool = self.folder / "repo/pool"
        pool.mkdir(parents=True, exist_ok=True)
        deb = pool / f"{name}_1_{self.architecture}.deb"
        subprocess.run(["dpkg-deb", "-b", str(build), str(deb)], check=True, capture_output=True)
        data = deb.read_bytes()
        self.entries.append(
            control + f"Filename: pool/{deb.name}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\nDescription: for a test\n"
        )

    def publish(self, *, date: float = 0.0, valid: float = DAY, architecture: str = "") -> None:
        """Write the lists; `date` and `valid` in seconds from now."""
        suite = self.folder / "repo/dists/forky"
        name = f"main/binary-{architecture or self.architecture}/Packages"
        (suite / name).parent.mkdir(parents=True, exist_ok=True)
        data = "\n".join(self.entries).encode()
        (suite / name).write_bytes(data)
        now = time.time()
        (suite / "Release").write_text(
            f"Origin: test\nSuite: forky\nCodename: forky\nArchitectures: {architecture or self.architecture}\n"
            f"Components: main\nDate: {formatdate(now + date, usegmt=True)}\n"
            f"Valid-Until: {formatdate(now + valid, usegmt=True)}\n"
            f"SHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n"
        )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    made.package("hotline-base", "base")
    made.package("hotline-phone", "phone", depends="hotline-base", mode=0o4755)
    made.publish()
    return made


@pytest.fixture
def prepare(tmp_path: Path, archive: Archive) -> Callable[..., list[str]]:
    """`prepare()` makes the tree tmp_path/root and returns what was said."""

    def run(*packages: str) -> list[str]:
        said: list[str] = []
        prepare_tree(packages or ("hotline-phone",), suite="forky", root=tmp_path / "root", cache=tmp_path / "cache",
                     progress=said.append, apt_folder=archive.apt)  # fmt: skip
        return said

    return run


def test_the_tree_has_what_the_packages_need(prepare: Callable[..., list[str]], tmp_path: Path) -> None:
    said = prepare()
    root = tmp_path / "root"
    assert (root / "usr/lib/hotline-phone").read_text() == "phone"
    assert (root / "usr/lib/hotline-base").read_text() == "base"
    assert not [line for line in said if "again without that check" in line]
    assert is_prepared(root, ["hotline-phone"], suite="forky")
    assert not (tmp_path / "cache/archives").exists()
    # Nothing of it may gain rights when root unpacked it.
    assert stat.S_IMODE((root / "usr/lib/hotline-phone").stat().st_mode) == 0o755
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "cache", "root"]


def test_a_second_run_does_nothing(prepare: Callable[..., list[str]], tmp_path: Path) -> None:
    prepare()
    mark = tmp_path / "root/usr/lib/mark"
    mark.write_text("still here")
    assert prepare() == []
    assert mark.exists()
    prepare("hotline-base")
    assert not mark.exists()
    assert not (tmp_path / "root/usr/lib/hotline-phone").exists()


@pytest.mark.parametrize(
    ("date", "valid", "words"),
    [(-20 * DAY, -5 * DAY, "is older than its own validity"), (3 * DAY, 9 * DAY, "is dated in the future")],
    ids=["expired", "not valid yet"],
)
def test_the_check_is_off_only_after_it_failed(
    prepare: Callable[..., list[str]], archive: Archive, tmp_path: Path, date: float, valid: float, words: str
) -> None:
    archive.publish(date=date, valid=valid)
    said = prepare()
    assert len([line for line in said if words in line and "trying again" in line]) == 1
    assert (tmp_path / "root/usr/lib/hotline-base").exists()


def test_a_package_that_was_changed_is_refused(
    prepare: Callable[..., list[str]], archive: Archive, tmp_path: Path
) -> None:
    deb = next((archive.folder / "repo/pool").glob("hotline-base*"))
    deb.write_bytes(deb.read_bytes()[:-1] + b"!")
    with pytest.raises(PrepareError, match="apt-get failed|Hash"):
        prepare()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "cache"]


def test_an_unsigned_archive_is_refused(prepare: Callable[..., list[str]], archive: Archive) -> None:
    list_file = archive.apt / "sources.list"
    list_file.write_text(list_file.read_text().replace("[trusted=yes] ", ""))
    with pytest.raises(PrepareError, match="signature cannot be checked"):
        prepare()


def test_what_is_not_there_is_named(prepare: Callable[..., list[str]], archive: Archive) -> None:
    with pytest.raises(PrepareError, match="suite forky has not all the packages wanted"):
        prepare("hotline-nothing")


def test_a_suite_that_is_not_there_is_named(prepare: Callable[..., list[str]], archive: Archive) -> None:
    shutil.rmtree(archive.folder / "repo/dists")
    with pytest.raises(PrepareError, match="does not hold suite forky"):
        prepare()


def test_another_architecture_is_named(prepare: Callable[..., list[str]], archive: Archive) -> None:
    shutil.rmtree(archive.folder / "repo/dists")
    archive.publish(architecture="m68k")
    with pytest.raises(PrepareError, match=f"no packages for this machine's architecture .{archive.architecture}"):
        prepare()


def test_no_network_is_said(prepare: Callable[..., list[str]], archive: Archive) -> None:
    (archive.apt / "sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9 forky main\n")
    with pytest.raises(PrepareError, match="cannot be reached: check the network or the proxy"):
        prepare()


def test_no_source_and_no_tool(
    prepare: Callable[..., list[str]], archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (archive.apt / "sources.list").write_text("# nothing\n")
    with pytest.raises(PrepareError, match="no Debian archive is named"):
        prepare()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrepareError, match="apt-get is not on this machine"):
        prepare()


def test_a_full_disk_is_said(prepare: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(command: list[str]) -> subprocess.CompletedProcess[str]:
        if command[0] == "dpkg-deb":
            return subprocess.CompletedProcess(command, 2, "", "dpkg-deb: error: write: No space left on device")
        return real(command)

    real = debian._run
    monkeypatch.setattr(debian, "_run", full)
    with pytest.raises(PrepareError, match=r"the disk of .* is full"):
        prepare()


def test_an_interrupted_run_leaves_nothing(
    prepare: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(command: list[str]) -> subprocess.CompletedProcess[str]:
        if command[0] == "dpkg-deb":
            raise KeyboardInterrupt
        return real(command)

    real = debian._run
    with monkeypatch.context() as patch:
        patch.setattr(debian, "_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "cache"]
    # What a kill -9 left is swept away by the next run.
    (tmp_path / ".root.killed/usr").mkdir(parents=True)
    prepare()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "cache", "root"]


def test_two_runs_at_once_make_one_tree(prepare: Callable[..., list[str]], tmp_path: Path) -> None:
    said: list[list[str]] = []
    threads = [threading.Thread(target=lambda: said.append(prepare())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(lines) > 0 for lines in said) == [False, True]


def test_apt_sources_of_both_kinds(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://commented.example/debian trixie main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian trixie main contrib # here\n"
        "deb-src http://one.example/debian trixie main\n"
        "deb http://security.example/debian-security trixie-security main\n"
        "deb cdrom:[Debian]/ trixie main\n"
    )
    (parts / "a.sources").write_text(
        "Types: deb deb-src\nURIs: http://two.example/debian http://three.example/debian\n"
        "Suites: trixie trixie-updates\n"
        "Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n"
        "Types: deb\nURIs: http://four.example/debian\nSuites: trixie\nComponents: main\nEnabled: no\n\n"
        "Types: deb\nURIs: http://five.example/debian\nSuites: trixie-updates\nComponents: main\n"
    )
    (parts / "b.sources.disabled").write_text("Types: deb\nURIs: http://six.example\nSuites: x\nComponents: main\n")
    found = apt_sources(tmp_path)
    assert [source.uri for source in found] == [
        "http://one.example/debian", "http://two.example/debian", "http://three.example/debian"
    ]  # fmt: skip
    assert found[0] == Source("http://one.example/debian", "/k.gpg")
    assert found[1].signed_by.splitlines()[-1] == " abc"


def test_a_closed_folder_is_not_reachable(tmp_path: Path) -> None:
    stranger = Account("stranger", 12345, 12345)
    base = Path("/var/tmp")
    assert reachable(base / "not-yet-there/x", stranger)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not reachable(closed / "below", stranger)
    assert reachable(closed / "below", None)
    assert reachable(tmp_path, Account("me", os.geteuid(), os.getegid())) or os.geteuid() == 0


def test_settle_goes_elsewhere_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setattr(asterisk_tree, "STATE_FOLDER", elsewhere)
    monkeypatch.setattr(asterisk_tree, "reachable", lambda folder, account: folder.resolve().is_relative_to(elsewhere))
    said: list[str] = []
    wished = tmp_path / "var/asterisk"
    account = Account("hotline", 12345, 12345)
    real = settle(wished, account, said.append, shared="asterisk")
    assert real == elsewhere / "asterisk"
    assert wished.resolve() == real
    assert len(said) == 1
    assert "cannot enter" in said[0]
    # A second call finds the link and is silent.
    assert settle(wished, account, said.append, shared="asterisk") == real
    assert len(said) == 1
    other = settle(tmp_path / "var/demo", account, said.append)
    assert other.parent == elsewhere
    assert other != real
    full = tmp_path / "var/full"
    full.mkdir()
    (full / "file").write_text("somebody's")
    with pytest.raises(PrepareError, match="cannot reach"):
        settle(full, account, said.append)


@pytest.mark.parametrize(("version", "complete", "taken"), [("22.1", True, True), ("18.9", True, False),
                                                           ("22.1", False, False)])  # fmt: skip
def test_the_machines_own_asterisk(tmp_path: Path, version: str, complete: bool, taken: bool) -> None:
    program = tmp_path / "bin/asterisk"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho Asterisk {version}\n")
    program.chmod(0o755)
    modules = tmp_path / "usr/lib/x86_64-linux-gnu/asterisk/modules"
    modules.mkdir(parents=True)
    for name in ("one", "two") if complete else ("one",):
        (modules / f"{name}.so").touch()
    found = find_asterisk(tmp_path / "var", prefix=tmp_path, path=str(program.parent), modules=("one", "two"))
    if taken:
        assert found is not None
        assert (found.source, found.version, found.command) == ("system", version, (str(program),))
        assert found.modules_dir == modules
    else:
        assert found is None
