"""Downloads, against a server that drops connections, lies about lengths and sends wrong bytes."""

import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import threading
import zipfile

import keras
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kerata.utils import archives, download, get_file
from tests.utils.server import Server

DATA = np.random.default_rng(0).bytes(100_000)
SHA = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def server():
    server = Server(data=DATA)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE", 0.0)


@pytest.fixture
def fetch(server, tmp_path):
    """Return a function that downloads the data into an empty cache, and returns its bytes."""

    def fetch(**options):
        options = {"origin": f"{server.url}/data", "cache_dir": tmp_path, **options}
        return pathlib.Path(get_file(**options)).read_bytes()

    return fetch


def left_in(folder):
    return sorted(p.name for p in pathlib.Path(folder).rglob("*") if p.is_file())


# Names, hashes and the cache.


@pytest.mark.parametrize("given", [{}, {"file_hash": SHA}, {"md5_hash": MD5}, {"file_hash": MD5}])
def test_a_file_is_downloaded_once(fetch, server, given, tmp_path):
    assert fetch(**given) == DATA
    assert fetch(**given) == DATA
    assert len(server.requests) == 1
    assert left_in(tmp_path) == ["data"]


def test_force_download(fetch, server):
    fetch()
    fetch(force_download=True)
    assert len(server.requests) == 2


def test_a_file_with_another_hash_is_downloaded_again(fetch, server, tmp_path):
    fetch()
    (tmp_path / "datasets" / "data").write_bytes(b"damaged")
    assert fetch() == b"damaged"
    assert fetch(file_hash=SHA.upper()) == DATA


@pytest.mark.parametrize("options", [{}, {"file_hash": SHA}, {"extract": True}])
def test_what_is_there_needs_no_lock(fetch, server, monkeypatch, tmp_path, options):
    if "extract" in options:
        server.files["/data"] = make_tar(FILES)
    path = get_file("x", f"{server.url}/data", cache_dir=tmp_path, **options)
    # As in a folder that can only be read.
    monkeypatch.setattr(download, "_locked", None)
    assert get_file("x", f"{server.url}/data", cache_dir=tmp_path, **options) == path
    assert len(server.requests) == 1


def test_wrong_hash_leaves_nothing(fetch, tmp_path):
    with pytest.raises(ValueError, match="sha256 must be 0000.*\nReceived: "):
        fetch(file_hash="0" * 64)
    assert left_in(tmp_path) == []


def test_wrong_hash_leaves_what_was_there(fetch, tmp_path):
    fetch()
    with pytest.raises(ValueError, match="incomplete or another one"):
        fetch(file_hash="0" * 64)
    assert (tmp_path / "datasets" / "data").read_bytes() == DATA


def test_the_home_is_that_of_the_environment(server, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    assert get_file("x", f"{server.url}/data") == str(tmp_path / "home" / "datasets" / "x")


def test_a_home_that_cannot_be_written_to_is_replaced(server, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(download.tempfile, "gettempdir", lambda: str(tmp_path))
    path = get_file("x", f"{server.url}/data", cache_dir=blocked / "home")
    assert path.startswith(str(tmp_path / ".keras-"))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"origin": None}, "`origin` must be a URL"),
        ({"origin": "/etc/passwd"}, "`origin` must be a URL"),
        ({"origin": "data:,abc"}, "`origin` must be a URL"),
        ({"origin": "http://127.0.0.1/"}, "`fname` must name a file"),
        ({"fname": "a/.."}, "`fname` must name a file"),
        ({"file_hash": "abc"}, "`file_hash` must be 64 hexadecimal digits"),
        ({"file_hash": SHA, "hash_algorithm": "md5"}, "`file_hash` must be"),
        ({"hash_algorithm": "sha1"}, "`hash_algorithm` must be one of"),
    ],
)
def test_mistakes_in_arguments(fetch, server, options, message):
    with pytest.raises(ValueError, match=message):
        fetch(**options)
    assert not server.requests


