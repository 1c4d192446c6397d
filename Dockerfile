# The runtime as a container that takes the place of a DSDL container.
#
#   docker build -t dltk .                              JupyterLab, PyTorch, TensorFlow, for the CPU
#   docker build --build-arg VARIANT=runtime -t dltk .  the API alone, without a deep-learning framework
#   docker build --build-arg VARIANT=gpu -t dltk .      as the first, for NVIDIA GPUs
#   docker run -e api_token=… -v dltk:/srv -p 5000:5000 dltk
#
# Other places for packages than pip's own: --build-arg PIP_INDEX_URL=… and PIP_EXTRA_INDEX_URL=…, or, where they need a
# password, a pip configuration that no layer keeps: --secret id=pip.conf,src=…

ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm
ARG VARIANT=cpu

# 1. All stages below stand on this: the base, and the supervisor.
FROM ${BASE_IMAGE} AS base
# No version: Debian keeps one in a release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends s6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig /var/log/apt /var/log/dpkg.log

# What the variants differ in besides their libraries. NVIDIA's container runtime reads the variables.
FROM base AS base-runtime
LABEL org.opencontainers.image.description="Serves Jupyter notebooks to Splunk's fit, apply and summary: the API alone"
FROM base AS base-cpu
LABEL org.opencontainers.image.description="Serves Jupyter notebooks with PyTorch and TensorFlow to Splunk's fit, apply and summary"
FROM base AS base-gpu
LABEL org.opencontainers.image.description="Serves Jupyter notebooks with PyTorch and TensorFlow, on NVIDIA GPUs, to Splunk's fit, apply and summary"
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# 2. A virtual environment with exactly what the lock says.
FROM base AS libraries
ARG VARIANT
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_CONFIG_FILE=/run/secrets/pip.conf \
    PATH=/opt/dltk/bin:${PATH}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /build
# The libraries first, from the metadata alone, so that a change of the code does not install them again.
COPY container/build.sh ./
COPY locks/ locks/
COPY pyproject.toml LICENSE ./
RUN --mount=type=secret,id=pip.conf,target=/run/secrets/pip.conf ./build.sh libraries "${VARIANT}"

# 3. The runtime itself, tried in that environment, and once more in a folder of its own.
FROM libraries AS build
COPY README.md ./
COPY dltk_runtime/ dltk_runtime/
RUN ./build.sh runtime

# 4. The image: that environment, the runtime, the notebooks to lay out, and the one persistent volume.
# In layers of their own, so that a change of the code is a small layer on those that everybody has already.
# A stage of this file.
# hadolint ignore=DL3006
FROM base-${VARIANT} AS image
COPY --from=libraries /opt/dltk /opt/dltk
# Copied and not mounted: buildah's cache does not see a change in what is mounted.
COPY --from=build /build/root/opt/dltk /opt/dltk
COPY container/ /opt/dltk/container/
COPY notebooks/ /opt/dltk/notebooks/
# Any user may run the image (OpenShift chooses one by chance), always in group 0.
RUN chmod g=u /srv
# HOME and USER: the user has no entry in /etc/passwd, and getpass would fail.
ENV PATH=/opt/dltk/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=dltk \
    LOGNAME=dltk \
    DLTK_HOME=/srv \
    DLTK_NOTEBOOKS=/srv/notebooks \
    DLTK_HOST=0.0.0.0 \
    ENABLE_HTTPS=true
USER 1001:0
WORKDIR /srv
VOLUME /srv
EXPOSE 5000 6000 6006 8888
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "/opt/dltk/container/healthcheck.py"]
CMD ["python3", "/opt/dltk/container/start.py"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dltk-runtime" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
