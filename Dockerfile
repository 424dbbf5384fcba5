# The benchmark and nothing else: no compiler, no pip, no test tools, no privileges.
#
#   make image                                       (needs BuildKit)
#   docker run --rm --network=none competitive-rl-bench list
#   docker run --rm --network=none -v bench:/work competitive-rl-bench run --attack ours
#
# The base is named by tag here. For an image whose results others replay, name its digest:
#   --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm
# An image that holds wheels in /wheels, where TORCH_INDEX cannot be reached; none by default.
ARG WHEELS=scratch

FROM ${WHEELS} AS wheels
# Made here if the image has none, so that it can always be mounted below.
WORKDIR /wheels

FROM ${BASE} AS builder
# Asked for torch alone. Empty: only pip's own index, whose torch for Linux brings CUDA along.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
# Removed at the end: C++ headers, test programs and a viewer, 200 MB that nothing here loads.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
    && sed '/^# --- what the tests need/,$d' requirements.lock > run.lock \
    && pip="python -m pip --python /opt/venv/bin/python install --quiet --find-links /wheels" \
    && $pip ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} "$(grep '^torch==' run.lock)" \
    && $pip --requirement run.lock \
    && cd /opt/venv/lib/python3*/site-packages \
    && rm -rf torch/test torch/bin/test_* torch/include mujoco/experimental
COPY . ./
RUN python -m pip --python /opt/venv/bin/python install --quiet --no-deps --no-build-isolation .

FROM ${BASE}
LABEL org.opencontainers.image.title="competitive-rl-bench" \
      org.opencontainers.image.licenses="Apache-2.0"
# The official base carries pip; a finished image installs nothing.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip \
        /usr/local/lib/python3*/site-packages/pip /usr/local/lib/python3*/site-packages/pip-* \
    && groupadd --gid 10001 bench \
    && useradd --uid 10001 --gid bench --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin bench \
    && install --directory --owner=bench --group=bench /work
COPY --from=builder /opt/venv /opt/venv
# One thread and a fixed hash seed: the same cell gives the same record.
# The compiled kernels go where a read-only container still has a tmpfs.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    TZ=UTC LANG=C.UTF-8 LC_ALL=C.UTF-8 \
    PYTHONHASHSEED=0 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
    NUMBA_CACHE_DIR=/tmp/numba
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["bench"]