def test_hash_file(tmp_path):
    (tmp_path / "x").write_bytes(b"Hello, World!")
    assert download.hash_file(tmp_path / "x", "md5") == "65a8e27d8879283831b664bd8b7f0ad4"
    assert download.hash_file(tmp_path / "x").startswith("dffd6021bb2bd5b0af676290809ec3a5")
    with pytest.raises(ValueError, match="`algorithm` must be one of"):
        download.hash_file(tmp_path / "x", "crc32")


# Servers that fail.


@pytest.mark.parametrize("options", [{}, {"file_hash": SHA}])
def test_dropped_connections_are_taken_up_again(fetch, server, options):
    server.behave = lambda handler, data, n: server.answer(handler, data, upto=30_000) or True
    assert fetch(**options) == DATA
    ranges = [value for _, value in server.requests]
    assert ranges == [None, "bytes=30000-", "bytes=60000-", "bytes=90000-"]


def test_without_ranges_a_download_begins_anew(fetch, server):
    server.ranges = False
    server.behave = lambda handler, data, n: (
        n < 3 and (server.answer(handler, data, upto=10_000 * n) or True)
    )
    assert fetch() == DATA
    assert len(server.requests) == 3


def test_another_version_is_not_mixed_in(fetch, server):
    other = DATA[::-1]

    def behave(handler, data, number):
        if number == 1:
            server.answer(handler, data, upto=30_000)
            server.version, server.files["/data"] = '"2"', other
            return True

    server.behave = behave
    assert fetch() == other
    assert server.requests[1][1] == "bytes=30000-"


def test_without_a_version_or_hash_nothing_is_taken_up(fetch, server):
    server.version = None
    server.behave = lambda handler, data, n: (
        n == 1 and (server.answer(handler, data, upto=30_000) or True)
    )
    assert fetch() == DATA
    assert [value for _, value in server.requests] == [None, None]


def test_another_process_may_go_on_with_a_known_file(fetch, server, tmp_path):
    server.behave = lambda handler, data, n: (
        server.answer(handler, data, upto=5000 if n == 1 else 0) or True
    )
    with pytest.raises(ConnectionError, match="only 5,000 of 100,000 bytes"):
        fetch(file_hash=SHA)
    server.behave = lambda *_: False
    assert fetch(file_hash=SHA) == DATA
    assert server.requests[-1][1] == "bytes=5000-"
    assert left_in(tmp_path) == ["data"]


def test_a_part_of_an_unknown_file_is_not_kept(fetch, server, tmp_path):
    server.behave = lambda handler, data, n: (
        server.answer(handler, data, upto=5000 if n == 1 else 0) or True
    )
    with pytest.raises(ConnectionError):
        fetch()
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("part", [b"wrong" * 1000, DATA, DATA + b"more"])
def test_a_wrong_part_is_found_out(fetch, server, tmp_path, part):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / ".data.part").write_bytes(part)
    assert fetch(file_hash=SHA) == DATA


def test_a_range_that_was_not_asked_for(fetch, server):
    def behave(handler, data, number):
        if number == 1:
            server.answer(handler, data, upto=30_000)
            return True
        if number == 2:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes 7-{len(data) - 1}/{len(data)}")
            handler.end_headers()
            handler.wfile.write(data[7:])
            return True

    server.behave = behave
    assert fetch() == DATA


def test_a_length_that_is_too_large(fetch, server, tmp_path):
    server.behave = lambda handler, data, n: server.answer(handler, data, length=10**12) or True
    with pytest.raises(ConnectionError, match="could not be downloaded"):
        fetch()
    assert left_in(tmp_path) == []


def test_a_length_that_is_too_small(fetch, server, tmp_path):
    server.behave = lambda handler, data, n: server.answer(handler, data, length=10) or True
    with pytest.raises(ValueError, match="incomplete or another one"):
        fetch(file_hash=SHA)
    assert left_in(tmp_path) == []


def test_corrupt_bytes(fetch, server, tmp_path):
    server.files["/data"] = DATA[:-1] + b"?"
    with pytest.raises(ValueError, match="incomplete or another one"):
        fetch(file_hash=SHA)
    assert left_in(tmp_path) == []


