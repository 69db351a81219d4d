"""Pod Security `restricted`, tokens, roles, network policies: of every installation."""

import json
from pathlib import Path

import pytest

CATALOG = Path(__file__).parents[2] / "workflows/src/graftline_workflows/catalog"
STAGES = sorted(path.stem for path in CATALOG.glob("*.json"))
NAMESPACED = {
    *("ConfigMap", "Secret", "Service", "ServiceAccount", "Role", "RoleBinding", "StatefulSet"),
    *("Deployment", "NetworkPolicy", "WorkflowTemplate"),
}
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
}


def pods_of(document):
    """Every pod spec in a document, however deep."""
    if isinstance(document, dict):
        if "containers" in document:
            yield document
        for value in document.values():
            yield from pods_of(value)
    elif isinstance(document, list):
        for value in document:
            yield from pods_of(value)


def restricted_violations(pod):
    """What Pod Security `restricted` would say, and our own rules."""
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "may run as root"
    if not context.get("runAsUser") or not context.get("runAsGroup"):
        yield "has no user of its own"
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"has {key}"
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"has the volume {volume}"
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']} has a writable root"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{container['name']} has capabilities"
        if own.get("privileged") or own.get("runAsUser") == 0:
            yield f"{container['name']} is privileged"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{container['name']} has a host port"


def own_pods(rendered):
    return [
        (document, pod)
        for document in rendered.documents
        if document["kind"] not in ("WorkflowTemplate", "Workflow")
        for pod in pods_of(document.get("spec", {}))
    ]


def test_pods_are_restricted(installation):
    for document, pod in own_pods(installation):
        assert list(restricted_violations(pod)) == [], document["metadata"]["name"]


def test_the_walker_finds_pods_and_faults(render):
    pods = own_pods(render())
    assert [document["kind"] for document, _ in pods] == ["Deployment", "StatefulSet"]
    for _, pod in pods:
        broken = json.loads(json.dumps(pod))
        del broken["containers"][0]["securityContext"]
        assert len(list(restricted_violations(broken))) == 3


def test_pods_have_probes_and_resources(installation):
    for _, pod in own_pods(installation):
        assert any("readinessProbe" in container for container in pod["containers"])
        for container in pod["containers"]:
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]
            assert {"name": "HOME", "value": "/tmp"} in container["env"]
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_all_is_namespaced_and_in_the_release(installation):
    assert {document["kind"] for document in installation.documents} <= NAMESPACED
    for document in installation.documents:
        assert document["metadata"].get("namespace") is None


def test_all_of_the_chart_is_labelled(render):
    for document in render().documents:
        assert document["metadata"]["labels"]["app.kubernetes.io/part-of"] == "graftline"


