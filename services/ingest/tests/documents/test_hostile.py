"""Archives and files made to harm: each is a reject with a reason, and the rest is read."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
import zlib

import pytest

from graftline.errors import Cancelled, ConfigError
from graftline.testkit.local import run_stage
from graftline_ingest.descriptor import STAGE
from graftline_ingest.documents.damage import is_damage
from graftline_ingest.documents.kinds import WORD
from graftline_ingest.documents.parsed import Task
from graftline_ingest.documents.parsers.html import to_markdown
from graftline_ingest.documents.worker import answer


def make_tar(files: dict[str, bytes], mode: str = "w", **links: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, goal in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, goal
            archive.addfile(member)
    return target.getvalue()


def test_archives_are_folders(read, folder, make_zip):
    inner = make_zip({"deep/c.md": "# C"})
    source = folder(
        {
            "x/one.zip": make_zip({"a.md": "# A", "sub/b.md": "# B", "in.zip": inner}),
            "two.tar.gz": make_tar({"./d.md": b"# D", "e.bin": b"?"}, "w:gz"),
            "three.tar": make_tar({"f.md": b"# F"}),
            "four.md.gz": gzip.compress(b"# G"),
            "plain.md": "# P",
        }
    )
    done = read(source)
    assert set(done.documents) == {
        "x/one.zip/a.md",
        "x/one.zip/sub/b.md",
        "x/one.zip/in.zip/deep/c.md",
        "two.tar.gz/d.md",
        "three.tar/f.md",
        "four.md.gz/four.md",
        "plain.md",
    }
    assert done.reasons == {"two.tar.gz/e.bin": "unsupported"}
    assert not list((done.run.context.scratch("documents")).glob("member-*"))
    only = read(source, include=["*/a.md", "plain*"])
    assert set(only.documents) == {"x/one.zip/a.md", "plain.md"}
    assert set(read(source / "three.tar").documents) == {"three.tar/f.md"}


def test_paths_that_lead_elsewhere_are_refused(read, folder, make_zip, tmp_path):
    (tmp_path / "outside.md").write_text("# Outside")
    source = folder(
        {
            "a.zip": make_zip(
                {"../up.md": "u", "/etc/abs.md": "a", "C:\\w.md": "w", "ok\\d.md": "d"}
            ),
            "b.tar": make_tar({"../up.md": b"u", "n\x01.md": b"n"}, link="/etc/passwd"),
            "c.md": "# C",
        }
    )
    (source / "out.md").symlink_to(tmp_path / "outside.md")
    (source / "in.md").symlink_to(source / "c.md")
    done = read(source)
    assert set(done.documents) == {"a.zip/ok/d.md", "c.md"}
    assert done.result.rejected == {"duplicate": 1, "unsafe-path": 7}
    assert done.reasons["out.md"] == "unsafe-path"
    assert done.reasons["b.tar/link"] == "unsafe-path"
    assert {path.name for path in source.iterdir()} == {"a.zip", "b.tar", "c.md", "out.md", "in.md"}


def test_hidden_members_are_left_out(read, folder, make_zip):
    files = {"a.md": "# A", ".git/b.md": "b", "__MACOSX/._a.md": "m", "c/.d.md": "d"}
    done = read(folder({"a.zip": make_zip(files)}))
    assert done.result.rows_in == 1


def zeros(size: int) -> bytes:
    return bytes(size)


def test_bombs_are_not_unpacked(read, folder, make_zip):
    big = 90 << 20
    nested = make_zip({"in.zip": make_zip({"z.txt": zeros(big)})})
    many = make_zip({f"{n}.md": "x" for n in range(60)})
    source = folder(
        {
            "flat.zip": make_zip({"z.txt": zeros(big)}),
            "nested.zip": nested,
            "tar.tar.gz": make_tar({"a.md": b"# A", "z.txt": zeros(big)}, "w:gz"),
            "gz.txt.gz": gzip.compress(zeros(big), 1),
            "many.zip": many,
            "good.md": "# Good",
        }
    )
    done = read(source, max_expansion=2, documents={"max_members": 50, "max_file_mb": 200})
    # What a tar gave before it was found out stays.
    assert set(done.documents) == {"good.md", "tar.tar.gz/a.md"}
    assert done.reasons == {
        "flat.zip": "bomb",
        "nested.zip/in.zip": "bomb",
        "tar.tar.gz": "bomb",
        "gz.txt.gz": "bomb",
        "many.zip": "bomb",
    }


def sparse_tar(mode: str) -> bytes:
    """Make a tar with a member of one byte that says it is 40 MB (GNU's old form, and PAX)."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("pax.txt")
        data = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
        member.size = len(data)
        member.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "pax.txt",
            "GNU.sparse.realsize": str(40 << 20),
        }
        archive.addfile(member, io.BytesIO(data))
        old = tarfile.TarInfo("old.txt")
        old.type, old.size = tarfile.GNUTYPE_SPARSE, 1
        block = bytearray(old.tobuf(tarfile.GNU_FORMAT))
        block[386:410] = b"%011o\0%011o\0" % (0, 1)
        block[483:495] = b"%011o\0" % (40 << 20)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        archive.fileobj.write(bytes(block) + b"x".ljust(512, b"\0"))
        archive.offset += 1024
        good = tarfile.TarInfo("good.md")
        good.size = 3
        archive.addfile(good, io.BytesIO(b"# A"))
    return target.getvalue()


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz")])
def test_holes_of_sparse_files_are_not_filled(read, folder, name, mode):
    done = read(folder({name: sparse_tar(mode)}))
    assert set(done.documents) == {f"{name}/good.md"}
    assert done.reasons == {f"{name}/pax.txt": "unsupported", f"{name}/old.txt": "unsupported"}


