# syntax=docker/dockerfile:1
#
#   docker build -t hairpin .
#   docker run --network host hairpin
#
# Host networking because a relay that gives each allocation a port needs its whole range, and
# publishing tens of thousands of ports hangs hosts. Without it, have everything relayed through one
# port (--relay-ports shared): compose.yaml publishes that, 3478, 443 and 80, and nothing else.

FROM rust:1.95-slim-bookworm AS build
# The allocator is built with it, by any version of it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches keep dependencies and their builds from one image to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package hairpin \
    && install -D --mode=0755 target/release/hairpin /out/hairpin \
    && install -d --mode=0700 /out/state

# glibc, CA certificates and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/hairpin /usr/local/bin/hairpin
# Where --state-dir keeps certificates; a volume that is mounted here is made with this owner.
COPY --from=build --chown=65532:65532 /out/state /var/lib/hairpin
# 65532 may bind ports 443 and 80 where net.ipv4.ip_unprivileged_port_start allows it: Docker sets it to 0
# in its own networks. Elsewhere hairpin goes on without 443 and says so.
USER 65532:65532
# TURN and STUN; relaying through one port; everything for networks that let only 443 out; redirects and
# ACME; HTTP. Not exposed: metrics and health on 9478, which listens on loopback.
EXPOSE 3478/udp 3478/tcp 3479/udp 443/udp 443/tcp 80/tcp 8080/tcp
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/hairpin", "healthcheck"]
# SIGTERM, Docker's default, stops hairpin cleanly within --shutdown-timeout (10 s, as Docker waits).
ENTRYPOINT ["/usr/local/bin/hairpin"]
