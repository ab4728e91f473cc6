# Trains on handwritten digits, as the README's main line does:
#   docker build -t keras-gans . && docker run --rm -v "$PWD/runs:/train/runs" keras-gans
# With a GPU:
#   docker build -t keras-gans:gpu --build-arg BASE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 \
#     --build-arg EXTRA=torch .
#   docker run --rm --gpus all -v "$PWD/runs:/train/runs" keras-gans:gpu
ARG BASE=python:3.11-slim
FROM ${BASE}

# tensorflow-cpu, tensorflow, jax or torch: see the extras of setup.cfg.
ARG EXTRA=tensorflow-cpu

# CUDA's images have no Python.
RUN command -v python3 >/dev/null && python3 -m venv --help >/dev/null 2>&1 || \
    (apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \
     && rm -rf /var/lib/apt/lists/*)

WORKDIR /src
COPY setup.cfg pyproject.toml keras_gans_cli.py README.md LICENSE ./
COPY keras_gans keras_gans
COPY zoo zoo
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir ".[${EXTRA}]"

ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /train
ENTRYPOINT ["keras-gans"]
CMD ["train"]
