"""An agent that runs for ever: it watches a folder, and submits a task for each file in it.

Context: {"folder": what is watched, "kind": of the tasks, "every": seconds, 1 unless told}
Checkpoint: {file name: the version of it for which a task was submitted}
"""

import hashlib
from pathlib import Path
from typing import Any

import anyio

import musterd

FOR_EVER = 10_000
"""Attempts. Each restart of the daemon takes one, and so does each failure."""


@musterd.agent("watch", max_attempts=FOR_EVER, backoff=1, backoff_max=10)
async def watch(ctx: musterd.Context) -> None:
    """Look again and again. What goes wrong is raised, and the next attempt goes on from there."""
    options = _read(ctx.context)
    folder, done = Path(options["folder"]), ctx.restored or {}
    async with musterd.Client() as client:
        while True:
            found = await anyio.to_thread.run_sync(_versions, folder)
            new = {name: version for name, version in found.items() if done.get(name) != version}
            for name, version in new.items():
                # Named after what it is for, it is one task however often it is submitted: after
                # a crash before the checkpoint, say, or by a second watcher.
                task_id = f"file-{hashlib.sha256(f'{name}/{version}'.encode()).hexdigest()[:20]}"
                await client.submit(options["kind"], {"path": str(folder / name)}, task_id=task_id)
                ctx.log.info("submitted", file=name, submitted=task_id)
            if found != done:
                await ctx.checkpoint(found)
                done = found
            ctx.progress(note=f"watching {len(done)} files")
            await anyio.sleep(options["every"])


@musterd.agent("handle", timeout=600, max_attempts=3)
def handle(ctx: musterd.Context) -> dict[str, Any]:
    """What is done with a file: put your own work here."""
    body = Path(ctx.context["path"]).read_bytes()
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _versions(folder: Path) -> dict[str, str]:
    """The files by name; whoever writes one does so under a name with a dot, and renames it."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    return {path.name: f"{(at := path.stat()).st_mtime_ns}-{at.st_size}" for path in files}


def _read(context: Any) -> dict[str, Any]:
    """The context with its defaults. Another attempt would not mend a bad one."""
    if not isinstance(context, dict) or not {"folder", "kind"} <= context.keys():
        raise musterd.ContextRejected('give {"folder": PATH, "kind": of the tasks}')
    return {"every": 1.0} | context
