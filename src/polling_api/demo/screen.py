"""What the demo shows in the terminal."""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from polling_api.demo.followers import Follower

MILLISECONDS = 1000


def view_of(job: dict[str, Any], followers: Sequence[Follower]) -> RenderableType:
    """The job's newest known state above what each follower did and saw."""
    return Group(_job_panel(job), _followers_table(followers))


def newest(followers: Sequence[Follower], submitted: dict[str, Any]) -> dict[str, Any]:
    """The newest version of the job that any follower has seen."""
    jobs = [follower.account.job for follower in followers if follower.account.job]
    return max([submitted, *jobs], key=lambda job: job["version"])


def show_results(console: Console, results: Sequence[dict[str, Any]], total: int) -> None:
    """The first results, with what was answered."""
    table = Table(title=f"The first {len(results)} of {total} results", title_justify="left")
    for column in ("index", "custom_id", "outcome", "answer"):
        table.add_column(column)
    for result in results:
        table.add_row(str(result["index"]), result["custom_id"], result["outcome"], _answer_of(result))
    console.print(table)


def show_addresses(console: Console, base: str, simulator: str | None, path: str) -> None:
    """Where to go from here, with lines to paste."""
    addresses = Table.grid(padding=(0, 2))
    addresses.add_row("API, with documentation", f"{base}/docs")
    addresses.add_row("Health", f"{base}/health/ready")
    addresses.add_row("Metrics", f"{base}/metrics")
    addresses.add_row("Problem codes", f"{base}/problems")
    if simulator:
        addresses.add_row("Upstream simulator (OpenAI's wire)", simulator)
    console.print(Panel(addresses, title="Addresses", title_align="left"))
    console.print("[bold]Paste these[/]")
    for line in _lines_to_paste(base, path):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print()


def show_signing(console: Console, base: str, client: Path | None) -> None:
    """How a client signs its requests, with lines to paste."""
    if client is None:
        return
    console.print("[bold]And sign these[/], as the client that was made for you")
    for line in _lines_to_sign(base, client):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print()


def _job_panel(job: dict[str, Any]) -> RenderableType:
    progress = job["progress"]
    done = sum(progress[outcome] for outcome in ("completed", "failed", "expired", "cancelled"))
    counts = f"{done} of {progress['total']} done, {progress['failed']} failed"
    lines = Group(
        Text.assemble(("status ", "dim"), (job["status"], "bold"), ("   version ", "dim"), str(job["version"])),
        ProgressBar(total=progress["total"], completed=done, width=60),
        Text(counts, style="dim"),
    )
    return Panel(lines, title=job["id"], title_align="left")


def _followers_table(followers: Sequence[Follower]) -> Table:
    table = Table(
        caption="delay: from a version's commit to its being seen, median and longest", caption_justify="left"
    )
    table.add_column("transport", no_wrap=True)
    for column in ("requests", "304s", "bytes", "last version", "delay", "longest"):
        table.add_column(column, justify="right")
    for follower in followers:
        account = follower.account
        # The first state is as old as the job when its follower arrived: that is no delay of the service.
        delays = [delay * MILLISECONDS for delay in account.delays[1:]]
        table.add_row(
            follower.name,
            str(account.requests),
            str(account.not_modified),
            f"{account.bytes:,}",
            str(account.job.get("version", "")),
            f"{median(delays):.0f} ms" if delays else "",
            f"{max(delays):.0f} ms" if delays else "",
        )
    return table


def _answer_of(result: dict[str, Any]) -> str:
    if result["error"]:
        return result["error"]["message"]
    choices: list[dict[str, Any]] = result["response"]["body"].get("choices") or [{}]
    message: dict[str, Any] = choices[0].get("message", {})
    return str(message.get("content", ""))[:60]


def _lines_to_paste(base: str, path: str) -> list[str]:
    script = "queued 1s, in_progress 5s @40%, in_progress 5s @80% fail=1, succeeded"
    body = f'{{"requests":[{{"custom_id":"a","body":{{"model":"m"}}}}],"metadata":{{"simulator":"{script}"}}}}'
    return [
        "# submit a job whose course you choose",
        f"curl -s {base}/api/v1/jobs -H 'Content-Type: application/json' -d '{body}'",
        "# its status; send the ETag back for a 304",
        f"curl -si {base}{path}",
        "# wait up to 30 s for its next change",
        f"curl -si '{base}{path}?wait=30'",
        "# follow it",
        f"curl -N {base}{path}/events",
        "# read its results",
        f"curl -s '{base}{path}/results?limit=3'",
    ]


def _lines_to_sign(base: str, client: Path) -> list[str]:
    whoami, tokens = f"{base}/api/v1/whoami", f"{base}/api/v1/access-tokens"
    body = '{"jobs":"all"}'
    sign = f"{Path(sys.executable).parent / 'polling-api'} sign --client {client}"
    return [
        "# who am I?",
        f"{sign} GET {whoami} | curl -s -H @- {whoami}",
        "# a token with which somebody else may follow my jobs for 15 minutes",
        f"{sign} POST {tokens} --body '{body}' |",
        f"  curl -s -H @- -H 'Content-Type: application/json' -d '{body}' {tokens}",
    ]
