from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from graftline.errors import ConfigError
from graftline.identity import build_id
from graftline_workflows.catalog import load_catalog
from graftline_workflows.release import (
    Release,
    current_release,
    main,
    packaged_sources,
    read_release,
)
from graftline_workflows.sources import fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def test_a_release_is_what_is_installed_here(tmp_path: Path):
    path = tmp_path / "etc" / "release.json"
    assert main(["--output", str(path), "--revision", "0f1e"]) == 0
    found = read_release(path)
    assert found.revision == "0f1e"
    assert set(found.builds) == set(load_catalog().stages)
    assert found.builds["train"] == build_id("graftline_train")
    assert packaged_sources()
    assert found.sources == {uri: fingerprint(uri).fingerprint for uri in packaged_sources()}
    assert found == current_release("0f1e")
    assert found.as_json() == path.read_text()


def test_a_stage_is_known_by_its_build_id():
    catalog = load_catalog()
    release = Release("1.0", builds={"curate": "a" * 64})
    code = release.own_code("curate", catalog)
    assert (code.identity, code.image, code.entry.name) == ("a" * 64, "", "curate")
    with pytest.raises(ConfigError, match=r"release 1\.0 has no stage 'train'"):
        release.own_code("train", catalog)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": "1", "revision": "", "builds": {"curate": "none"}, "sources": {}}',
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "release.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="release file"):
        read_release(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_release(tmp_path / "missing.json")
