import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.canonical import (
    canonical_json,
    digest_of,
    digest_of_files,
    sha256_bytes,
    sha256_file,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values))
def test_the_order_of_keys_does_not_matter(value):
    assert canonical_json(value) == canonical_json(dict(reversed(list(value.items()))))


@given(json_values, json_values)
def test_different_spellings_have_different_digests(one, other):
    assert (canonical_json(one) == canonical_json(other)) == (digest_of(one) == digest_of(other))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": value})


def test_a_files_digest_is_that_of_its_bytes(tmp_path):
    data = bytes(range(256)) * 9000
    (tmp_path / "f").write_bytes(data)
    assert sha256_file(tmp_path / "f") == sha256_bytes(data)


def test_a_set_of_files_has_no_order():
    files = [("b", "1"), ("a", "2")]
    assert digest_of_files(files) == digest_of_files(reversed(files))
    assert digest_of_files(files) != digest_of_files([("b", "2"), ("a", "1")])
