"""Stepped rollouts: tables of instants, a model, the laws, and simulations of a good canary and of bad ones."""

from __future__ import annotations

from math import comb
from random import Random

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import CircuitBreaker, Cluster, ConfigError, Constant, Overloaded, Pipeline, Retry, StateChanged, Verdict
from meshkit.call import Call
from meshkit.engine import fork
from meshkit.httpx import MeshTransport
from meshkit.route.branch import Branch
from meshkit.route.edit import RequestHeaders
from meshkit.route.rollout import Rollout
from meshkit.simulate import RESET, Simulation, exponential, fail, slow
from meshkit.testing import ManualClock, check

MAIN, NEW = Cluster("main", ["http://main"]), Cluster("new", ["http://new"])
SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
CANARY, OTHER = 1 - 2**-53, 0.0
"""Points of whoever goes to the canary in any step, and of whoever goes to the main branch up to the last one."""


def started(**options):
    state = Rollout(MAIN, NEW, **options).start(Random(1))
    state.fold(lambda states: states[-1].name)
    return state


def begun(state, now, point=CANARY):
    """A call that was given its branch, and the branch."""
    call = Call(None, None, now)
    call.facts = {state: state.facts(call)}
    call.facts[state].point = point
    state.enter(call, now)
    return call, state.pick(call, now)


def calls(state, now, count=1, verdict=SUCCESS, point=CANARY, *, seconds=0.0):
    """So many calls that began before ``now`` and end then; answers the state."""
    for _ in range(count):
        call, _ = begun(state, now - seconds, point)
        state.exit(call, now - seconds, now, verdict)
    return state.state


SMALL = {"steps": (0.1, 0.5, 1.0), "every": 10.0, "calls": 20}


def test_a_good_canary_takes_all_steps():
    state = started(**SMALL)
    assert state.state == "step 1 (10%)"
    assert state.snapshot(100.0)["new"]["share"] == 0.1
    table = [
        (100.0, 19, "step 1 (10%)"),
        (109.9, 10, "step 1 (10%)"),  # enough calls, not enough time
        (110.0, 1, "step 2 (50%)"),
        (120.0, 19, "step 2 (50%)"),  # enough time, not enough calls
        (500.0, 1, "step 3 (100%)"),
        (510.0, 20, "done"),
        (511.0, 100, "done"),
    ]
    for now, count, after in table:
        assert calls(state, now, count) == after, now
    shown = state.snapshot(512.0)
    assert (shown["new"]["share"], shown["main"]["share"], "step_over_in" in shown) == (1.0, 0.0, False)


def test_a_bad_canary_goes_back_at_once():
    state = started(**SMALL)
    assert calls(state, 0.0, 9, FAILURE) == "step 1 (10%)"  # not on fewer than 10 calls
    assert calls(state, 0.1, 1, FAILURE) == "rolled-back"
    assert state.snapshot(0.2)["new"] == {"share": 0.0, "calls": 10, "ended": 10, "failed": 10}
    assert {begun(state, 1.0)[1] for _ in range(3)} == {"main"}
    assert calls(state, 100.0, 50) == "rolled-back"


@pytest.mark.parametrize(
    ("good", "bad", "after"),
    [
        (0, 1, "step 1 (10%)"),
        (9, 1, "step 1 (10%)"),  # the first failure of ten is no proof: 11 * 10 * 0.01 * 0.99 ** 9 = 1.005
        (8, 2, "step 1 (10%)"),  # 11 * 45 * 0.01 ** 2 * 0.99 ** 8 = 0.046
        (7, 3, "rolled-back"),  # 11 * 120 * 0.01 ** 3 * 0.99 ** 7 = 0.0012, below the risk of 0.01
        (97, 3, "step 1 (10%)"),
        (94, 6, "step 1 (10%)"),  # 0.047
        (93, 7, "rolled-back"),  # 0.0064
    ],
)
def test_what_is_proof(good, bad, after):
    state = started(**SMALL)
    calls(state, 0.0, good)
    assert calls(state, 1.0, bad, FAILURE) == after


def test_a_step_is_held_while_a_limit_is_not_kept():
    state = started(**SMALL)
    calls(state, 0.0, 19)
    assert calls(state, 1.0, 1, FAILURE) == "step 1 (10%)"
    assert calls(state, 10.0, 79) == "step 1 (10%)"  # 1 of 99
    assert calls(state, 10.0, 1) == "step 2 (50%)"  # 1 of 100


