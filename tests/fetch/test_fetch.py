"""Files are taken from a server that breaks off, lies and sends something else."""

import contextlib
import hashlib
import io
import json
import runpy
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, OutputError, UnsafeFileError
from medgraft.fetch import download as module
from medgraft.fetch import sets
from medgraft.fetch.download import FetchError, download
from medgraft.fetch.fetching import fetch, unpack
from medgraft.fetch.sets import ON_REQUEST, OPEN, Open
from medgraft.index.layouts import layouts

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Manner:
    """How the server behaves, and what it was asked."""

    def __init__(self, content=CONTENT):
        self.content, self.asked = content, []
        self.cut, self.status, self.ranges = [], [], True  # cut: bytes per reply, then all
        self.promise, self.goes_to = None, None

    def answer(self, handler):
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if self.goes_to:
            handler.send_response(302)
            handler.send_header("Location", self.goes_to)
            handler.end_headers()
            return
        if self.status and (status := self.status.pop(0)) != 200:
            handler.send_error(status)
            return
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        if start >= len(self.content):
            handler.send_error(416)
            return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            last = len(self.content) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(self.content)}")
        if self.promise != "nothing":
            handler.send_header("Content-Length", str(self.promise or len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut.pop(0)] if self.cut else body)


@pytest.fixture
def serve():
    """Begin servers on this machine; gives their addresses."""
    with contextlib.ExitStack() as stack:

        def begin(manner):
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self):
                    with contextlib.suppress(ConnectionError):
                        manner.answer(self)

                def log_message(self, *_):
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}/films.npz?download=1"

        yield begin


def take(url, path, md5=MD5, **named):
    return download(url, path, md5, wait_seconds=0, **named)


def test_a_file_comes_whole_and_is_not_taken_twice(serve, tmp_path):
    manner = Manner()
    url, path = serve(manner), tmp_path / "films.npz"
    assert take(url, path).read_bytes() == CONTENT
    assert take(url, path) == path
    assert manner.asked == [None]
    assert [one.name for one in tmp_path.iterdir()] == ["films.npz"]


def test_what_broke_off_goes_on_where_it_was(serve, tmp_path):
    manner = Manner()
    manner.cut = [100_000, 50_000]
    path = tmp_path / "films.npz"
    assert take(serve(manner), path).read_bytes() == CONTENT
    assert manner.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_new_call_goes_on_with_what_an_old_one_left(serve, tmp_path):
    manner = Manner()
    path = tmp_path / "films.npz"
    path.with_name("films.npz.part").write_bytes(CONTENT[:123])
    assert take(serve(manner), path).read_bytes() == CONTENT
    assert manner.asked == ["bytes=123-"]


def test_a_part_that_is_whole_already_is_only_checked(serve, tmp_path):
    path = tmp_path / "films.npz"
    path.with_name("films.npz.part").write_bytes(CONTENT)
    assert take(serve(Manner()), path).read_bytes() == CONTENT


def test_a_server_that_cannot_go_on_sends_all_again(serve, tmp_path):
    manner = Manner()
    manner.cut, manner.ranges = [100_000], False
    path = tmp_path / "films.npz"
    assert take(serve(manner), path).read_bytes() == CONTENT
    assert manner.asked == [None, "bytes=100000-"]


def test_a_server_that_is_down_for_a_while_is_asked_again(serve, tmp_path):
    manner = Manner()
    manner.status = [503, 500, 200]
    assert take(serve(manner), tmp_path / "films.npz").read_bytes() == CONTENT
    assert len(manner.asked) == 3


def test_a_length_may_be_missing(serve, tmp_path):
    manner = Manner()
    manner.promise = "nothing"
    assert take(serve(manner), tmp_path / "films.npz").read_bytes() == CONTENT


def test_after_a_length_that_is_too_long_the_sum_decides(serve, tmp_path):
    manner = Manner()
    manner.promise = 10**6
    assert take(serve(manner), tmp_path / "films.npz").read_bytes() == CONTENT
    assert manner.asked == [None, f"bytes={len(CONTENT)}-"]


