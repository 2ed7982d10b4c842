# The relay as an image: both programs, the libraries they need, CAs; for any of docker, podman, buildah.
# `./dev image` builds it, also where no registry can be reached (BASE is then made by mmdebstrap).
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y -qq --no-install-recommends \
	gcc libc6-dev make autoconf automake pkgconf libhttp-parser-dev libinih-dev libsystemd-dev libssl-dev \
	libc-ares-dev libjansson-dev libseccomp-dev
COPY . /src
ARG VERSION=0.1.0-dev
WORKDIR /src/build-image
RUN echo "${VERSION}" >../.version && (cd .. && autoreconf -fi) \
	&& ../configure -q --prefix=/usr --sysconfdir=/etc --localstatedir=/var --runstatedir=/run \
	&& make -s -j"$(nproc)" && make -s install-strip DESTDIR=/out \
	&& rm -rf /out/usr/share /out/usr/lib \
	&& install -D -m 644 ../LICENSE /out/usr/share/doc/regrelay/LICENSE

FROM ${BASE}
RUN apt-get update && apt-get install -y -qq --no-install-recommends \
	ca-certificates libhttp-parser2.9 libinih1 libsystemd0 libssl3 libc-ares2 libjansson4 libseccomp2 \
	&& rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/cache/ldconfig/* /var/log/* /var/lib/dpkg/*-old \
	&& echo 'regrelay:x:10085:10085:regrelay:/nonexistent:/usr/sbin/nologin' >>/etc/passwd \
	&& echo 'regrelay:x:10085:' >>/etc/group \
	&& install -d -m 750 -o 10085 -g 10085 /run/regrelay
COPY --from=build /out/ /
ARG VERSION=0.1.0-dev
ARG REVISION=unknown
ARG CREATED
LABEL org.opencontainers.image.title="regrelay" \
	org.opencontainers.image.description="A pull relay for private container registries that Kubernetes nodes cannot reach" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}" \
	org.opencontainers.image.created="${CREATED}"
# By number: runAsNonRoot cannot judge a name.
USER 10085:10085
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/sbin/regrelayd"]