def test_what_is_a_failure_and_what_is_nothing():
    state = started(**SMALL)
    calls(state, 0.0, 50, IGNORED)
    assert state.snapshot(0.0)["new"]["ended"] == 0
    calls(state, 0.0, 3, OVERLOADED)
    calls(state, 0.0, 2, FAILURE, OTHER)
    shown = state.snapshot(0.0)
    assert (shown["new"]["failed"], shown["main"]["failed"]) == (3, 2)
    assert state.numbers(None, 4.0) == {
        "state": "step 1 (10%)",
        "calls": 3,
        "failed": 3,
        "slow": 0,
        "main_calls": 2,
        "main_failed": 2,
        "step_over_in": 6.0,
    }
    assert (state.idle(), repr(state)) == (True, "<Rollout Rollout: step 1 (10%)>")


def test_a_step_begins_with_its_first_call_and_late_results_count_when_they_come():
    state = started(**SMALL)
    late = [begun(state, 1000.0)[0] for _ in range(12)]
    calls(state, 1009.0, 19)
    assert calls(state, 1010.0, 1) == "step 2 (50%)"
    for call in late:
        state.exit(call, 1000.0, 1011.0, FAILURE)
    assert state.state == "rolled-back"


def test_worse_than_the_main_branch():
    """A dependency of both fails for both: that is not the canary's fault, unless there is a limit of its own."""
    state = started(**SMALL, margin=0.05)
    assert state.spec.max_error_rate is None
    for k in range(40):
        calls(state, k / 10, 1, FAILURE if k % 4 else SUCCESS, OTHER)
        calls(state, k / 10, 1, FAILURE if k % 4 else SUCCESS)
    assert state.state == "step 1 (10%)"
    assert calls(state, 10.0, 1) == "step 2 (50%)"  # 30 of 41, to 30 of 40

    state = started(**SMALL, margin=0.05)
    calls(state, 0.0, 20, SUCCESS, OTHER)
    assert calls(state, 1.0, 9, FAILURE) == "step 1 (10%)"
    assert calls(state, 1.0, 1, FAILURE) == "rolled-back"
    assert calls(started(**SMALL, margin=0.05), 1.0, 50, FAILURE) == "step 1 (10%)"  # nothing to compare with


def test_in_the_last_step_the_calls_of_the_one_before_are_compared_with():
    state = started(steps=(0.5, 1.0), every=1.0, calls=10, margin=0.1)
    calls(state, 0.0, 100, SUCCESS, OTHER)
    calls(state, 1.0, 10)
    assert state.state == "step 2 (100%)"
    assert state.snapshot(1.0)["main"]["ended"] == 100
    assert calls(state, 1.5, 10, FAILURE) == "rolled-back"


def test_latency():
    state = started(**SMALL, max_latency=0.1, quantile=0.9)
    assert calls(state, 1.0, 7, seconds=0.1) == "step 1 (10%)"
    assert calls(state, 1.0, 2, seconds=0.11) == "step 1 (10%)"
    assert state.snapshot(1.0)["new"]["slow"] == 2
    assert calls(state, 11.0, 10) == "step 1 (10%)"
    assert calls(state, 11.0, 1) == "step 2 (50%)"  # 2 of 20
    assert calls(state, 12.0, 10, seconds=9.0) == "rolled-back"


def test_latency_ends_where_the_answer_begins():
    state = started(**SMALL, max_latency=0.1)
    for answered, counted in ((0.05, 0), (0.2, 1), (None, 2), (-1.0, 3)):  # none, or an earlier attempt's
        call, _ = begun(state, 0.0)
        call.answered_at = answered
        state.exit(call, 0.0, 5.0, SUCCESS)
        assert state.snapshot(5.0)["new"]["slow"] == counted


def test_by_hand():
    clock = ManualClock()
    pipeline = Pipeline(Rollout(MAIN, NEW, **SMALL, name="release"), clock=clock, seed=1)
    [state] = pipeline.states
    told = []
    pipeline.listen(lambda event: told.append(event.after) if isinstance(event, StateChanged) else None, direct=True)
    control = pipeline.control("release")

    control.pause()
    control.pause()
    assert calls(state, 0.0, 50) == "paused at step 1 (10%)"
    assert calls(state, 10.0, 1) == "paused at step 1 (10%)"
    assert state.snapshot(10.0)["new"]["ended"] == 0  # counted anew, lest old calls hide what new ones show
    clock.advance(10.0)
    control.resume()
    control.resume()
    assert calls(state, 19.9, 20) == "step 1 (10%)"  # the whole step once more
    assert calls(state, 20.0, 1) == "step 2 (50%)"

    control.pause()
    assert calls(state, 21.0, 10, FAILURE) == "rolled-back"
    for nothing in (control.pause, control.resume, control.advance):
        nothing()
        assert state.state == "rolled-back"

    late = begun(state, 22.0, OTHER)[0]
    clock.advance(15.0)
    control.reset()
    state.exit(late, 22.0, 25.0, FAILURE)
    assert state.snapshot(25.0)["main"]["ended"] == 0
    control.pause()
    for _ in range(3):
        control.advance()
    control.roll_back()
    assert told == [
        *("paused at step 1 (10%)", "step 1 (10%)", "paused at step 2 (50%)", "step 1 (10%)"),
        *("paused at step 1 (10%)", "step 2 (50%)", "step 3 (100%)", "done", "rolled-back"),
    ]
    with pytest.raises(ConfigError, match="main: control='advance': only a rollout has steps"):
        pipeline.control("main").advance()