def test_a_server_that_never_ends_as_it_promised_is_given_up_and_what_came_is_kept(serve, tmp_path):
    manner = Manner()
    manner.promise, manner.ranges = 10**6, False
    path = tmp_path / "films.npz"
    with pytest.raises(FetchError, match="3 tries in a row brought not one byte more"):
        take(serve(manner), path, tries=3)
    assert [one.name for one in tmp_path.iterdir()] == ["films.npz.part"]
    assert len(manner.asked) == 4


def test_a_length_that_is_too_short_is_found_by_the_sum(serve, tmp_path):
    manner = Manner()
    manner.promise = 1000
    path = tmp_path / "films.npz"
    with pytest.raises(FetchError, match=f"published .MD5 {MD5}., but its sum is"):
        take(serve(manner), path)
    assert list(tmp_path.iterdir()) == []


def test_a_promise_of_more_than_the_disk_has_is_refused_before_a_byte_is_written(serve, tmp_path):
    manner = Manner()
    manner.promise = 10**18
    with pytest.raises(OutputError, match="must have room for"):
        take(serve(manner), tmp_path / "films.npz")
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused_and_not_kept(serve, tmp_path):
    path = tmp_path / "films.npz"
    with pytest.raises(FetchError, match="what came is not used"):
        take(serve(Manner(CONTENT[:-1] + b"x")), path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"mine")
    with pytest.raises(FetchError, match="must be the file that was published"):
        take(serve(Manner()), path)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_server_that_refuses_is_not_asked_again(serve, tmp_path, status):
    manner = Manner()
    manner.status = [status]
    with pytest.raises(FetchError, match=f"answers {status}"):
        take(serve(manner), tmp_path / "films.npz")
    assert len(manner.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://example.org/a", "ftp://example.org/a", "file:///etc/passwd", "a"]
)
def test_only_https_is_taken_and_no_redirection_leads_elsewhere(serve, tmp_path, url):
    with pytest.raises(ArgumentError, match="must be taken by https"):
        take(url, tmp_path / "films.npz")
    manner = Manner()
    manner.goes_to = url
    if ":" in url:
        with pytest.raises((ArgumentError, FetchError), match=r"must be taken by https|302"):
            take(serve(manner), tmp_path / "films.npz", tries=1)


def test_nobody_there_is_one_line(tmp_path, capsys):
    with pytest.raises(FetchError, match="2 tries in a row brought not one byte"):
        take("http://127.0.0.1:9/films.npz", tmp_path / "films.npz", tries=2)
    assert "refused); once more in 0 s" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_line(serve, tmp_path):
    (tmp_path / "films.npz.part").mkdir()
    with pytest.raises(OutputError, match=r"films.npz.part' must be writable"):
        take(serve(Manner()), tmp_path / "films.npz")
    (tmp_path / "file").touch()
    one = Open("films", "x", serve(Manner()), MD5, "CC BY 4.0", "https://x", "medmnist")
    with pytest.raises(OutputError, match="--out must be a folder that can be made"):
        fetch(one, tmp_path / "file")


# --- archives ------------------------------------------------------------------------------


def tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc"
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def test_an_archive_becomes_a_folder_once(tmp_path):
    folder = unpack(tar(tmp_path / "a.tar", {"Task/images/1.nii": b"x"}), tmp_path / "a")
    assert (folder / "Task" / "images" / "1.nii").read_bytes() == b"x"
    (folder / "mine").touch()
    assert unpack(tmp_path / "a.tar", folder) == folder
    assert (folder / "mine").exists()


@pytest.mark.parametrize(
    "members", [{"../evil": b"x"}, {"ok": b"x", "a/../../evil": b"x"}, {"link": None}]
)
def test_an_archive_that_reaches_out_leaves_nothing(tmp_path, members):
    with pytest.raises(UnsafeFileError, match="must unpack into its own folder"):
        unpack(tar(tmp_path / "a.tar", members), tmp_path / "a")
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar"]