def test_errors_that_pass_and_that_do_not(fetch, server):
    def behave(handler, data, number):
        if number < 4:
            handler.send_error(503)
            return True

    server.behave = behave
    assert fetch() == DATA
    server.requests.clear()
    with pytest.raises(ConnectionError, match="404.*\nReceived: origin='http.*missing'(?s:.*)put"):
        fetch(origin=f"{server.url}/missing")
    assert len(server.requests) == 1


def test_nobody_answers(fetch, server):
    server.close()
    with pytest.raises(ConnectionError, match="could not be downloaded"):
        fetch()


def test_a_secure_address_stays_secure(monkeypatch):
    class Response(io.BytesIO):
        url = "http://example.org/x"

    monkeypatch.setattr(download.urllib.request, "urlopen", lambda *a, **k: Response())
    with pytest.raises(PermissionError, match="not secure"):
        download._request("https://example.org/x", 0, None)


# Several at once.


def test_of_several_one_downloads(server, tmp_path):
    server.behave = lambda handler, data, n: threading.Event().wait(0.2)
    arguments = ("data", f"{server.url}/data")
    options = {"cache_dir": str(tmp_path), "file_hash": SHA}
    code = f"from kerata.utils import get_file; get_file(*{arguments}, **{options})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    threads = [threading.Thread(target=get_file, args=arguments, kwargs=options) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.communicate(timeout=60)[0] == b"" and process.returncode == 0
    assert len(server.requests) == 1
    assert left_in(tmp_path) == ["data"]


def test_a_process_waits_for_another(server, tmp_path):
    (tmp_path / "datasets").mkdir()
    code = f"""
import fcntl, sys
file = open({str(tmp_path / "datasets" / ".data.lock")!r}, "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.readline()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"locked\n"
    thread = threading.Thread(
        target=get_file, args=("data", f"{server.url}/data"), kwargs={"cache_dir": tmp_path}
    )
    thread.start()
    thread.join(0.2)
    assert thread.is_alive() and not server.requests
    process.communicate(b"\n")
    thread.join()
    assert left_in(tmp_path) == ["data"]


# Archives.


def make_tar(members, mode="w:gz"):
    """Return a tar archive of (name, contents) or TarInfo members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def make_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members:
            archive.writestr(name, contents)
    return buffer.getvalue()


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


FILES = [("a.txt", b"one"), ("b/c.txt", b"two")]


@pytest.mark.parametrize("data", [make_tar(FILES), make_tar(FILES, "w"), make_zip(FILES)])
@pytest.mark.parametrize(
    "options",
    [
        {"fname": "things", "extract": True},
        {"fname": "things.v1.bin", "extract": True},
        {"fname": "things", "untar": True},
        {"fname": "things.tar.gz", "untar": True},
        {"extract": True},
        {"extract": True, "origin": "data.v1.tar.gz"},
    ],
)
def test_places_are_those_of_keras(tmp_path, data, options):
    if options.get("untar") and data[:2] == b"PK":
        pytest.skip("only tar archives are untarred")
    source = tmp_path / options.get("origin", "data")
    source.write_bytes(data)
    options = {**options, "origin": source.as_uri()}
    (tmp_path / "theirs").mkdir()
    mine = get_file(cache_dir=tmp_path / "mine", **options)
    theirs = keras.utils.get_file(cache_dir=tmp_path / "theirs", **options)
    assert os.path.relpath(mine, tmp_path / "mine") == os.path.relpath(theirs, tmp_path / "theirs")
    found, expected = (
        sorted(str(p.relative_to(tmp_path / who)) for p in (tmp_path / who).rglob("*"))
        for who in ("mine", "theirs")
    )
    assert found == expected
    assert pathlib.Path(mine, "b", "c.txt").read_bytes() == b"two"


