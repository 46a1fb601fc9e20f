# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""A small operating-system simulation: tasks, queues, packets (objects and attributes)."""
from collections import deque


class Packet:
    def __init__(self, kind, data):
        self.kind, self.data, self.link = kind, data, None


class Task:
    def __init__(self, name, nxt):
        self.name, self.next, self.queue, self.work = name, nxt, deque(), 0

    def step(self, tasks):
        if not self.queue:
            return 0
        p = self.queue.popleft()
        self.work += p.data
        if p.data:
            q = Packet(p.kind, p.data - 1)
            q.link = (self.name, p.kind)
            tasks[self.next].queue.append(q)
        return 1


for _ in range(15):
    tasks = [Task(i, (i * 5 + 3) % 8) for i in range(8)]
    for i in range(200):
        tasks[i % 8].queue.append(Packet(f"p{i}", 150))
    while sum(t.step(tasks) for t in tasks):
        pass
