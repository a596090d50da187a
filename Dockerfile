# The server in an image that needs no right at all: its own user, a root file system that may be read-only,
# and one volume, /data, for everything that must last.
#
#   docker build -t customary .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v customary:/data -p 127.0.0.1:8080:8080 -e CUSTOMARY_ALLOW_CLEAR_HTTP=true customary
#
# In a container the server must listen on all of the container's addresses, and it refuses to start when Basic
# credentials would travel unencrypted to an address that is not loopback. The image does not decide that for
# you: say CUSTOMARY_ALLOW_CLEAR_HTTP=true where the port is published to the host's loopback only (as above,
# and in compose.yaml) or where a proxy that ends TLS is the only one that can reach it; in the latter case also
# set CUSTOMARY_PUBLIC_URL and CUSTOMARY_TRUSTED_PROXIES, because signatures cover the host that clients see.
#
# No secret is built in. The first start makes a root key in the volume; to keep it elsewhere, mount it as a
# file and name that in CUSTOMARY_ROOT_KEY_FILE (see compose.yaml).

FROM python:3.13-slim AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/customary
RUN pip install --no-cache-dir uv
WORKDIR /build
# The dependencies first: they are built anew only when they change.
COPY pyproject.toml ./
RUN uv sync --no-cache --no-dev --no-install-project
COPY README.md LICENSE ./
COPY src ./src
RUN uv sync --no-cache --no-dev --no-editable

FROM python:3.13-slim
RUN groupadd --system --gid 10001 customary \
    && useradd --system --uid 10001 --gid customary --home-dir /data --no-create-home --shell /usr/sbin/nologin customary \
    && install --directory --owner customary --group customary --mode 0700 /data \
    && install --directory /etc/customary
COPY --from=build /opt/customary /opt/customary
# The root file system is read-only, so nothing may be compiled or cached at run time.
ENV PATH=/opt/customary/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CUSTOMARY_DATA=/data \
    CUSTOMARY_HOST=0.0.0.0 \
    CUSTOMARY_PORT=8080
# A customary.toml that is mounted here is read; the server itself cannot write it.
WORKDIR /etc/customary
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Python, because the image has no curl; not `customary doctor`, which would start the whole program each time.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['CUSTOMARY_PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["customary"]
CMD ["serve"]