def test_a_new_archive_is_unpacked_over_the_old_one(fetch, server, tmp_path):
    server.files["/data"] = make_tar(FILES)
    path = pathlib.Path(get_file("x", f"{server.url}/data", extract=True, cache_dir=tmp_path))
    (path / "mine.txt").write_text("kept")
    server.files["/data"] = make_zip([("b/c.txt", b"three"), ("b/d.txt", b"four")])
    get_file("x", f"{server.url}/data", extract=True, cache_dir=tmp_path)
    assert (path / "b" / "c.txt").read_bytes() == b"two"
    get_file("x", f"{server.url}/data", extract=True, cache_dir=tmp_path, force_download=True)
    assert (path / "b" / "c.txt").read_bytes() == b"three"
    assert left_in(path) == ["a.txt", "c.txt", "d.txt", "mine.txt"]


def test_what_is_no_archive_cannot_be_unpacked(server, tmp_path):
    arguments = {"origin": f"{server.url}/data", "cache_dir": tmp_path, "extract": True}
    for _ in range(2):
        with pytest.raises(
            ValueError, match="no archive of this format.\nReceived: .*data_archive"
        ):
            get_file(**arguments)
    path = get_file(archive_format=None, **arguments)
    assert pathlib.Path(path).read_bytes() == DATA


@pytest.mark.parametrize(
    "data, message",
    [
        (make_tar([*FILES, ("../x", b"")]), "outside of the target folder"),
        (make_tar([*FILES, ("b/../../x", b"")]), "outside of the target folder"),
        (make_tar([*FILES, ("/tmp/x", b"")]), "outside of the target folder"),
        (make_zip([*FILES, ("../x", b"")]), "outside of the target folder"),
        (make_zip([*FILES, ("..\\x", b"")]), "outside of the target folder"),
        (make_zip([*FILES, ("C:\\x", b"")]), "outside of the target folder"),
        (make_zip([*FILES, ("/x", b"")]), "outside of the target folder"),
        (make_tar([special("l", tarfile.SYMTYPE, "/etc")]), "a link to '/etc'"),
        (make_tar([special("l", tarfile.SYMTYPE, "../x")]), "a link to '../x'"),
        (make_tar([special("l", tarfile.LNKTYPE, "../x")]), "a link to '../x'"),
        (make_tar([special("l", tarfile.LNKTYPE, "missing")]), "a link to 'missing'"),
        (make_tar([special("d", tarfile.CHRTYPE)]), "a device"),
        (make_tar([special("d", tarfile.FIFOTYPE)]), "a device"),
        # Each link alone seems to stay inside; together they lead out.
        (
            make_tar(
                [
                    special("a/x", tarfile.SYMTYPE, "b/../../../secret"),
                    special("a/b", tarfile.SYMTYPE, "."),
                ]
            ),
            "a link to 'b/../../../secret'",
        ),
        (
            make_tar(
                [
                    special("a/x", tarfile.SYMTYPE, "b/../../secret"),
                    special("a/b", tarfile.SYMTYPE, "."),
                ]
            ),
            "a link to 'b/../../secret'",
        ),
        (make_tar([*FILES, special("a.txt", tarfile.SYMTYPE, "b")]), "damaged"),
        (make_tar(FILES)[:-30], "damaged"),
        (make_tar([("a", np.random.default_rng(0).bytes(9000))], "w")[:5000], "damaged"),
    ],
    ids=[
        *("tar parent", "tar inner parent", "tar absolute"),
        *("zip parent", "zip backslash", "zip drive", "zip absolute"),
        *("link absolute", "link parent", "hard link parent", "hard link missing"),
        *("device", "fifo", "link behind link", "link behind nested link"),
        *("file below link", "truncated gzip", "truncated tar"),
    ],
)
def test_bad_archives_are_not_unpacked(tmp_path, data, message):
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        archives.extract_archive(tmp_path / "archive", tmp_path / "in" / "target")
    assert left_in(tmp_path) == ["archive"]
    assert not (tmp_path / "in" / "target").exists()


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "outside").mkdir()
    data = make_tar([special("l", tarfile.SYMTYPE, str(tmp_path / "outside")), ("l/x", b"!")])
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises((ValueError, OSError)):
        archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    assert left_in(tmp_path) == ["archive"]


