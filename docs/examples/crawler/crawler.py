"""An agent that crawls: one page at a time, where robots.txt allows it, never leaving its hosts.

Context: {"seeds": URLs, "folder": where pages are kept, "most": URLs at most, 500 unless told,
          "delay": seconds between two pages, 1 unless told}
Message: a URL, one more seed.
Result:  {"pages": how many were kept, "failed": {URL: why}}
"""

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
from pages import Gate, Page, fetch

import musterd


@dataclass
class Crawl:
    """What is known so far, and a checkpoint as it stands.

    `urls` holds all in the order of their finding: up to `done` they have been visited, the rest is
    the frontier. As there are never more than `most` of them, a checkpoint stays small.
    """

    urls: list[str] = field(default_factory=list)
    done: int = 0
    hosts: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def seed(self, url: str, most: int) -> None:
        """Visit this one, and whatever it links to on its host."""
        if (host := urlsplit(url).netloc) not in self.hosts:
            self.hosts.append(host)
        self.find([url], most)

    def find(self, urls: list[str], most: int) -> None:
        """Visit these too, if they are new."""
        known = set(self.urls)
        new = [url for url in urls if url not in known and urlsplit(url).netloc in self.hosts]
        self.urls += new[: most - len(self.urls)]


@musterd.agent("crawl", timeout=6 * 3600, max_attempts=20)
async def crawl(ctx: musterd.Context) -> dict[str, Any]:
    """Visit everything that can be reached from the seeds."""
    options = _read(ctx.context)
    known = Crawl(**ctx.restored) if ctx.restored else Crawl()
    for url in options["seeds"]:
        known.seed(url, options["most"])
    async with anyio.create_task_group() as group:
        group.start_soon(_take_seeds, ctx, known, options["most"])
        await _visit_all(ctx, known, options)
        group.cancel_scope.cancel()
    return {"pages": known.done - len(known.failed), "failed": known.failed}


async def _visit_all(ctx: musterd.Context, known: Crawl, options: dict[str, Any]) -> None:
    folder, gate = Path(options["folder"]), Gate()
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    while known.done < len(known.urls):
        url = known.urls[known.done]
        ctx.progress(known.done / len(known.urls), f"{known.done} of {len(known.urls)}: {url}")
        # Nothing in the daemon may block, so the socket is read in a thread. A kill does not wait
        # for that thread: it ends by its own timeout.
        page = await anyio.to_thread.run_sync(fetch, url, gate, abandon_on_cancel=True)
        await _keep(page, folder, known, options["most"])
        await ctx.checkpoint(asdict(known))
        await anyio.sleep(options["delay"])


async def _keep(page: Page, folder: Path, known: Crawl, most: int) -> None:
    """The page is kept before it counts as done: a crash between the two repeats one page."""
    if page.problem:
        known.failed[page.url] = page.problem
    else:
        name = hashlib.sha256(page.url.encode()).hexdigest()[:16]
        await anyio.Path(folder / f"{name}.html").write_bytes(page.body)
        known.find(page.links, most)
    known.done += 1


async def _take_seeds(ctx: musterd.Context, known: Crawl, most: int) -> None:
    async for url in ctx.messages:
        known.seed(str(url), most)
        # Asking for the next message gives this one back for good, so it is kept before.
        await ctx.checkpoint(asdict(known))
        ctx.log.info("seed added", url=url)


def _read(context: Any) -> dict[str, Any]:
    """The context with its defaults. Another attempt would not mend a bad one."""
    if not isinstance(context, dict) or not {"seeds", "folder"} <= context.keys():
        raise musterd.ContextRejected('give {"seeds": [URL, …], "folder": PATH}')
    return {"most": 500, "delay": 1.0} | context
