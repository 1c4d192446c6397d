"""What the Helm chart renders for many sets of values: what must be there, what must not, and who takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # of jupyter_server's dependencies
import pytest
import yaml

from tests.deploy import tools
from tests.deploy.chart import ABSENT, CHART, Rendered, render, template

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("chart")]

HERE = Path(__file__).resolve().parent
CASES: list[dict[str, Any]] = yaml.safe_load((HERE / "cases.yaml").read_text())
NAMES = [case["name"] for case in CASES]
FOREIGN: dict[str, Any] = yaml.safe_load((HERE / "foreign_kinds.yaml").read_text())
OLDEST, NEWEST = "1.25", "1.37"  # of Kubernetes, as kubernetes-validate knows them
REFUSED = [
    ({}, "secret.apiToken"),
    ({"secret": {"name": "s"}, "replicas": 2}, "ReadWriteMany"),
    ({"secret": {"name": "s"}, "replicas": 2, "storage": {"claim": "c"}, "mode": "DEV"}, "set replicas to 1"),
    ({"secret": {"apiToken": "x"}, "mode": "DEV"}, "secret.jupyterPassword"),
    ({"secret": {"name": "s"}, "env": {"api_token": "x"}}, "name it in secret.variables"),
    ({"secret": {"name": "s"}, "env": {"splunk_hec_token": "x"}}, "name it in secret.variables"),
    ({"secret": {"name": "s"}, "extraEnv": [{"name": "api_token", "value": "x"}]}, "name it in secret.variables"),
    ({"secret": {"name": "s"}, "env": {"DLTK_GRACE": "9"}}, "set graceSeconds instead"),
    ({"secret": {"name": "s"}, "env": {"DLTK_DRAIN": "9"}}, "set graceSeconds instead"),
    ({"secret": {"name": "s", "values": {"splunk_hec_token": "x"}}}, "the chart's own secret"),
    ({"secret": {"apiToken": "x", "variables": ["splunk_hec_token"]}}, "secret.values has no splunk_hec_token"),
    ({"secret": {"name": "s"}, "certificate": {"secret": "c"}, "https": False}, "set https to true"),
    ({"secret": {"name": "s"}, "ingress": {"enabled": True}}, "set ingress.hosts"),
    (
        {"secret": {"name": "s"}, "ingress": {"enabled": True, "hosts": [{"host": "a", "port": "jupyter"}]}},
        "in mode DEV only",
    ),
    (
        {"secret": {"name": "s"}, "https": False, "route": {"enabled": True, "termination": "passthrough"}},
        "needs TLS in the container",
    ),
    (
        {"secret": {"name": "s"}, "storage": {"claim": "c"}, "autoscaling": {"enabled": True, "cpuPercent": 0}},
        "nothing to scale by",
    ),
    ({"secret": {"name": "s"}, "cluster": {"enabled": True, "closed": True}}, "a secret with the key ray_token"),
    ({"secret": {"name": "s"}, "cluster": {"enabled": True, "secret": "r"}}, "set cluster.closed to true"),
    ({"secret": {"name": "s"}, "env": {"DLTK_CLUSTER": "auto"}}, "set cluster.enabled instead"),
    # typing errors, which the schema finds
    ({"secret": {"name": "s"}, "replcias": 2}, "replcias"),
    ({"secret": {"name": "s"}, "storage": {"accesMode": "ReadWriteMany"}}, "accesMode"),
    ({"secret": {"name": "s"}, "mode": "dev"}, "mode"),
    ({"secret": {"name": "s"}, "graceSeconds": "30s"}, "graceSeconds"),
    ({"secret": {"name": "s"}, "env": {"A": {"valueFrom": {}}}}, "env"),
    ({"secret": {"name": "s"}, "image": {"digest": "latest"}}, "digest"),
]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    """Render every case once."""
    folder = tmp_path_factory.mktemp("rendered")
    return {case["name"]: render(case["values"], folder, *case.get("options", ())) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_chart_renders_what_it_must_and_nothing_that_it_must_not(
    case: dict[str, Any], rendered: dict[str, Rendered]
) -> None:
    found = rendered[case["name"]]
    assert found.kinds == case["kinds"]
    assert {place: found.get(place) for place in case["must"]} == case["must"]
    assert {place for place in case.get("must_not", ()) if found.get(place) != ABSENT} == set()


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_oldest_and_the_newest_kubernetes_take_every_object(
    version: str, rendered: dict[str, Rendered], tmp_path: Path
) -> None:
    files = []
    for number, found in enumerate(rendered.values()):
        known = [each for each in found.objects if each["kind"] not in FOREIGN]
        known += [pod for each in found.objects if each["kind"] == "RayCluster" for pod in pods_of(each)]
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(yaml.safe_dump_all(known))
    tools.run(tools.tool("kubernetes-validate"), "--strict", "--kubernetes-version", version, *files)
    # The check itself sees a field that Kubernetes does not have.
    wrong = rendered["defaults"].one("Service") | {"spec": {"portz": []}}
    files[0].write_text(yaml.safe_dump(wrong))
    with pytest.raises(AssertionError, match="portz"):
        tools.run(tools.tool("kubernetes-validate"), "--strict", "--kubernetes-version", version, files[0])


def pods_of(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods that KubeRay's operator would make, before it adds its own to them."""
    groups = {"head": cluster["spec"]["headGroupSpec"]}
    groups |= {each["groupName"]: each for each in cluster["spec"]["workerGroupSpecs"]}
    metadata = {name: {"name": name} | each["template"]["metadata"] for name, each in groups.items()}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata[name], "spec": each["template"]["spec"]}
        for name, each in groups.items()
    ]


