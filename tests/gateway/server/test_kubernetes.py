"""Is what the page about Kubernetes says right? Its documents fit together, and its arguments start a gateway."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshkit.config import loads
from meshkit.config.units import duration

from .served import client, served

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "run-in-kubernetes.md"


@pytest.fixture(scope="module", name="documents")
def the_documents() -> dict[str, Any]:
    """Each by its kind and name."""
    texts = re.findall(r"^```yaml[^\n]*\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    every = [each for text in texts for each in yaml.safe_load_all(text)]
    return {f"{each['kind']} {each['metadata']['name']}": each for each in every}


def test_they_fit_together(documents: dict[str, Any]) -> None:
    deployment = documents["Deployment shop-gateway"]["spec"]
    pod = deployment["template"]["spec"]
    [container] = pod["containers"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    for name in ("shop-gateway", "shop-gateway-status"):
        service = documents[f"Service {name}"]["spec"]
        assert service["selector"] == labels
        assert {each["targetPort"] for each in service["ports"]} <= {*ports}
    policy = documents["NetworkPolicy shop-gateway"]["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {*ports}
    assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} <= {
        *ports
    }
    volumes = {each["name"]: each["configMap"]["name"] for each in pod["volumes"]}
    [mount] = container["volumeMounts"]
    assert f"ConfigMap {volumes[mount['name']]}" in documents
    file, *options = container["args"]
    given = dict(each.split("=") for each in options if "=" in each)
    assert Path(file).parent == Path(mount["mountPath"])
    assert Path(file).name in documents["ConfigMap shop-gateway"]["data"]
    assert pod["terminationGracePeriodSeconds"] > (duration(given["--grace"]) or 0) + (duration(given["--drain"]) or 0)
    assert int(given["--status"].rpartition(":")[2]) == ports["status"]
    status = documents["Service shop-gateway-status"]["metadata"]
    assert given["--status-name"] == f"{status['name']}.shop.svc"
    spec = loads(documents["ConfigMap shop-gateway"]["data"]["mesh.yaml"], "mesh.yaml")
    assert [each.port for each in spec.listeners] == [ports["http"]]


def test_the_arguments_start_a_gateway_that_the_probes_find_well(documents: dict[str, Any], tmp_path: Path) -> None:
    [container] = documents["Deployment shop-gateway"]["spec"]["template"]["spec"]["containers"]
    file = tmp_path / "mesh.yaml"
    file.write_text(documents["ConfigMap shop-gateway"]["data"]["mesh.yaml"], "utf-8")
    options = [each.replace("0.0.0.0:9901", "127.0.0.1:0") for each in container["args"][1:]]
    with served(file, *options, "--bind", "127.0.0.1:0") as gateway:
        found = gateway.line(r"serving public on (\S+) .*, status on (\S+)$")
        with client(found[2]) as kubelet:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert kubelet.get(container[probe]["httpGet"]["path"])[0] == 200
            assert kubelet.get("/metrics")[0] == 200
            with client(found[1]) as asking:
                assert asking.get("/readyz")[0] == 404  # there is no such route
            gateway.process.send_signal(signal.SIGTERM)
            while kubelet.get("/readyz")[0] == 200:  # until it has got there
                pass
        assert gateway.end(signal.SIGTERM) == 0


def test_the_image_begins_with_the_command() -> None:
    [text] = re.findall(r"^```dockerfile\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    steps = [line.partition(" ")[::2] for line in text.splitlines() if line]
    assert json.loads(dict(steps)["ENTRYPOINT"])[-2:] == ["/venv/bin/meshkit", "serve"]
    extras = re.search(r"/src\[([a-z,]+)\]", text)
    assert extras is not None
    project = (PAGE.parents[2] / "pyproject.toml").read_text("utf-8")
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras[1].split(","))
