# The benchmark and nothing else: no compiler, no pip, no test tools, no privileges.
#
#   bench image build        (or: make image)        builds this and says what it became
#   docker run --rm --network=none competitive-rl-bench list
#   docker run --rm --network=none -v bench:/work competitive-rl-bench run --attack ours
#
# `bench image build` names the base by digest where a registry serves it; by hand:
#   --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm
# An image that holds wheels in /wheels, where TORCH_INDEX cannot be reached; none by default.
ARG WHEELS=scratch

FROM ${WHEELS} AS wheels
# Made here if the image has none, so that it can always be mounted below.
WORKDIR /wheels

# What the lock file names, a layer that lasts as long as the lock file.
FROM ${BASE} AS packages
# Asked for torch alone. Empty: only pip's own index, whose torch for Linux brings CUDA along.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
# Removed: C++ headers, tests and a viewer, which nothing here loads.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
    && sed '/^# --- what the tests need/,$d' requirements.lock > run.lock \
    && pip="python -m pip --python /opt/venv/bin/python install --quiet --no-compile" \
    && pip="$pip --find-links /wheels" \
    && $pip ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} "$(grep '^torch==' run.lock)" \
    && $pip --requirement run.lock \
    && cd /opt/venv/lib/python3*/site-packages \
    && rm -rf torch/test torch/include mujoco/experimental \
    && find torch/bin -type f ! -name torch_shm_manager -delete \
    && find . -type d -name tests -prune -exec rm -rf {} + \
    && echo /opt/bench > bench.pth
# Bytecode bound to no file's time, so that a build on another day holds the same; left out is what
# a run does not import. Packages carry files for other Pythons too: the exit code says nothing.
RUN /opt/venv/bin/python -m compileall -qq -j 0 --invalidation-mode unchecked-hash \
        -x '/(_inductor|OpenGL|networkx|setuptools|narwhals|pygments|testing)/' /opt/venv/lib \
    || true

# This project: the one layer that a change of code makes anew.
FROM packages AS project
COPY . ./
RUN python -m pip --python /opt/venv/bin/python install --quiet --no-deps --no-build-isolation \
        --no-compile --target /opt/bench . \
    && cp requirements.lock /opt/bench/ \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/bench
# numba compiles once, here. It uses a cache only where it may write, so a container copies this
# one to its tmpfs; on another kind of processor it compiles again, there.
RUN NUMBA_CACHE_DIR=/opt/bench/numba /opt/venv/bin/python /opt/bench/bin/bench play \
        --adversary random --victim house-relu --episodes 1 --store /tmp/store > /dev/null \
    && printf '%s\n' '#!/bin/sh' \
        '[ -e "$NUMBA_CACHE_DIR" ] || cp -r /opt/bench/numba "$NUMBA_CACHE_DIR"' \
        'exec "$@"' > /opt/bench/start \
    && chmod 755 /opt/bench/start

FROM ${BASE}
# A finished image installs nothing, and nothing in it gives its user another's rights.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip \
        /usr/local/lib/python3*/site-packages/pip* \
        /usr/local/lib/python3*/site-packages/setuptools* \
        /usr/bin/pip* /usr/lib/python3*/ensurepip /usr/share/python-wheels \
        /usr/lib/python3/dist-packages/pip* /usr/lib/python3/dist-packages/setuptools* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && groupadd --gid 10001 bench \
    && useradd --uid 10001 --gid bench --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin bench \
    && install --directory --owner=bench --group=bench /work
COPY --from=packages /opt/venv /opt/venv
COPY --from=project /opt/bench /opt/bench
# One thread and a fixed hash seed: the same cell gives the same record.
ENV PATH=/opt/bench/bin:/opt/venv/bin:$PATH \
    HOME=/tmp \
    TZ=UTC LANG=C.UTF-8 LC_ALL=C.UTF-8 \
    PYTHONHASHSEED=0 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
    NUMBA_CACHE_DIR=/tmp/numba
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["/opt/bench/start", "bench"]
# What it was made of; `bench image build` fills these in, and `bench image show` reads them.
ARG BASE
ARG BASE_DIGEST=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="competitive-rl-bench" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}" \
      competitive-rl-bench.source="${SOURCE}"
