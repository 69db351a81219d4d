from types import SimpleNamespace

import pytest

from graftline_workflows.conformance.checks import NotKept
from graftline_workflows.conformance.container_cli import ImageConfig
from graftline_workflows.conformance.image_checks import (
    has_numeric_user,
    holds_no_secrets,
    says_where_it_is_from,
)

LABELS = {
    "org.opencontainers.image.source": "https://example.com/mine",
    "org.opencontainers.image.revision": "0123456789abcdef",
    "org.opencontainers.image.version": "1.2",
}


def image(user="65532", environment=None, labels=None):
    config = ImageConfig(user, environment or {}, labels or {})
    return SimpleNamespace(subject=SimpleNamespace(config=config))


@pytest.mark.parametrize("user", ["1", "65532", "65532:65532", "1000:0"])
def test_users_that_kubernetes_can_verify(user):
    assert user in has_numeric_user(image(user))


@pytest.mark.parametrize(
    ("user", "cause"),
    [
        ("", "is root"),
        ("root", "is root"),
        ("0:0", "is root"),
        ("00", "is root"),
        (":7", "is root"),
        ("app:app", "cannot tell"),
        ("1x", "cannot tell"),
    ],
)
def test_users_that_kubernetes_refuses(user, cause):
    with pytest.raises(NotKept, match=cause):
        has_numeric_user(image(user))


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "token", "MY_APIKEY_2"],
)
def test_secrets_are_told_by_name_alone(name):
    with pytest.raises(NotKept, match=f"can read {name}$"):
        holds_no_secrets(image(environment={name: "hidden", "PATH": "/bin"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("GPG_KEY", "x"), ("TOKENIZERS_PARALLELISM", "x"), ("HF_TOKEN", ""), ("MAX_TOKENS", "9")],
)
def test_what_is_no_secret(name, value):
    assert holds_no_secrets(image(environment={name: value})) == "none"


def test_labels_are_wanted_of_our_own_images_and_missed_of_others():
    assert says_where_it_is_from(image(labels=LABELS)) == "1.2 at 0123456789ab"
    short = {**LABELS, "org.opencontainers.image.version": ""}
    missing = "no label org.opencontainers.image.version"
    assert says_where_it_is_from(image(labels=short)) == f"warning: {missing}"
    with pytest.raises(NotKept, match=missing):
        says_where_it_is_from(image(labels={**short, "dev.graftline.build-id": "1"}))
