"""What fsspec keeps open between two uses of a filesystem."""

import asyncio
import gc

import fsspec
import fsspec.asyn


def close_connections() -> None:
    """Closes the sessions of all filesystems and ends the thread that serves them; the next use begins anew.

    A fork has no use for either: it would have the sockets but not the thread.
    """
    loop, thread = fsspec.asyn.loop[0], fsspec.asyn.iothread[0]
    if loop is None or thread is None:
        return
    for kind in _kinds(fsspec.AbstractFileSystem):
        kind.clear_instance_cache()
    gc.collect()  # which closes the session of every filesystem that nobody holds
    asyncio.run_coroutine_threadsafe(_finish(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    fsspec.asyn.loop[0] = fsspec.asyn.iothread[0] = None


async def _finish() -> None:
    """Waits for what is under way, closing sessions included, and ends the threads that look up host names."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=1)
    await asyncio.get_running_loop().shutdown_default_executor()


def _kinds(kind: type[fsspec.AbstractFileSystem]) -> set[type[fsspec.AbstractFileSystem]]:
    return {kind}.union(*map(_kinds, kind.__subclasses__()))