def test_a_step_that_is_taken_is_told_to_listeners():
    clock = ManualClock()
    pipeline = Pipeline(Rollout(MAIN, NEW, steps=[0.5], every=1.0, calls=1), clock=clock, seed=1)
    told = []
    pipeline.listen(lambda event: told.append(event) if isinstance(event, StateChanged) else None, direct=True)
    for _ in range(20):
        pipeline.call(clock.advance, 0.5)
    assert [(each.policy, each.before, each.after) for each in told] == [("Rollout", "step 1 (50%)", "done")]


def test_a_canary_that_refuses_has_failed_and_the_main_branch_serves():
    guarded = Cluster("new", ["http://new"], pipeline=[CircuitBreaker(failures=2)])
    pipeline = Pipeline(Rollout(MAIN, guarded, steps=(0.5, 1.0)), seed=1)
    asked = []

    @pipeline
    def ask(endpoint=None):
        asked.append(endpoint.host)
        if endpoint.host == "new":
            raise ConnectionError

    failed = 0
    for _ in range(100):
        try:
            ask()
        except ConnectionError:
            failed += 1
    assert (failed, asked.count("new"), len(asked)) == (2, 2, 100)
    shown = pipeline.snapshot()["Rollout"]
    assert (shown["state"], shown["new"]["failed"]) == ("rolled-back", 10)
    assert pipeline.idle()


def test_attempts_side_by_side_count_each_for_its_own_branch():
    """The first is under way in the canary, which refuses the second one: that goes to the main branch."""
    state = started(steps=(1.0,))
    origin = Call(None, None, 0.0)
    first, second = (fork(origin) for _ in range(2))
    for call in (first, second):
        call.facts = {state: state.facts(call)}
        state.enter(call, 0.0)
        assert state.pick(call, 0.0) == "new"
    assert state.pick(second, 0.0) == "main"
    state.exit(first, 0.0, 1.0, SUCCESS)
    state.exit(second, 0.0, 1.0, FAILURE)
    shown = state.snapshot(1.0)
    assert (shown["new"]["ended"], shown["new"]["failed"]) == (2, 1)  # the one it has refused, too
    assert (shown["main"]["ended"], shown["main"]["failed"]) == (1, 1)
    third = fork(origin)
    third.facts = {state: state.facts(third)}
    state.enter(third, 2.0)
    assert state.pick(third, 2.0) == "main"  # a canary that has refused the call is not asked again


def test_when_both_refuse_the_call_is_refused():
    class Full:
        name = "full"
        exit = None

        def start(self, rng):
            return self

        def enter(self, call, now):
            raise Overloaded(policy=self.name)

    pipeline = Pipeline(Rollout(Branch([Full(), MAIN]), Branch([Full(), NEW]), steps=(0.5, 1.0), minimum=5), seed=1)
    for _ in range(20):
        with pytest.raises(Overloaded):
            pipeline.call(lambda: None)
    shown = pipeline.snapshot()["Rollout"]
    assert (shown["state"], shown["new"]["ended"], shown["main"]["ended"]) == ("rolled-back", 5, 0)


def test_attempts_of_one_call_stay_until_the_canary_is_taken_back():
    policies = Retry(on=ConnectionError, attempts=12, backoff=Constant(0.0), budget=None)
    for seed in range(10):
        pipeline = Pipeline(policies, Rollout(MAIN, NEW, steps=(0.5, 1.0), sticky="user"), seed=seed)
        asked = []

        @pipeline
        def ask(user, endpoint=None, asked=asked):
            asked.append(endpoint.host)
            if endpoint.host == "new":
                raise ConnectionError

        ask(f"user {seed}")
        assert asked in (["main"], ["new"] * 10 + ["main"])