def test_archives_in_archives_have_an_end(read, folder, make_zip):
    data = make_zip({"a.md": "# A"})
    for _ in range(4):
        data = make_zip({"in.zip": data, "b.md": data[:8].hex()})
    done = read(folder({"x.zip": data}))
    assert done.reasons["x.zip/in.zip/in.zip/in.zip"] == "too-deep"
    assert done.result.rejected == {"duplicate": 2, "too-deep": 1}


def test_broken_archives_give_what_they_can(read, folder, make_zip):
    whole = make_tar({"a.md": b"# A", "b.md": os.urandom(9000).hex().encode()}, "w:gz")
    locked = bytearray(make_zip({"s.md": "secret", "o.md": "# Open"}, zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + offset] |= 1
    wrong = bytearray(make_zip({"w.md": "wrong sum", "r.md": "# Right"}, zipfile.ZIP_STORED))
    wrong[wrong.index(b"wrong sum")] ^= 1
    source = folder(
        {
            "cut.tar.gz": whole[: len(whole) // 2],
            "no.zip": b"PK\x03\x04 nothing",
            "no.tar": b"not a tar" * 100,
            "none.zip": make_zip({}),
            "locked.zip": bytes(locked),
            "wrong.zip": bytes(wrong),
            "lzma.zip": make_zip({"l.md": "# L"}, zipfile.ZIP_LZMA),
        }
    )
    done = read(source)
    assert set(done.documents) == {"cut.tar.gz/a.md", "locked.zip/o.md", "wrong.zip/r.md"}
    assert done.reasons == {
        "cut.tar.gz": "damaged",
        "no.zip": "damaged",
        "no.tar": "damaged",
        "none.zip": "empty",
        "locked.zip/s.md": "encrypted",
        "wrong.zip/w.md": "damaged",
        "lzma.zip/l.md": "unsupported",
    }


def with_a_name_of_no_encoding(archive: bytes, name: bytes) -> bytes:
    """Say of a member that its name is UTF-8, and make it none."""
    data = bytearray(archive)
    for mark, flags, start in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = data.index(mark)
        while data[at + start : at + start + len(name)] != name:
            at = data.index(mark, at + 1)
        data[at + flags + 1] |= 0x08
        data[at + start] = 0xFF
    return bytes(data)


def with_members_before_its_beginning(archive: bytes) -> bytes:
    """Say that the directory stands later than it does, so that all members stand earlier."""
    data = bytearray(archive)
    at = data.rindex(b"PK\x05\x06") + 16
    place = int.from_bytes(data[at : at + 4], "little")
    data[at : at + 4] = (place + 1000).to_bytes(4, "little")
    return bytes(data)


def test_zip_files_with_damaged_headers_are_rejects(read, folder, make_zip, make_word):
    plain = make_zip({"a.md": "# A", "b.md": "# B"})
    source = folder(
        {
            "name.zip": with_a_name_of_no_encoding(plain, b"a.md"),
            "place.zip": with_members_before_its_beginning(plain),
            "outer.zip": make_zip({"in.zip": with_members_before_its_beginning(plain)}),
            "name.docx": with_a_name_of_no_encoding(make_word(), b"word/document.xml"),
            "place.docx": with_members_before_its_beginning(make_word()),
            "good.md": "# Good",
        }
    )
    done = read(source)
    assert set(done.documents) == {"good.md"}
    assert done.reasons == {
        "name.zip": "damaged",
        "place.zip/a.md": "damaged",
        "place.zip/b.md": "damaged",
        "outer.zip/in.zip/a.md": "damaged",
        "outer.zip/in.zip/b.md": "damaged",
        "name.docx": "damaged",
        "place.docx": "damaged",
    }


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EMFILE])
def test_what_is_wrong_with_the_machine_is_no_damage(code):
    assert not is_damage(OSError(code, os.strerror(code)))
    assert not is_damage(MemoryError())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EINVAL, "Invalid argument"),
        gzip.BadGzipFile("CRC check failed"),
        zipfile.BadZipFile(),
        RuntimeError("password required for extraction"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_what_libraries_say_of_broken_archives_is_damage(error):
    assert is_damage(error)


def test_a_disk_that_fails_is_no_fault_of_a_word_file(monkeypatch, tmp_path, make_word):
    import mammoth

    def fails(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "a.docx"
    path.write_bytes(make_word())
    task = Task(str(path), WORD, "auto", 1 << 20, 10, 200)
    assert answer(task).parsed
    monkeypatch.setattr(mammoth, "convert_to_html", fails)
    assert "Input/output error" in answer(task).bug


def test_html_that_does_not_fit_into_memory_is_not_damaged(monkeypatch):
    import html_to_markdown

    def fails(*args):
        raise MemoryError

    monkeypatch.setattr(html_to_markdown, "convert", fails)
    with pytest.raises(MemoryError):
        to_markdown("<p>x</p>")


def word_file(make_zip, document: bytes) -> bytes:
    return make_zip({"word/document.xml": document, "[Content_Types].xml": "<Types/>"})


def test_word_files_made_to_harm(read, folder, make_zip):
    laughs = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><d>&b;</d>'
    spaces = b"<d>" + b" " * (80 << 20) + b"</d>"
    start = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    deep = start + b"<w:sdt><w:sdtContent>" * 20_000
    deep += b"</w:sdtContent></w:sdt>" * 20_000 + b"</w:body></w:document>"
    source = folder(
        {
            "laughs.docx": word_file(make_zip, laughs),
            "utf16.docx": word_file(make_zip, laughs.decode().encode("utf-16")),
            "spaces.docx": word_file(make_zip, spaces),
            "deep.docx": word_file(make_zip, deep),
            "sheet.docx": make_zip({"xl/workbook.xml": "<x/>"}),
            "lzma.docx": make_zip({"word/document.xml": start}, zipfile.ZIP_LZMA),
            "good.md": "# Good",
        }
    )
    done = read(source, max_expansion=2)
    assert done.reasons["laughs.docx"] == done.reasons["utf16.docx"] == "bomb"
    assert done.reasons["spaces.docx"] == "bomb"
    assert done.reasons["deep.docx"] == "too-deep"
    assert done.reasons["sheet.docx"] == done.reasons["lzma.docx"] == "unsupported"
    assert set(done.documents) == {"good.md"}


@pytest.mark.parametrize("encoding", ["nonsense", "big5"])
def test_word_files_whose_properties_cannot_be_read_have_none(
    read, folder, make_zip, make_word, encoding
):
    with zipfile.ZipFile(io.BytesIO(make_word())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    core = parts["docProps/core.xml"].partition(b"?>")[2]
    parts["docProps/core.xml"] = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + core
    done = read(folder({"a.docx": make_zip(parts)}))
    assert "author" not in json.loads(done.documents["a.docx"]["meta"])


def test_depth_in_html_and_markdown(read, folder):
    source = folder(
        {
            "deep.html": "<div>" * 50_000 + "x",
            "deep.md": ">" * 5000 + " x\n\n" + "- " * 2000 + "y",
            "brackets.md": "[" * 100_000,
            "line.txt": "word " * 500_000,
        }
    )
    done = read(source)
    assert done.reasons == {"deep.html": "too-deep"}
    assert len(done.documents) == 3


def pdf_that_takes_long() -> bytes:
    """Make a PDF of a hundred kilobytes whose page has ten million operators."""
    content = zlib.compress(b"0 0 m 9 9 l S\n" * 12_000_000, 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>",
        b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(content), content),
    ]
    data = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return data + table + b"trailer<</Size 5/Root 1 0 R>>startxref\n%d\n%%%%EOF" % len(data)


def test_a_file_that_takes_too_long_ends_alone(read, folder):
    source = folder({"a.md": "# A", "slow.pdf": pdf_that_takes_long(), "z.md": "# Z"})
    done = read(source, documents={"max_seconds": 2})
    assert set(done.documents) == {"a.md", "z.md"}
    assert done.reasons == {"slow.pdf": "timeout"}


def test_a_file_that_takes_too_much_memory_ends_alone(read, folder):
    page = "<p>x</p>" * 3_000_000
    source = folder({"a.md": "# A", "huge.html": page, "z.md": "# Z"})
    done = read(source, documents={"max_memory_mb": 1024, "max_text_mb": 64})
    assert set(done.documents) == {"a.md", "z.md"}
    assert done.reasons["huge.html"] in ("too-large", "damaged")


def test_the_parser_sees_no_environment_and_writes_no_file(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import graftline_ingest.documents.parsers.parse as p, os\n"
        "from graftline_ingest.drafts import Refused\n"
        "def spy(task):\n"
        "    try:\n"
        f"        open({str(tmp_path / 'written')!r}, 'w').write('x')\n"
        "        wrote = 'wrote'\n"
        "    except OSError:\n"
        "        wrote = 'refused'\n"
        "    raise Refused('seen', ' '.join([wrote, *sorted(os.environ)]))\n"
        "p.parse = spy\n"
    )
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.md").write_text("# A")
    script = (
        "from pathlib import Path\n"
        "from graftline.testkit.local import run_stage\n"
        "from graftline_ingest.descriptor import STAGE\n"
        f"root = Path({str(tmp_path)!r})\n"
        "run_stage(STAGE, root / 'work', config={'layout': 'documents'},"
        " sources={'source': root / 'source'})\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    secret = {"AWS_SECRET_ACCESS_KEY": "secret", "PYTHONPATH": path, "PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=secret, capture_output=True, text=True, check=False
    )
    assert "seen" in ran.stderr
    told = ran.stderr.rpartition("a.md: ")[2]
    assert "AWS" not in told
    assert "PYTHONHASHSEED" in told
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").read_text()


def test_stops_between_two_files(folder, tmp_path):
    source = folder({"a.md": "# A"})
    with pytest.raises(Cancelled):
        run_stage(
            STAGE,
            tmp_path / "work",
            config={"layout": "documents"},
            sources={"source": source},
            before_run=lambda ctx: ctx.request_stop(),
        )


def test_an_include_that_matches_nothing_is_told(read, folder):
    with pytest.raises(ConfigError, match=r"include .* matches no file"):
        read(folder({"a.md": "# A"}), include=["*.rst"])


def test_what_exclude_names_is_passed_over_and_no_reject(read, folder, make_zip):
    files = {"a.md": "# A", "a-definition.yaml": "training_prompts: []"}
    source = folder({**files, "in/b-definition.json": "{}", "c.zip": make_zip(files)})
    assert len(read(source).rejects) == 4  # one of them the duplicate in the archive
    done = read(source, exclude=["*-definition.yaml", "*-definition.json"])
    assert set(done.documents) == {"a.md"}
    assert done.reasons == {"c.zip/a.md": "duplicate"}
    assert done.result.rows_in == 2
    assert set(read(source, exclude=["*.zip", "*.yaml", "*.json"]).documents) == {"a.md"}
    with pytest.raises(ConfigError, match=r"holds no file beside those that exclude .* passes"):
        read(source, exclude=["*"])