def test_the_executor_may_report_and_nothing_else(installation):
    role = installation.of_kind("Role")["graftline-executor"]
    assert role["rules"] == [
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["workflowtaskresults"],
            "verbs": ["create", "patch"],
        }
    ]
    token = installation.of_kind("Secret")["graftline-executor.service-account-token"]
    assert token["type"] == "kubernetes.io/service-account-token"
    for account in installation.of_kind("ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False
    bound = {b["subjects"][0]["name"] for b in installation.of_kind("RoleBinding").values()}
    assert "graftline-stage" not in bound


def test_submitters_are_bound_if_there_are_any(render):
    assert "graftline-submitter" not in render().of_kind("Role")
    rendered = render(
        {
            "submitters": [
                {"kind": "ServiceAccount", "name": "ci", "namespace": "builds"},
                {"kind": "User", "name": "ann@example.com"},
            ]
        }
    )
    assert rendered.of_kind("RoleBinding")["graftline-submitter"]["subjects"] == [
        {"kind": "ServiceAccount", "name": "ci", "namespace": "builds"},
        {
            "kind": "User",
            "name": "ann@example.com",
            "apiGroup": "rbac.authorization.k8s.io",
        },
    ]
    rules = rendered.of_kind("Role")["graftline-submitter"]["rules"]
    assert not any("secrets" in rule["resources"] for rule in rules)
    writes = {
        (resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb not in ("get", "list", "watch")
    }
    assert writes == {("workflows", "create")}


def selects(selector, labels):
    """Whether a label selector takes these labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(
        {
            "In": lambda term: labels.get(term["key"]) in term["values"],
            "Exists": lambda term: term["key"] in labels,
        }[term["operator"]](term)
        for term in selector.get("matchExpressions", [])
    )


def labels_of(role, stage=""):
    labels = {"app.kubernetes.io/part-of": "graftline", "graftline.dev/role": role}
    return labels | ({"graftline.dev/stage": stage} if stage else {})


def egress(rendered, labels):
    """The egress rules of the policies that take a pod, and whether any does."""
    policies = [
        policy["spec"]
        for policy in rendered.of_kind("NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], labels)
    ]
    assert any({"Ingress", "Egress"} == set(policy["policyTypes"]) for policy in policies)
    return [rule for policy in policies for rule in policy.get("egress", [])]


def ports_of(rules):
    return {port["port"] for rule in rules for port in rule.get("ports", [])}


def leads_outside(rule):
    return any(peer.get("ipBlock", {}).get("cidr") in ("0.0.0.0/0", "::/0") for peer in rule["to"])


def test_policies_take_every_pod_of_ours(installation):
    if not installation.of_kind("NetworkPolicy"):
        assert "NetworkPolicy" not in installation.text
        return
    for document, _ in own_pods(installation):
        labels = document["spec"]["template"]["metadata"]["labels"]
        assert egress(installation, labels)
    for stage in STAGES:
        assert egress(installation, labels_of("stage", stage))
    assert egress(installation, labels_of("planner"))


@pytest.mark.parametrize("stage", STAGES)
def test_by_default_stages_reach_what_they_need_and_nothing_outside(render, stage):
    rules = egress(render(), labels_of("stage", stage))
    assert ports_of(rules) == {53, "dns", "dns-tcp", 6443, 8333, 50051}
    assert not any(leads_outside(rule) for rule in rules)
    assert all(rule["to"] for rule in rules)


def test_the_store_answers_and_asks_nobody(render):
    rendered = render()
    assert ports_of(egress(rendered, labels_of("store"))) == {53, "dns", "dns-tcp"}
    assert ports_of(egress(rendered, labels_of("index"))) == {53, "dns", "dns-tcp", 8333}
    ingress = rendered.of_kind("NetworkPolicy")["graftline-store"]["spec"]["ingress"]
    [peer] = ingress[0]["from"]
    for role in ("stage", "planner", "index"):
        assert selects(peer["podSelector"], labels_of(role))
    assert not selects(peer["podSelector"], {"app": "stranger"})
    assert ports_of(ingress) == {8333}


def test_the_language_model_is_for_the_stages_that_ask_and_asks_nobody(render):
    rendered = render({"llm": {"embedded": {"enabled": True}}})
    reaching = {s for s in STAGES if 8080 in ports_of(egress(rendered, labels_of("stage", s)))}
    assert reaching == {"generate", "judge"}
    assert ports_of(egress(rendered, labels_of("llm"))) == {53, "dns", "dns-tcp"}
    ingress = rendered.of_kind("NetworkPolicy")["graftline-llm"]["spec"]["ingress"]
    [peer] = ingress[0]["from"]
    assert selects(peer["podSelector"], labels_of("stage", "judge"))
    assert not selects(peer["podSelector"], labels_of("stage", "train"))


def test_hub_and_providers_are_for_their_stages_and_not_for_private_addresses(render):
    rendered = render(
        {
            "networkPolicy": {
                "modelHub": {"enabled": True, "stages": ["model", "planner"]},
                "llmProviders": {"enabled": True, "cidrs": ["0.0.0.0/0", "203.0.113.0/24"]},
            }
        }
    )
    outside = {
        stage: [r for r in egress(rendered, labels_of("stage", stage)) if leads_outside(r)]
        for stage in STAGES
    }
    assert {stage for stage, rules in outside.items() if rules} == {"model", "generate", "judge"}
    assert any(leads_outside(rule) for rule in egress(rendered, labels_of("planner")))
    for rule in [*outside["model"], *outside["generate"]]:
        assert ports_of([rule]) == {443}
        block = rule["to"][0]["ipBlock"]
        assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(block["except"])
    assert outside["generate"][0]["to"][1] == {"ipBlock": {"cidr": "203.0.113.0/24"}}


@pytest.mark.parametrize(
    ("endpoint", "to", "port", "peer"),
    [
        ("", [{"ipBlock": {"cidr": "0.0.0.0/0"}}], 443, {"ipBlock": {"cidr": "0.0.0.0/0"}}),
        ("http://192.0.2.4", [], 80, {"ipBlock": {"cidr": "192.0.2.4/32"}}),
        ("https://[2001:db8::1]:9000", [], 9000, {"ipBlock": {"cidr": "2001:db8::1/128"}}),
        (
            "http://minio.minio:9000",
            [{"namespaceSelector": {"matchLabels": {"n": "minio"}}}],
            9000,
            {"namespaceSelector": {"matchLabels": {"n": "minio"}}},
        ),
    ],
)
def test_an_external_store_is_let_through_where_it_is(render, endpoint, to, port, peer):
    rendered = render(
        {
            "store": {
                "embedded": {"enabled": False},
                "external": {"uri": "s3://bkt", "endpoint": endpoint},
            },
            "networkPolicy": {"store": {"to": to}},
        }
    )
    policies = rendered.of_kind("NetworkPolicy")
    [rule] = policies["graftline-to-store"]["spec"]["egress"]
    assert rule == {"to": [peer], "ports": [{"protocol": "TCP", "port": port}]}
    assert "graftline-store" not in policies


def test_the_api_server_is_where_values_say_or_a_guess_that_says_so(render):
    policy = render().of_kind("NetworkPolicy")["graftline-api-server"]
    assert (
        "networkPolicy.apiServer.cidrs" in policy["metadata"]["annotations"]["graftline.dev/guess"]
    )
    told = render({"networkPolicy": {"apiServer": {"cidrs": ["192.0.2.9/32"], "ports": [443]}}})
    policy = told.of_kind("NetworkPolicy")["graftline-api-server"]
    assert "annotations" not in policy["metadata"]
    assert policy["spec"]["egress"] == [
        {
            "to": [{"ipBlock": {"cidr": "192.0.2.9/32"}}],
            "ports": [{"protocol": "TCP", "port": 443}],
        }
    ]
