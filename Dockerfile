# The runtime as a container that takes the place of a DSDL container.
#
#   docker build -t dltk .
#   docker run -e api_token=… -v dltk:/srv -p 5000:5000 dltk

ARG BASE_IMAGE=python:3.11-slim-bookworm

# 1. A virtual environment with exactly what the lock says.
FROM ${BASE_IMAGE} AS build
ARG VARIANT=cpu
ARG EXTRAS=all
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=/build/locks/${VARIANT}.txt
WORKDIR /build
RUN python3 -m venv /opt/dltk
ENV PATH=/opt/dltk/bin:${PATH}
# The libraries first, from the metadata alone, so that a change of the code does not install them again.
COPY locks/ locks/
COPY pyproject.toml LICENSE ./
RUN mkdir dltk_runtime \
    && touch README.md dltk_runtime/__init__.py \
    && pip install hatchling \
    && pip install --no-build-isolation ".[${EXTRAS}]"
COPY README.md ./
COPY dltk_runtime/ dltk_runtime/
RUN pip install --no-build-isolation --no-deps --force-reinstall .

# 2. The image: that environment, the notebooks, and the one persistent volume.
FROM ${BASE_IMAGE}
COPY --from=build /opt/dltk /opt/dltk
COPY container/healthcheck.py /opt/dltk/
COPY notebooks/ /srv/notebooks/
# Any user may run the image (OpenShift chooses one by chance), always in group 0.
RUN mkdir -p /srv/app/model/data /srv/app/graphics \
    && chgrp -R 0 /srv \
    && chmod -R g=u /srv
ENV PATH=/opt/dltk/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    DLTK_HOME=/srv \
    DLTK_NOTEBOOKS=/srv/notebooks \
    DLTK_HOST=0.0.0.0 \
    ENABLE_HTTPS=true
USER 1001:0
WORKDIR /srv
VOLUME /srv
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "/opt/dltk/healthcheck.py"]
CMD ["dltk", "serve"]