def test_sessions_come_to_the_canary_and_stay():
    state = started(steps=(0.1, 0.5, 1.0), sticky=lambda call: call.request)
    seen = {}
    for share in (0.1, 0.5, 1.0):
        for user in range(200):
            call = Call(None, user, 0.0)
            call.facts = {state: state.facts(call)}
            state.enter(call, 0.0)
            branch = state.pick(call, 0.0)
            assert seen.get(user) != "new" or branch == "new"
            seen[user] = branch
        assert abs([*seen.values()].count("new") - 200 * share) < 36  # false alarm 1e-6
        state.advance(0.0)


def test_actions_and_cookies_through_a_client():
    new = Branch(NEW, actions=[RequestHeaders(set={"x-stage": "canary"})])
    pipeline = Pipeline(Rollout(MAIN, new, steps=(0.5, 1.0), cookie="release", minimum=1), seed=1)

    def servers(request):
        stage = request.headers.get("x-stage", "")
        return httpx.Response(503 if "fail" in str(request.url) and stage else 200, json=[request.url.host, stage])

    seen = set()
    for _ in range(12):
        with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(servers))) as client:
            first = client.get("http://shop/").json()
            assert client.get("http://shop/").json() == first
            seen.add(tuple(first))
    assert seen == {("main", ""), ("new", "canary")}


def test_the_actions_of_a_canary_that_refuses_are_undone():
    closed = Cluster("new", ["http://new"], pipeline=[CircuitBreaker(failures=1, name="breaker")])
    new = Branch(closed, actions=[RequestHeaders(set={"x-stage": "canary"})])
    pipeline = Pipeline(Rollout(MAIN, new, steps=(1.0,)), seed=1)
    pipeline.control("breaker", "new:80").isolate()
    transport = MeshTransport(
        pipeline, httpx.MockTransport(lambda request: httpx.Response(200, json=[*request.headers]))
    )
    with httpx.Client(transport=transport) as client:
        assert "x-stage" not in client.get("http://shop/").json()


class Model:
    """The same, by lists and exact powers, and nothing else of it."""

    def __init__(self, spec):
        self.spec = spec
        self.state, self.step, self.since, self.ended = "", 0, None, []

    def begin(self, now):
        if self.since is None:
            self.since = now

    def end(self, now, canary, failed, slow):
        if self.step is None:
            return
        self.ended.append((canary, failed, slow))
        of = [each for each in self.ended if each[0]]
        count, failures, slows = len(of), sum(each[1] for each in of), sum(each[2] for each in of)
        limits = ((failures, self.spec.max_error_rate), (slows, 1 - self.spec.quantile))
        if count >= self.spec.minimum and any(self.certain(count, *limit) for limit in limits):
            self.state, self.step = "rolled-back", None
        elif (
            now >= self.since + self.spec.every
            and count >= self.spec.calls
            and all(bad / count <= limit for bad, limit in limits)
        ):
            self.step, self.since, self.ended = self.step + 1, now, []
            if self.step == len(self.spec.steps):
                self.state, self.step = "done", None

    def certain(self, count, bad, limit):
        above = bad / count > limit
        return (
            above and (count + 1) * comb(count, bad) * limit**bad * (1 - limit) ** (count - bad) <= self.spec.risk / 2
        )

    def __str__(self):
        return self.state if self.step is None else f"step {self.step + 1} ({100 * self.spec.steps[self.step]:.6g}%)"


happens = st.tuples(
    st.sampled_from([0.0, 0.1, 1.0, 3.0]),
    st.booleans(),
    st.sampled_from([SUCCESS, SUCCESS, SUCCESS, SUCCESS, FAILURE, OVERLOADED, IGNORED]),
    st.sampled_from([0.0, 0.0, 0.0, 0.3]),
    st.integers(1, 8),
)


@settings(max_examples=40)
@given(trace=st.lists(happens, max_size=30), calls_=st.integers(1, 12), minimum=st.integers(1, 4))
def test_it_does_what_the_model_does(trace, calls_, minimum):
    options = {"steps": (0.25, 0.75), "every": 2.0, "calls": calls_, "minimum": min(minimum, calls_)}
    options |= {"max_error_rate": 0.2, "max_latency": 0.2, "quantile": 0.75, "risk": 0.2}
    state = started(**options)
    model = Model(state.spec)
    now = 0.0
    for after, canary, verdict, seconds, count in trace:
        for _ in range(count):
            now += after
            over = model.step is None
            call, branch = begun(state, now, CANARY if canary else OTHER)
            model.begin(now)
            if not over:
                assert branch == ("new" if canary else "main")
            now += seconds
            state.exit(call, now - seconds, now, verdict)
            if verdict is not IGNORED:
                model.end(now, branch == "new", verdict is not SUCCESS, seconds > 0.2)
            assert state.state == str(model)


