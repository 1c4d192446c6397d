# The runtime as a container that replaces a DSDL container.
#
#   docker build -t dltk .                              JupyterLab, PyTorch, TensorFlow, for the CPU
#   docker build --build-arg VARIANT=runtime -t dltk .  the API only, without a deep-learning framework
#   docker build --build-arg VARIANT=gpu -t dltk .      like the first, for NVIDIA GPUs
#   docker build --build-arg VARIANT=compat -t dltk .   like the first, with the library versions of DSDL 5.2.4
#   docker run -e api_token=… -v dltk:/srv -p 5000:5000 dltk
#
# Another base image, or the same by its digest: --build-arg BASE_IMAGE=…@sha256:… and, for the label,
# BASE_DIGEST=sha256:…; `make image BASE_IMAGE=…@sha256:…` sets both.
#
# Other package indexes: --build-arg PIP_INDEX_URL=… and PIP_EXTRA_INDEX_URL=…, or, if they need a
# password, a pip configuration that is in no layer: --secret id=pip.conf,src=…

ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm
ARG VARIANT=cpu

# 1. The base of all stages: the base image and the supervisor.
FROM ${BASE_IMAGE} AS base
ARG S6_VERSION=2.11.3.2-1
RUN apt-get update \
    && apt-get install -y --no-install-recommends "s6=${S6_VERSION}" \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig /var/log/apt /var/log/dpkg.log

# Labels and variables of the variants. NVIDIA's container runtime reads the variables.
FROM base AS base-runtime
LABEL org.opencontainers.image.description="Serves Jupyter notebooks to Splunk's fit, apply and summary: the API only"
FROM base AS base-cpu
LABEL org.opencontainers.image.description="Serves Jupyter notebooks with PyTorch and TensorFlow to Splunk's fit, apply and summary"
FROM base AS base-compat
LABEL org.opencontainers.image.description="Serves Jupyter notebooks to Splunk's fit, apply and summary, with the library versions of DSDL 5.2.4"
FROM base AS base-gpu
LABEL org.opencontainers.image.description="Serves Jupyter notebooks with PyTorch and TensorFlow, on NVIDIA GPUs, to Splunk's fit, apply and summary"
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# 2. A virtual environment with exactly the locked versions.
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
# Libraries are installed from the locks alone, so that this layer does not depend on the code.
COPY container/build.sh ./
COPY locks/ locks/
COPY pyproject.toml LICENSE ./
RUN --mount=type=secret,id=pip.conf,target=/run/secrets/pip.conf ./build.sh libraries "${VARIANT}"

# 3. The runtime, installed and checked in that environment, and copied to a separate folder.
FROM libraries AS build
ARG GXX_VERSION=4:12.2.0-3
RUN apt-get update && apt-get install -y --no-install-recommends "g++=${GXX_VERSION}" && rm -rf /var/lib/apt/lists/*
COPY README.md ./
COPY dltk_runtime/ dltk_runtime/
RUN ./build.sh runtime

# 4. The image: environment, runtime, notebooks to install on the volume, and the volume.
# In separate layers, so that a change of the code changes only a small layer.
# base-${VARIANT} is a stage of this file.
# hadolint ignore=DL3006
FROM base-${VARIANT} AS image
COPY --from=libraries /opt/dltk /opt/dltk
# Copied, not mounted: buildah's cache ignores changes of mounted files.
COPY --from=build /build/root/opt/dltk /opt/dltk
COPY container/ /opt/dltk/container/
COPY notebooks/ /opt/dltk/notebooks/
# Any user may run the image (OpenShift assigns a random one), always in group 0.
# Whatever runs a program that it may not read is hidden in /proc: with it go the memory files of
# secrets, which pass through s6, and the environment of commands that the engine starts.
RUN chmod g=u /srv \
    && chmod 711 /usr/bin/s6-svscan /usr/bin/s6-supervise \
    && install -m 711 "$(readlink -f /opt/dltk/bin/python3)" /opt/dltk/bin/python3-sealed
# HOME and USER: the user has no entry in /etc/passwd, and getpass would fail.
ENV PATH=/opt/dltk/container/bin:/opt/dltk/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=dltk \
    LOGNAME=dltk \
    DLTK_HOME=/srv \
    DLTK_NOTEBOOKS=/srv/notebooks \
    DLTK_HOST=0.0.0.0 \
    DLTK_UMASK=007 \
    ENABLE_HTTPS=true
USER 1001:0
WORKDIR /srv
VOLUME /srv
# The AI Toolkit waits for a mapping of each of these ports, Spark's (4040) too, on which nothing listens.
EXPOSE 5000 8888 6006 6000 4040
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3-sealed", "-I", "/opt/dltk/container/healthcheck.py"]
CMD ["python3", "-I", "/opt/dltk/container/start.py"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG BASE_IMAGE
ARG BASE_DIGEST=unknown
LABEL org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
LABEL org.opencontainers.image.title="dltk-runtime" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
