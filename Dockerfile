# Builds the action's image: one static binary and the CA roots, nothing else.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY tests tests
# Static glibc resolves names and speaks TLS without any file of the base.
RUN RUSTFLAGS="-Ctarget-feature=+crt-static" \
      cargo build --release --locked --package deployment-approvals --bin deployment-approvals \
        --target "$(rustc -vV | sed -n 's/^host: //p')" \
 && mkdir -p /out/etc/ssl/certs \
 && cp target/*/release/deployment-approvals /out/ \
 && ln -s deployment-approvals /out/deployment-approvals-post \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch
COPY --from=build /out/ /
ENTRYPOINT ["/deployment-approvals"]
