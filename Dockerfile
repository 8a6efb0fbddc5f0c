# The program alone; docker-compose.yml runs it beside Apache Kafka, Redis and Postgres.
FROM swift:6.3-bookworm AS build
WORKDIR /src
COPY packages.txt .
RUN apt-get update \
    && apt-get install -y --no-install-recommends $(awk '$3 == "dev" {print $1}' packages.txt) \
    && rm -rf /var/lib/apt/lists/*
COPY Package.swift .
COPY packages packages
COPY services services
COPY pipelines pipelines
# Only the program's targets: a changed test does not build it anew.
RUN NEEDLETAIL_TARGETS=needletail swift build -c release --product needletail \
    && install -s .build/release/needletail /usr/local/bin/needletail

FROM swift:6.3-bookworm-slim
COPY packages.txt /tmp/packages.txt
RUN apt-get update \
    && apt-get install -y --no-install-recommends $(awk '$3 == "run" {print $1}' /tmp/packages.txt) \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt \
    && useradd --system --no-create-home --home-dir /needletail needletail
WORKDIR /needletail
COPY --from=build /usr/local/bin/needletail /usr/local/bin/needletail
COPY feature_repo feature_repo
COPY pipelines/crontab pipelines/crontab
COPY scripts/lib.sh scripts/first-run scripts/ready scripts/
RUN mkdir var && chown needletail var
USER needletail
VOLUME /needletail/var
ENTRYPOINT ["needletail"]
CMD ["--help"]