@pytest.mark.parametrize("first", ["../outside", "{}/outside", "."])
def test_no_link_is_made_behind_a_link(tmp_path, first):
    (tmp_path / "outside").mkdir()
    for name in ("l/keys", "l/new/keys"):
        links = [("l", first.format(tmp_path)), (name, "evil")]
        data = make_tar([special(place, tarfile.SYMTYPE, to) for place, to in links])
        (tmp_path / "archive").write_bytes(data)
        with pytest.raises(ValueError, match="a link to|behind another link"):
            archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["archive", "outside"]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_wrong_checksum_is_damage(tmp_path, mode):
    data = bytearray(make_tar([("noise", DATA * 10)], mode))
    data[-1000] ^= 1
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(ValueError, match="(?s)damaged.*Received: .*archive"):
        archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    assert left_in(tmp_path) == ["archive"]


@pytest.mark.parametrize("there, name", [("b/file", "b"), ("b", "b/file")])
def test_conflicts_are_found_before_anything_is_moved(tmp_path, there, name):
    (tmp_path / "target" / there).parent.mkdir(parents=True)
    (tmp_path / "target" / there).write_text("mine")
    (tmp_path / "archive").write_bytes(make_tar([("a", b""), (name, b""), ("c", b"")]))
    with pytest.raises(ValueError, match="`target` must have no folder where .*\nReceived: .*b'"):
        archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    assert left_in(tmp_path / "target") == [pathlib.Path(there).name]


def test_a_target_behind_a_link(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", None)  # it is of all threads
    (tmp_path / "real").mkdir()
    (tmp_path / "target").symlink_to("real")
    (tmp_path / "archive").write_bytes(make_tar(FILES))
    assert archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    assert left_in(tmp_path / "real") == ["a.txt", "c.txt"]


def test_links_inside_are_kept(tmp_path):
    members = [
        ("b/c.txt", b"two"),
        special("l", tarfile.SYMTYPE, "b/c.txt"),
        special("b/up", tarfile.SYMTYPE, "../b"),
        special("hard", tarfile.LNKTYPE, "b/c.txt"),
    ]
    (tmp_path / "archive").write_bytes(make_tar(members))
    assert archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    for name in ("l", "hard", "b/up/c.txt"):
        assert (tmp_path / "target" / name).read_bytes() == b"two"
    assert archives.extract_archive(tmp_path / "archive", tmp_path / "target")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_sizes_are_capped(tmp_path, monkeypatch, make):
    monkeypatch.setattr(archives, "_SLACK", 10_000)
    (tmp_path / "archive").write_bytes(make([("zeros", bytes(10_000_000))]))
    with pytest.raises(ValueError, match="more than [0-9,]+ bytes"):
        archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    (tmp_path / "archive").write_bytes(make([(f"{i}", b"") for i in range(200)]))
    monkeypatch.setattr(archives, "_RATIO", 1)
    with pytest.raises(ValueError, match="more than [0-9,]+ bytes"):
        archives.extract_archive(tmp_path / "archive", tmp_path / "target")
    assert left_in(tmp_path) == ["archive"]


def test_formats(tmp_path):
    (tmp_path / "tar").write_bytes(make_tar(FILES))
    (tmp_path / "zip").write_bytes(make_zip(FILES))
    (tmp_path / "text").write_bytes(b"no archive")
    for file, form, expected in [
        ("tar", "zip", False),
        ("zip", "tar", False),
        ("zip", ["tar", "zip"], True),
        ("tar", None, False),
        ("text", "auto", False),
    ]:
        done = archives.extract_archive(tmp_path / file, tmp_path / "target", form)
        assert done is expected, (file, form)
    with pytest.raises(ValueError, match="`archive_format` must be one of"):
        archives.extract_archive(tmp_path / "tar", tmp_path / "target", "rar")


@settings(max_examples=60)
@given(st.text(alphabet="./\\:ab\0", min_size=1, max_size=12))
def test_no_name_leaves_the_folder(name):
    folder = os.path.realpath("/some/folder")
    place = archives._place(folder, name)
    if place is not None:
        real = os.path.normpath(place)
        assert os.path.commonpath([folder, real]) == folder
