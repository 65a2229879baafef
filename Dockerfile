# docker build -t classifier . && docker run --rm -v "$PWD:/data" classifier report yours.pcap
FROM rust:1-slim-trixie AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip
COPY . /source
RUN pip wheel --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim-trixie
RUN --mount=from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(ls /wheels/pcap_classifier-*.whl)[web,live]"
RUN useradd --create-home classifier
USER classifier
WORKDIR /data
ENTRYPOINT ["classifier"]
CMD ["--help"]