def test_a_damaged_archive_is_one_error(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no archive")
    with pytest.raises(UnsafeFileError):
        unpack(tmp_path / "a.tar", tmp_path / "a")


def test_an_archive_that_claims_more_than_the_disk_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPARE_BYTES", 10**18)
    with pytest.raises(OutputError, match="must have room for"):
        unpack(tar(tmp_path / "a.tar", {"a": b"x"}), tmp_path / "a")
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar"]


def test_an_archive_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with pytest.raises(OutputError, match="must be writable, and is not: No space left"):
        unpack(tar(tmp_path / "a.tar", {"a": b"x"}), tmp_path / "a")
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar"]


# --- sets and the command --------------------------------------------------------------------


def test_every_set_has_an_address_a_sum_a_licence_and_a_layout_that_exists():
    names = [one.name for one in (*OPEN, *ON_REQUEST)]
    assert len(names) == len(set(names)) == len(OPEN) + len(ON_REQUEST)
    for one in OPEN:
        assert one.url.startswith("https://")
        assert len(bytes.fromhex(one.md5)) == 16
        assert one.licence.startswith("CC BY")
        assert one.terms.startswith("https://")
        assert one.file.endswith(".tar" if one.unpack else ".npz")
    assert {one.layout for one in (*OPEN, *ON_REQUEST)} <= set(layouts.names())


def test_where_a_set_came_from_stands_beside_it(serve, tmp_path):
    inside = tar(tmp_path / "made.tar", {"dataset.json": b"{}"}).read_bytes()
    md5 = hashlib.md5(inside, usedforsecurity=False).hexdigest()
    url = serve(Manner(inside))
    one = Open("films", "films", url, md5, "CC BY 4.0", "https://x", "msd", unpack=True)
    path = fetch(one, tmp_path / "new" / "data")
    assert (path / "dataset.json").read_bytes() == b"{}"
    said = json.loads((path.parent / "films.source.json").read_text())
    assert (said["url"], said["md5"], said["bytes"]) == (url, md5, len(inside))
    assert fetch(one, tmp_path / "new" / "data") == path


def test_a_task_of_the_decathlon_is_indexed_as_the_command_says(
    serve, tmp_path, capsys, monkeypatch
):
    example = Path(__file__).parents[1] / "index/layouts/example_msd.py"
    make = runpy.run_path(str(example))["make"]
    make(tmp_path / "made" / "Task04_Hippocampus", None)
    (tmp_path / "made" / "._Task04_Hippocampus").write_bytes(b"of macOS")
    with tarfile.open(tmp_path / "made.tar", "w") as archive:
        archive.add(tmp_path / "made", arcname="")
    content = (tmp_path / "made.tar").read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    one = Open(
        "task", "x", serve(Manner(content)), md5, "CC BY-SA 4.0", "https://x", "msd", unpack=True
    )
    monkeypatch.setattr(sets, "OPEN", (one,))
    assert main(["fetch", "task", "--out", str(tmp_path / "data"), "--accept"]) == 0
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("use it: medgraft index ")
    assert main([*line.removeprefix("use it: medgraft ").split(), "--workers", "0"]) == 0
    assert "layout    msd" in capsys.readouterr().out


def test_the_command_shows_the_licence_first_and_then_fetches(serve, tmp_path, capsys, monkeypatch):
    manner = Manner()
    one = Open("films", "films", serve(manner), MD5, "CC BY 4.0", "https://terms", "medmnist")
    monkeypatch.setattr(sets, "OPEN", (one,))
    call = ["fetch", "films", "--out", str(tmp_path / "data")]
    assert main(call) == 2
    said = capsys.readouterr()
    assert "licence: CC BY 4.0, https://terms" in said.out
    assert "give --accept if you do" in said.err
    assert not manner.asked
    assert main([*call, "--accept"]) == 0
    said = capsys.readouterr().out
    assert f"medgraft index {tmp_path / 'data' / 'films.npz'} --layout medmnist" in said
    assert (tmp_path / "data" / "films.npz").read_bytes() == CONTENT


def test_the_command_lists_explains_and_corrects(capsys):
    assert main(["fetch"]) == 0
    assert "pneumoniamnist" in (listed := capsys.readouterr().out)
    assert "chexpert" in listed
    assert main(["fetch", "chexpert"]) == 0
    assert "a data use agreement" in capsys.readouterr().out
    assert main(["fetch", "pneumonia"]) == 2
    assert "no data set is called 'pneumonia'. Did you mean" in capsys.readouterr().err
