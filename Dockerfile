# SimplePose in a container, for the CPU and for NVIDIA's GPUs: docs/container.md says how.
FROM python:3.12.12-slim-bookworm

# the address of other wheels of PyTorch, such as those for the CPU alone; empty: the usual ones
ARG TORCH_INDEX=""

WORKDIR /simplepose
COPY requirements.txt ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision \
    && pip install --no-cache-dir -r requirements.txt
COPY . ./
RUN python -m compileall -q . \
    && mkdir --mode=777 /work

# whoever it runs as may write there, and nowhere else
WORKDIR /work
ENV HOME=/tmp PYTHONUNBUFFERED=1 TORCH_HOME=/work/weights/cache
USER nobody
ENTRYPOINT ["python", "/simplepose/main.py"]
