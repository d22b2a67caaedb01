# `tagseg serve` in a container, on the CPU. docs/serve.md says how to build and start it.
FROM python:3.12-slim

# Ordinary builds of torch for Linux bring gigabytes of CUDA. With the index of its CPU builds here, pip takes those.
ARG PIP_EXTRA_INDEX_URL=""

COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY src /source/src
RUN pip install --no-cache-dir --constraint /source/constraints.txt '/source[serve]' \
    && rm -r /source \
    && useradd --create-home tagseg

USER tagseg
WORKDIR /home/tagseg
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD \
    ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/health', timeout=5)"]

# What follows the image's name replaces the last line: a folder or a repository, and further options.
ENTRYPOINT ["tagseg", "serve", "--host", "0.0.0.0", "--device", "cpu"]
CMD ["/model"]
