# The action's image: one static binary and the CA roots, nothing else. The runner starts it as root, in its own
# working directory: nothing here depends on either.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
# A panic aborts, so nothing reads unwind tables but backtraces. Only libgcc's own tables stay: octocrab's errors ask
# for a backtrace, which then ends at the first frame; without any table libgcc aborts the program.
RUN echo 'SECTIONS { /DISCARD/ : { *(EXCLUDE_FILE(*libgcc_eh.a:* *crtbegin*.o *crtend*.o) .eh_frame) } } INSERT AFTER .rodata;' \
      >no-unwind-tables.ld
# Static glibc resolves names and speaks TLS without any file of the base; packed relative relocations save 3 %, and
# the tables 12 %. Only GNU's linker can leave out tables by the file that they come from.
ENV RUSTFLAGS="-Ctarget-feature=+crt-static -Clink-arg=-fuse-ld=bfd -Clink-arg=-Wl,-z,pack-relative-relocs -Clink-arg=-Wl,-T,/build/no-unwind-tables.ld"

# The dependencies first, with stand-ins for our own sources: this layer changes only with the lock file.
COPY Cargo.toml Cargo.lock ./
COPY tests/github/Cargo.toml tests/github/
RUN mkdir -p src tests/github/src \
 && touch src/lib.rs tests/github/src/lib.rs \
 && echo 'fn main() {}' >src/main.rs \
 && cargo build --release --locked --package deployment-approvals --bin deployment-approvals \
      --target "$(rustc --print host-tuple)"

COPY src src
# Sources may be older than the stand-ins: without the touch cargo would keep those.
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --package deployment-approvals --bin deployment-approvals \
      --target "$(rustc --print host-tuple)" \
 && mkdir -p /out/etc/ssl/certs \
 && cp "target/$(rustc --print host-tuple)/release/deployment-approvals" /out/ \
 && ln -s deployment-approvals /out/deployment-approvals-post \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch
COPY --from=build /out/ /
ENTRYPOINT ["/deployment-approvals"]
