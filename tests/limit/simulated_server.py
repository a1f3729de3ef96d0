"""A server with so many workers and a queue, and clients that all want more than it can do, in computed time.

Workers serve in the order of arrival, each call for 0.5 to 1.5 times ``service`` seconds by luck. The knee is the
number of workers: with fewer calls in flight some stand idle, with more the rest queue. Where ``room`` times as many
are in it already, it sends a call away at once, after a millisecond. A client that lost ``patience`` goes after so
many seconds, and the worker works on for nobody. Clients stand in the gate's own queue, and come again when they are
done.
"""

from __future__ import annotations

import heapq
import math
from random import Random

from meshkit.call import Call, Verdict

SUCCESS, FAILURE, OVERLOADED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED

MOMENT = 0.001


class Server:
    def __init__(self, gate, *, workers, clients, service=0.05, room=math.inf, patience=math.inf, seed=1):
        self.gate, self.service, self.room, self.patience = gate, service, room, patience
        self.rng = Random(seed)
        self.now = 0.0
        self.free_at = [0.0] * workers
        self.inside = 0
        self.events = []
        self.number = 0
        self.served = 0
        for _ in range(clients):
            self.at(0.0, self.come)

    def at(self, instant, what, *arguments):
        self.number += 1
        heapq.heappush(self.events, (instant, self.number, what, arguments))

    def resize(self, workers):
        """From now on so many workers; those that leave finish what they have."""
        self.free_at = sorted(self.free_at)[:workers]
        self.free_at += [self.now] * (workers - len(self.free_at))
        heapq.heapify(self.free_at)

    def come(self):
        call = Call(None, None, self.now)
        answer = self.gate.enter(call, self.now)
        if answer is None:
            self.begin(call)
        else:
            answer.wake = lambda: self.at(self.now, self.begin, call)

    def begin(self, call):
        arrived = self.now
        if self.inside >= self.room * len(self.free_at):
            self.at(arrived + MOMENT, self.end, call, arrived, OVERLOADED)
            return
        self.inside += 1
        end = max(arrived, heapq.heappop(self.free_at)) + self.service * self.rng.uniform(0.5, 1.5)
        heapq.heappush(self.free_at, end)
        self.at(end, self.leave)
        if end - arrived > self.patience:
            call.deadline = arrived + self.patience
            self.at(call.deadline, self.end, call, arrived, FAILURE)
        else:
            self.at(end, self.end, call, arrived, SUCCESS)

    def leave(self):
        self.inside -= 1

    def end(self, call, began, verdict):
        self.served += verdict is SUCCESS
        self.gate.exit(call, began, self.now, verdict)
        self.at(self.now, self.come)

    def run(self, seconds):
        """Let so many seconds pass. Answers the gate's limit at each hundredth of a second."""
        limits = []
        until = self.now + seconds
        while self.now < until:
            step = self.now + 0.01
            while self.events[0][0] <= step:
                self.now, _, what, arguments = heapq.heappop(self.events)
                what(*arguments)
            self.now = step
            limits.append(self.gate.permits.limit)
        return limits
