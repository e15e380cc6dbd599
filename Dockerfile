# Images of the five services: static binaries on nothing, one target per service.
#
#   docker build --target cart-svc --build-arg OXCART_COMMIT="$(git rev-parse HEAD)" .
#
# For another architecture add --platform (buildx); it is compiled for here, not emulated.
# The engine's built-in BuildKit is enough: nothing here needs a newer syntax than that of Docker 20.10.

ARG RUST_IMAGE=rust:1.95-slim-bookworm

# The manifests, each with an empty program in place of its code.
# It runs again whenever a file has changed, but the next stage only if what it leaves has.
FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS manifests
WORKDIR /source
COPY . .
RUN set -eu; mkdir /manifests; cp Cargo.toml Cargo.lock /manifests; \
    for manifest in */Cargo.toml */*/Cargo.toml; do \
        package="/manifests/$(dirname "$manifest")"; \
        mkdir -p "$package/src"; \
        cp "$manifest" "$package"; \
        touch "$package/src/lib.rs"; \
        for test in $(sed -n '/^\[\[test\]\]/,/^$/s/^name = "\(.*\)"/\1/p' "$manifest"); do \
            mkdir -p "$package/tests"; touch "$package/tests/$test.rs"; \
        done; \
        echo 'fn main() {}' >"$package/src/main.rs"; \
        if [ -e "$(dirname "$manifest")/build.rs" ]; then echo 'fn main() {}' >"$package/build.rs"; fi; \
    done

# The dependencies, and then our own code. Both are compiled for $TARGETARCH by one command, so that
# what the services share is compiled once.
FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS build
WORKDIR /source
ARG BUILDARCH
ARG TARGETARCH
RUN set -eu; \
    case "$TARGETARCH" in \
        amd64) target=x86_64-unknown-linux-gnu; compiler=x86-64-linux-gnu ;; \
        arm64) target=aarch64-unknown-linux-gnu; compiler=aarch64-linux-gnu ;; \
        *) echo "no target is known for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    mkdir /build; \
    printf '[build]\ntarget = "%s"\nrustflags = ["-C", "target-feature=+crt-static"]\n' "$target" >/build/config.toml; \
    if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
        apt-get update; \
        apt-get install -y --no-install-recommends "gcc-$compiler" "libc6-dev-$TARGETARCH-cross"; \
        rm -rf /var/lib/apt/lists/*; \
        rustup target add "$target"; \
        printf '[target.%s]\nlinker = "%s-gcc"\n' "$target" "$(echo "$compiler" | sed s/x86-64/x86_64/)" >>/build/config.toml; \
    fi
COPY --from=manifests /manifests .
ENV CARGO_TARGET_DIR=/build/target
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo --config /build/config.toml build --release --locked \
        -p cart-svc -p catalog-svc -p controller-svc -p idp-stub -p payment-stub

COPY . .
ARG OXCART_COMMIT=unknown
# Cargo looks at times only, and a checkout may be older than the empty programs that were just built.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    set -eu; find . -name '*.rs' -exec touch {} +; \
    OXCART_COMMIT="$OXCART_COMMIT" cargo --config /build/config.toml build --release --locked \
        -p cart-svc -p catalog-svc -p controller-svc -p idp-stub -p payment-stub; \
    mkdir /programs; \
    for program in cart-svc catalog-svc controller-svc idp-stub payment-stub; do \
        cp /build/target/*-linux-gnu/release/$program /programs; \
    done

# What every image has besides its program. No shell, no libraries, no accounts.
FROM scratch AS service
# Whom to trust where the issuer has an https address. Mount another file over it to trust others.
COPY --from=manifests /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ARG OXCART_VERSION=0.1.0
ARG OXCART_COMMIT=unknown
LABEL org.opencontainers.image.version="$OXCART_VERSION" \
      org.opencontainers.image.revision="$OXCART_COMMIT" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.vendor="Oxcart"

FROM service AS catalog-svc
LABEL org.opencontainers.image.title="catalog-svc" \
      org.opencontainers.image.description="Oxcart's catalogue: items for sale, their descriptions and prices"
COPY --from=build /programs/catalog-svc /catalog-svc
ENV OXCART_LISTEN=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=3s CMD ["/catalog-svc", "--check-health"]
ENTRYPOINT ["/catalog-svc"]

FROM service AS cart-svc
LABEL org.opencontainers.image.title="cart-svc" \
      org.opencontainers.image.description="Oxcart's carts, and the record of their checkouts"
COPY --from=build /programs/cart-svc /cart-svc
ENV OXCART_LISTEN=0.0.0.0:50052
EXPOSE 50052
HEALTHCHECK --interval=10s --timeout=3s CMD ["/cart-svc", "--check-health"]
ENTRYPOINT ["/cart-svc"]

FROM service AS idp-stub
LABEL org.opencontainers.image.title="idp-stub" \
      org.opencontainers.image.description="Oxcart's identity provider for development"
COPY --from=build /programs/idp-stub /idp-stub
ENV OXCART_LISTEN=0.0.0.0:50053 OXCART_HTTP_LISTEN=0.0.0.0:8081
EXPOSE 50053 8081
HEALTHCHECK --interval=10s --timeout=3s CMD ["/idp-stub", "--check-health"]
ENTRYPOINT ["/idp-stub"]

FROM service AS payment-stub
LABEL org.opencontainers.image.title="payment-stub" \
      org.opencontainers.image.description="Oxcart's simulated payment processor"
COPY --from=build /programs/payment-stub /payment-stub
ENV OXCART_LISTEN=0.0.0.0:50054
EXPOSE 50054
HEALTHCHECK --interval=10s --timeout=3s CMD ["/payment-stub", "--check-health"]
ENTRYPOINT ["/payment-stub"]

# The last one is what `docker build .` makes: the service that shoppers' clients talk to.
FROM service AS controller-svc
LABEL org.opencontainers.image.title="controller-svc" \
      org.opencontainers.image.description="Oxcart's controller: what a shop's client talks to"
COPY --from=build /programs/controller-svc /controller-svc
ENV OXCART_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["/controller-svc", "--check-health"]
ENTRYPOINT ["/controller-svc"]