def test_the_laws():
    def spec():
        return Rollout(MAIN, NEW, steps=(0.5, 1.0), every=1.0, calls=2, max_error_rate=0.3, max_latency=0.2, risk=0.2)

    check(spec, examples=20)
    check(lambda: Rollout(MAIN, NEW, steps=(0.5, 0.9), every=1.0, calls=2, margin=0.0, risk=0.5), examples=10)


def simulated(trouble, seconds=60.0, rate=50.0):
    """What became of the states and of the calls: (changes, failed calls, all calls, calls of the canary)."""
    simulation = Simulation(seed=1)
    old, new = (simulation.server(exponential(0.01), workers=100) for _ in range(2))
    main, canary = (Cluster(name, [each]) for name, each in zip(("main", "new"), simulation.endpoints, strict=True))
    rollout = Rollout(main, canary, steps=(0.05, 0.5, 1.0), every=10.0, calls=20, max_latency=0.1, quantile=0.9)
    [shell] = simulation.clients(1, rollout)
    changes = []
    shell.tree.listen(lambda event: changes.append(event) if isinstance(event, StateChanged) else None, direct=True)
    trouble(simulation.timeline, new, old)
    simulation.load(rate, seconds)
    tally = simulation.run()
    told = [(round(change.at, 1), change.after) for change in changes]
    return told, tally.errors.total(), tally.calls, shell.tree.snapshot()["Rollout"]["new"]["calls"]


def test_simulated_a_good_canary_is_done():
    changes, failed, count, canary = simulated(lambda timeline, new, old: None)
    assert [after for _, after in changes] == ["step 2 (50%)", "step 3 (100%)", "done"]
    assert changes[-1][0] < 32.0
    assert failed == 0
    assert canary > count / 2


def test_simulated_a_bad_canary_is_taken_back():
    """One call in five fails: 3 callers of about 3000 have met with an error when it is over."""
    changes, failed, count, canary = simulated(lambda timeline, new, old: fail(timeline, new, RESET, share=0.2))
    assert [after for _, after in changes] == ["rolled-back"]
    assert (failed, canary, count > 2900) == (3, 10, True)


def test_simulated_a_canary_that_turns_bad_under_load():
    """All is well with a twentieth of the calls; with half of them, some fail."""

    def trouble(timeline, new, old):
        fail(timeline, new, RESET, begin=12.0, share=0.1)

    changes, failed, count, canary = simulated(trouble)
    assert [after for _, after in changes] == ["step 2 (50%)", "rolled-back"]
    assert failed <= 12
    assert canary < count / 5


def test_simulated_a_slow_canary_is_taken_back():
    changes, failed, _, canary = simulated(lambda timeline, new, old: slow(timeline, new, 10.0))
    assert [after for _, after in changes] == ["rolled-back"]
    assert (failed, canary < 40) == (0, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": ()}, "steps=\\(\\): give growing shares"),
        ({"steps": (0.5, 0.1)}, "steps=.*: give growing shares"),
        ({"steps": (0.1, 0.1)}, "steps=.*: give growing shares"),
        ({"steps": (0.1, 1.5)}, "steps=.*: give growing shares"),
        ({"steps": (0.0, 1.0)}, "steps=.*: give growing shares"),
        ({"steps": (True,)}, "steps=.*: give growing shares"),
        ({"steps": (float("nan"),)}, "steps=.*: give growing shares"),
        ({"steps": 0.5}, "steps=0.5: give growing shares"),
        ({"every": 0}, "every=0: give a duration"),
        ({"calls": 0}, "calls=0: give a whole number"),
        ({"calls": "many"}, "calls='many': give a whole number"),
        ({"calls": 5, "minimum": 6}, "minimum=6: give at most 5"),
        ({"max_error_rate": 1.5}, "max_error_rate=1.5: give a ratio"),
        ({"max_error_rate": None}, "max_error_rate=None: nothing could take the canary back"),
        ({"margin": -0.1}, "margin=-0.1: give a ratio"),
        ({"margin": 0.1, "steps": (1.0,)}, "steps=\\(1.0,\\): the main branch has no calls to compare with"),
        ({"quantile": 1.0}, "quantile=1.0: give a number"),
        ({"risk": 0}, "risk=0: give a ratio"),
        ({"sticky": "a", "cookie": "b"}, "cookie=.*: sticky names the session already"),
    ],
)
def test_what_cannot_be(options, said):
    with pytest.raises(ConfigError, match=f"Rollout: {said}"):
        Rollout(MAIN, NEW, **options)
