"""Nchan, a module of nginx in C: what can be had for streams and long polls, where Debian has its packages here."""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from stand.anchors import Anchor
from stand.service import free_port, running_process, until_ready

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
LACKING = "lacks: nginx, libnginx-mod-nchan"
_CONFIGURATION = """
{user}
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/pid;
error_log {folder}/log warn;
events {{ worker_connections 19000; multi_accept on; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    nchan_shared_memory_size 128M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /ready {{ return 200; }}
        location ~ ^/publish/(events|wait)/(\\w+)$ {{
            nchan_publisher;
            nchan_channel_id $1/$2;
            nchan_message_buffer_length 1;
            nchan_message_timeout 1h;
        }}
        location ~ ^/events/(\\w+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id events/$1;
            nchan_subscriber_first_message oldest;
            nchan_eventsource_ping_interval 15;
        }}
        location ~ ^/wait/(\\w+)$ {{
            nchan_subscriber longpoll;
            nchan_channel_id wait/$1;
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


def lacking() -> str:
    """What has to be installed before Nchan can be measured; empty where nothing has to."""
    return "" if MODULE.exists() and shutil.which("nginx") else LACKING


@asynccontextmanager
async def nchan() -> AsyncGenerator[Anchor | None]:
    """It, with one worker, for as long as the block runs; None where it is not installed."""
    program = shutil.which("nginx")
    if lacking() or program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="polling-nchan-") as name:
        folder, port = Path(name), free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        written = _CONFIGURATION.format(user=user, module=MODULE, folder=folder, port=port)
        (folder / "nginx.conf").write_text(written)
        async with running_process([program, "-c", str(folder / "nginx.conf"), "-p", name]) as process:
            await until_ready(f"http://127.0.0.1:{port}/ready")
            [worker] = psutil.Process(process.pid).children()
            yield Anchor(f"http://127.0.0.1:{port}", worker)
