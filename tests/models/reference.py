"""The engine as it would be without folding: one plain recursion per policy, in virtual time that it moves itself.

Nothing of `meshkit.engine`, `meshkit.section` or the shells is used. What it says is what pipelines mean.
"""

from __future__ import annotations

from meshkit import AttemptTimedOut, Call, DeadlineExceeded, Rejected, Verdict

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


class Leave(Exception):
    """A rejection that goes to no other branch: it came through a retry."""

    def __init__(self, error):
        self.error = error


class End(Leave):
    """What ends the call, whatever stands around it.

    A rejection by the function itself, or the failure of an attempt after which a further one was refused, by
    ``rejection``. Only a fallback deals with it.
    """

    def __init__(self, error, rejection=None):
        super().__init__(error)
        self.rejection = rejection


class Reference:
    """Runs calls through states, outermost first, one after the other."""

    def __init__(self, states, door, clock, *, cuts):
        self.states = states
        self.door = door
        self.clock = clock
        self.cuts = cuts
        """Whether what is out too long is cut off at the deadline, as an await is and a sync function is not."""

    def call(self, fn, *args):
        call = Call(self.door, (args, {}), self.clock())
        try:
            return self.walk(self.states, call, fn, None)
        except Leave as leave:
            raise leave.error from None

    def verdict(self, call, error):
        error = error.error if isinstance(error, Leave) else error
        return self.door.judge(call, None, error) if error is not None else SUCCESS

    def walk(self, states, call, fn, retry):
        """``retry`` is the deadline outside the innermost retry, and whether there is one."""
        if not states:
            return self.send(call, fn, retry)
        state, *rest = states
        if hasattr(state, "destination"):
            return self.send(call, fn, retry)
        if getattr(state, "enter", None) is not None:
            return self.gate(state, rest, call, fn, retry)
        return self.step(state, rest, call, fn, retry)

    def gate(self, state, rest, call, fn, retry):
        if getattr(state, "facts", None) is not None:
            call.facts = {**(call.facts or {}), state: state.facts(call)}
        began = self.clock()
        wait = state.enter(call, began)
        if wait:
            self.clock.advance(wait)
            began += wait
        error = None
        try:
            return self.step(state, rest, call, fn, retry)
        except Exception as raised:
            error = raised
            raise
        finally:
            if state.exit is not None:
                state.exit(call, began, self.clock(), self.verdict(call, error))

    def step(self, state, rest, call, fn, retry):
        if hasattr(state, "again"):
            return self.repeat(state, rest, call, fn)
        if hasattr(state, "instead"):
            return self.fall_back(state, rest, call, fn, retry)
        if hasattr(state, "until"):
            until = state.until(call, self.clock())
            call.deadline = until if call.deadline is None else min(until, call.deadline)
        if hasattr(state, "pick"):
            return self.choose(state, call, fn, retry)
        return self.walk(rest, call, fn, retry)

    def repeat(self, state, rest, call, fn):
        deadline, attempt, delay, failure = call.deadline, 1, 0.0, None
        while True:
            call.attempt, call.deadline = attempt, deadline
            try:
                return self.walk(rest, call, fn, (deadline, attempt))
            except End:
                raise
            except (Rejected, Leave) as rejection:
                refused = rejection.error if isinstance(rejection, Leave) else rejection
                if failure is not None:
                    raise End(failure, refused) from None
                raise Leave(refused) from None
            except Exception as error:
                failure = error
                if self.verdict(call, error) is IGNORED or not state.matches(call.failure):
                    raise
                call.attempt, call.delay, call.deadline = attempt, delay, deadline
                wait = state.again(call, self.clock(), self.verdict(call, error))
                if wait is None:
                    raise
                self.clock.advance(wait)
                attempt, delay = attempt + 1, wait
                if call.endpoint is not None:
                    call.avoid = (*call.avoid, call.endpoint)

    def fall_back(self, state, rest, call, fn, retry):
        deadline = call.deadline
        try:
            return self.walk(rest, call, fn, retry)
        except End as end:
            willing = state.matches(self.door.failure(call, None, end.error))
            if not willing and (end.rejection is None or not state.catches(end.rejection)):
                raise
            if deadline is not None and self.clock() >= deadline:
                raise
        except (Rejected, Leave) as rejection:
            if not state.catches(rejection) or (deadline is not None and self.clock() >= deadline):
                raise
        except Exception:
            if not state.matches(call.failure) or (deadline is not None and self.clock() >= deadline):
                raise
        state.takes(call, self.clock())
        call.deadline = deadline
        return self.walk(state.instead, call, fn, retry)

    def choose(self, state, call, fn, retry):
        deadline, refused = call.deadline, []
        branch = state.pick(call, self.clock())
        while True:
            try:
                return self.walk(list(branch), call, fn, retry)
            except Rejected as rejection:
                if rejection.endpoint is None:
                    rejection.endpoint = call.endpoint
                refused.append(branch)
                call.avoid = (*call.avoid, call.endpoint)
                branch = state.pick(call, self.clock())
                if any(branch is each for each in refused):
                    raise
                call.deadline = deadline

    def send(self, call, fn, retry):
        began = self.clock()
        error = None
        try:
            if self.cuts and call.deadline is not None and began >= call.deadline:  # late already: not sent
                began = call.began_at
                raise Cut
            return fn(call, self.until(call))
        except Cut:
            attempt = retry is not None and (retry[0] is None or retry[0] > self.clock())
            text = "no answer within"
            if attempt:
                error = AttemptTimedOut(f"attempt {retry[1]}: {text} {call.deadline - began:.3g} s")
            else:
                error = DeadlineExceeded(f"{text} {call.deadline - call.began_at:.3g} s")
        except Rejected as rejection:
            raise End(rejection) from None
        except Exception as raised:
            error = raised
        finally:
            call.answered_at = self.clock()
            if error is not None:
                call.failure = self.door.failure(call, None, error)
        raise error

    def until(self, call):
        return call.deadline if self.cuts else None


class Cut(Exception):
    """The function was out when its deadline passed."""
