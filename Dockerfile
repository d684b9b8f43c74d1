# The service, its monitor and its simulator: one image, different commands. It stands on a Postgres and a Redis of
# their own; the embedded ones are for a bare machine.

FROM python:3.12-slim AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock ./
RUN pip install --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY src ./src
RUN pip install --no-deps --no-build-isolation .

FROM python:3.12-slim
# No home, no shell, no rights: it writes nothing but its logs, and the simulator its folder in /data.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin polling \
    && install --directory --owner=polling --mode=0700 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY alembic.ini ./
COPY alembic ./alembic
COPY examples ./examples
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 \
    POLLING_HOST=0.0.0.0 POLLING_DATA_DIR=/data POLLING_LOG_FORMAT=json
USER polling
EXPOSE 8000
# Alive, not ready: a service without its Postgres must not be restarted, it must be left out by the load balancer.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('POLLING_PORT', '8000') + '/health/live', timeout=2)"]
ENTRYPOINT ["polling-api"]
CMD ["serve", "--no-monitor"]
