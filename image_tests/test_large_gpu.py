"""The gpu image on a machine without a GPU: consistent packages, service on the CPU, a warning.

Test files run in alphabetical order: this image needs the most disk, so it is removed before the
cpu image is built twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conftest import Start
from engine import Engine

GB = 1000**3
BUILT_FOR = """
import json, torch, tensorflow
print(json.dumps([torch.version.cuda, tensorflow.sysconfig.get_build_info()["cuda_version"]]))
"""


@pytest.fixture(scope="module")
def gpu_image(podman: Engine) -> Iterator[str]:
    """Build the image, which runs `pip check`. It is removed after the tests, as it is large."""
    tag = podman.build("gpu", "gpu", "--layers=false")
    yield tag
    podman.podman("rmi", "--force", tag)


def test_no_package_overwrites_a_file_of_another(podman: Engine, gpu_image: str) -> None:
    """Both frameworks install CUDA libraries, which conflict if their releases differ."""
    size = int(podman.podman("image", "inspect", "--format", "{{.Size}}", gpu_image).stdout)
    print(f"gpu image: {size / GB:.1f} GB")
    assert podman.replaced_files(gpu_image) == []
    files = "find /opt/dltk/lib -name 'libcudnn.so.*' -o -name 'libnccl.so.*' -o -name 'libcudart.so.*'"
    assert len(podman.inside(gpu_image, files)) == 3


def test_both_frameworks_are_built_for_one_cuda(podman: Engine, gpu_image: str) -> None:
    (line,) = podman.inside(gpu_image, f"/opt/dltk/bin/python3 -c '{BUILT_FOR}' 2>/dev/null")
    releases = json.loads(line)
    print(f"built for CUDA: PyTorch {releases[0]}, TensorFlow {releases[1]}")
    assert {release.split(".")[0] for release in releases} == {"12"}
    variables = podman.podman("image", "inspect", "--format", "{{json .Config.Env}}", gpu_image).stdout
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} <= set(json.loads(variables))


@pytest.mark.parametrize(
    ("algorithm", "sample", "target"),
    [("pytorch_nn", "iris", "species"), ("binary_nn_classifier", "breast_cancer", "is_malignant")],
)
def test_without_a_gpu_it_fits_and_applies(
    start: Start, gpu_image: str, volume: str, algorithm: str, sample: str, target: str
) -> None:
    container = start(gpu_image, volume=volume, memory="6g")
    print(f"ready after {container.ready():.2f} s")
    container.fit_and_apply_sample(algorithm, sample, target, epochs=3)


def test_without_a_gpu_the_doctor_says_so(start: Start, gpu_image: str, volume: str) -> None:
    container = start(gpu_image, volume=volume, memory="6g")
    container.ready()
    findings = json.loads(container.run("dltk", "doctor", "--json", check=False))["findings"]
    (gpu,) = [finding for finding in findings if finding["check"] == "gpu"]
    assert gpu["severity"] == "warning"
    assert gpu["text"].startswith("no GPU is visible")
    assert "--gpus all" in gpu["advice"]
    assert [finding for finding in findings if finding["severity"] == "error"] == []
