import json

import pytest

from graftline.errors import ConfigError
from graftline_workflows.conformance.container_cli import ContainerCli, ContainerCliFailed


def program(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", lambda name: (tmp_path / name).is_file() or None)
    return tmp_path


def test_docker_comes_first(path):
    program(path, "docker", "echo Docker Engine")
    program(path, "podman", "echo Podman Engine")
    assert ContainerCli.find() == ContainerCli("docker", is_podman=False)
    assert ContainerCli.find("podman") == ContainerCli("podman", is_podman=True)


def test_docker_without_its_service_is_passed_over(path):
    program(path, "docker", "echo Cannot connect to the daemon >&2; exit 1")
    program(path, "podman", "echo Podman Engine")
    assert ContainerCli.find().program == "podman"
    with pytest.raises(ConfigError, match="need docker: docker .* Cannot connect to the daemon"):
        ContainerCli.find("docker")


def test_podman_under_docker_s_name_is_known(path):
    program(path, "docker", "echo Client: Podman Engine")
    assert ContainerCli.find() == ContainerCli("docker", is_podman=True)


def test_none_at_all_is_told(no_container_cli):
    expected = "docker is not installed; podman is not installed .*--container-cli"
    with pytest.raises(ConfigError, match=expected):
        ContainerCli.find()


def test_an_image_that_is_not_here_is_pulled(path):
    inspected = json.dumps([{"Config": {"User": "65532", "Env": ["A=b=c", "D="]}}])
    program(
        path,
        "docker",
        f"""case "$*" in
  "image inspect reg.example/i:1") test -f {path}/here || {{ echo no such image >&2; exit 1; }}
    echo '{inspected}' ;;
  "pull reg.example/i:1") touch {path}/here ;;
  *) exit 9 ;;
esac""",
    )
    config = ContainerCli("docker", is_podman=False).image_config("reg.example/i:1")
    assert config.user == "65532"
    assert config.environment == {"A": "b=c", "D": ""}
    assert config.labels == {}


def test_an_image_that_cannot_be_pulled_is_told(path):
    program(path, "docker", "echo pull access denied >&2; exit 1")
    with pytest.raises(ConfigError, match="reg.example/i:1 is not here .* pull access denied"):
        ContainerCli("docker", is_podman=False).image_config("reg.example/i:1")


@pytest.mark.parametrize(
    ("network", "address"),
    [
        (
            {"IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]}},
            "172.18.0.1",
        ),
        ({"IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}}, "172.18.0.1"),
        ({"subnets": [{"subnet": "10.89.0.0/24", "gateway": "10.89.0.1"}]}, "10.89.0.1"),
        (
            {
                "subnets": [
                    {"subnet": "fd00::/64", "gateway": "fd00::1"},
                    {"subnet": "10.89.0.0/24", "gateway": "10.89.0.9"},
                ]
            },
            "10.89.0.9",
        ),
    ],
)
def test_the_address_of_this_machine_in_a_network(path, network, address):
    program(
        path,
        "docker",
        f"""echo "$*" >> {path}/calls
case "$*" in "network inspect n") echo '{json.dumps([network])}' ;; esac""",
    )
    cli = ContainerCli("docker", is_podman=False)
    assert cli.create_network("n", "me", internal=True) == address
    assert (path / "calls").read_text().splitlines() == [
        "network create --label graftline.dev/conformance=me --internal n",
        "network inspect n",
    ]


def test_a_network_without_an_ipv4_address_is_told(path):
    program(path, "docker", """echo '[{"subnets": [{"subnet": "fd00::/64"}]}]'""")
    with pytest.raises(ContainerCliFailed, match="no IPv4 subnet"):
        ContainerCli("docker", is_podman=False).create_network("n", "me", internal=False)


def test_what_is_left_is_removed_by_label_containers_first(path):
    program(
        path,
        "docker",
        f"""echo "$*" >> {path}/calls
case "$1 $2" in "ps --all") echo c1; echo c2 ;; "network ls") echo n1 ;; esac""",
    )
    ContainerCli("docker", is_podman=False).remove_all("me")
    assert (path / "calls").read_text().splitlines() == [
        "ps --all --quiet --filter label=graftline.dev/conformance=me",
        "rm --force --volumes c1 c2",
        "network ls --quiet --filter label=graftline.dev/conformance=me",
        "network rm n1",
    ]


def test_what_cannot_be_removed_is_told(path):
    program(path, "docker", 'case "$1" in ps) echo c1 ;; *) echo busy >&2; exit 1 ;; esac')
    with pytest.raises(ContainerCliFailed, match="rm --force --volumes c1' failed: busy"):
        ContainerCli("docker", is_podman=False).remove_all("me")