def test_pods_for_fits_are_not_served(rendered: dict[str, Rendered]) -> None:
    """Neither the Service nor the Deployment takes them for its own, and each knows the token by a file alone."""
    found = rendered["fits on further pods"]
    for pod in pods_of(found.one("RayCluster")):
        assert not found.get("Service spec.selector").items() <= pod["metadata"]["labels"].items()
        (container,) = pod["spec"]["containers"]
        names = {each["name"] for each in container["env"]}
        assert "RAY_AUTH_TOKEN_PATH" in names
        assert "RAY_AUTH_TOKEN" not in names


@pytest.mark.parametrize("kind", FOREIGN)
def test_the_operators_take_their_kinds(kind: str, rendered: dict[str, Rendered]) -> None:
    objects = [each for found in rendered.values() for each in found.objects if each["kind"] == kind]
    assert objects
    checker = jsonschema.Draft7Validator(FOREIGN[kind]["schema"])
    assert [error.message for each in objects for error in checker.iter_errors(each)] == []


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_helm_finds_nothing_to_say(case: dict[str, Any], tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(case["values"]))
    tools.run(tools.helm(), "lint", "--strict", "--values", values, CHART)


def test_the_rendered_yaml_is_clean(rendered: dict[str, Rendered], tmp_path: Path) -> None:
    files = []
    for number, found in enumerate(rendered.values()):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(found.text)
    # The dashboard has long lines, and helm does not indent lists of values.
    allowed = "line-length: disable, braces: disable, indentation: {indent-sequences: whatever}"
    rules = f"{{extends: default, rules: {{{allowed}}}}}"
    tools.run(tools.tool("yamllint"), "--strict", "--config-data", rules, *files)


@pytest.mark.parametrize(("values", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_the_chart_refuses_what_cannot_work(values: dict[str, Any], why: str, tmp_path: Path) -> None:
    done = template(values, tmp_path)
    assert done.returncode != 0
    assert why in done.stderr


def test_no_secret_stands_in_another_object_than_the_secret(tmp_path: Path) -> None:
    secrets = {"apiToken": "TOKEN-VALUE", "values": {"splunk_hec_token": "HEC-VALUE"}}
    found = render({"secret": secrets}, tmp_path)
    others = yaml.safe_dump([each for each in found.objects if each["kind"] != "Secret"])
    assert "VALUE" not in others


def test_a_changed_secret_starts_new_pods(tmp_path: Path) -> None:
    place = "Deployment spec.template.metadata.annotations.checksum/secret"
    sums = {render({"secret": {"apiToken": token}}, tmp_path).get(place) for token in ("a", "b", "a")}
    assert len(sums) == 2


def test_the_test_pod_is_neither_served_nor_replaced_by_the_deployment(rendered: dict[str, Rendered]) -> None:
    found = rendered["defaults"]
    selector = found.get("Service spec.selector")
    assert selector == found.get("Deployment spec.selector.matchLabels")
    assert not selector.items() <= found.get("Pod metadata.labels").items()
    assert found.get("Pod metadata.annotations")["helm.sh/hook"] == "test"


NOTES = {
    "defaults": (
        ["https://t-dltk.n.svc:5000", "helm test --namespace n t", "may call nobody but DNS"],
        ["JupyterLab:"],
    ),
    "without TLS behind a Route": (["$(kubectl --namespace n get route t-dltk", "does not encrypt"], []),
    "OpenShift by its switch": (["endpoint URL   https://dltk.example.com", "JupyterLab:"], ["does not encrypt"]),
    "every extension point": (["endpoint URL   https://dltk.example.com"], ["helm test", "JupyterLab:"]),
}


@pytest.mark.parametrize("name", NOTES)
def test_the_notes_after_an_installation_name_address_token_and_what_is_open(name: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(next(case["values"] for case in CASES if case["name"] == name)))
    printed = tools.run(
        tools.helm(), "install", "t", CHART, "--namespace", "n", "--dry-run=client", "--values", values
    ).partition("NOTES:")[2]
    said, unsaid = NOTES[name]
    assert [text for text in [*said, "jsonpath='{.data.api_token}'"] if text not in printed] == []
    assert [text for text in unsaid if text in printed] == []
