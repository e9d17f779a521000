"""Waiting for something to happen, without polling."""

import asyncio


class Activity:
    """Counts what is under way and wakes those whose wish came true."""

    def __init__(self):
        self.running = 0
        self.waiters = []

    def begin(self):
        self.running += 1

    def end(self):
        self.running -= 1
        self.changed()

    def changed(self):
        """Whoever changes what a predicate looks at calls this."""
        for predicate, future in self.waiters[:]:
            if not future.done() and predicate():
                future.set_result(True)

    async def wait(self, predicate, timeout):
        """True as soon as the predicate holds, False after the timeout."""
        if predicate():
            return True
        waiter = (predicate, asyncio.get_running_loop().create_future())
        self.waiters.append(waiter)
        try:
            return await asyncio.wait_for(waiter[1], timeout)
        except asyncio.TimeoutError:
            return False
        finally:
            self.waiters.remove(waiter)
