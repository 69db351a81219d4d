"""What is rendered is valid in every supported version of Kubernetes."""

from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

CHART = Path(__file__).parents[1] / "graftline"
OLDEST = (1, 30)
VERSIONS = sorted(
    {
        version
        for version in kubernetes_validate.utils.all_versions()
        if tuple(map(int, version.split(".")[:2])) >= OLDEST
    }
)


@pytest.fixture(autouse=True, scope="module")
def remembered_schemas():
    """The library reads megabytes of schemas for every document."""
    with pytest.MonkeyPatch.context() as patch:
        utils = kubernetes_validate.utils
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


def test_the_chart_says_which_versions_it_supports():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == ">=1.30.0-0"
    first, last = (VERSIONS[0].removesuffix(".0"), VERSIONS[-1].removesuffix(".0"))
    assert (first, len(VERSIONS) >= 5) == ("1.30", True)
    assert f"schemas of {first} to {last}" in (CHART / "README.md").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_documents_are_valid(installation, version):
    checked = 0
    for document in installation.documents:
        if not document["apiVersion"].startswith("argoproj.io/"):
            kubernetes_validate.validate(document, version, strict=True)
            checked += 1
    assert checked > 8


@pytest.mark.parametrize("version", VERSIONS)
def test_a_pod_with_a_patch_is_valid(installation, version):
    for key in installation.settings:
        if key.startswith("pod-patch-"):
            spec = installation.pod_patch(key.removeprefix("pod-patch-"))
            spec["containers"][0]["image"] = "x"
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
            kubernetes_validate.validate(pod, version, strict=True)


def test_a_wrong_document_is_found(render):
    [store] = render().of_kind("StatefulSet").values()
    store["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(store, VERSIONS[0], strict=True)


def test_an_older_kubernetes_is_refused(helm, refused):
    with pytest.raises(refused) as caught:
        helm("template", CHART, "--kube-version", "1.29.0")
    assert "incompatible with Kubernetes v1.29.0" in str(caught.value)
