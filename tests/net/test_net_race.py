"""Which of several brokers is asked when, and whose answer counts."""

from __future__ import annotations

import asyncio
import math

import anyio

from kafkastatic._net.backoff import Backoff
from kafkastatic._net.opening import Node
from kafkastatic._net.race import Race
from kafkastatic.errors import AuthenticationError, BrokerUnreachableError, KafkaError, KafkaTimeoutError
from tests.support.virtual_loop import run_virtually

NEVER = math.inf
DOWN = BrokerUnreachableError("down", address="")
REFUSED = AuthenticationError(detail="no", address="", mechanism="PLAIN", username="alice")


class Brokers:
    """Each broker says its piece some seconds after it was asked: an error, or its own number."""

    def __init__(self, **says: tuple[float, KafkaError | None]) -> None:
        self._says = says
        self.asked: list[tuple[str, float]] = []
        self.running = self.most = 0

    def nodes(self, names: str) -> list[Node]:
        return [Node(name, 9092, Backoff(50, 1000, lambda: 0.5)) for name in names.split()]

    async def ask(self, node: Node, timeout: float) -> str:
        self.asked.append((node.host, asyncio.get_running_loop().time()))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            seconds, error = self._says[node.host]
            if seconds > timeout:
                await anyio.sleep(timeout)
                raise KafkaTimeoutError("late")
            await anyio.sleep(seconds)
            if error is not None:
                raise error
            return node.host
        finally:
            self.running -= 1


def raced(brokers: Brokers, known: str, others: str = "", timeout: float = 30.0) -> tuple[Race[str], float]:
    """The race when it is over, and at what time that was."""
    ended: list[tuple[Race[str], float]] = []

    async def main() -> None:
        now = asyncio.get_running_loop().time
        race = Race(brokers.ask, now, timeout)
        await race.run(brokers.nodes(known), brokers.nodes(others))
        ended.append((race, now()))

    run_virtually(main())
    return ended[0]


def test_a_broker_that_hangs_among_healthy_ones_costs_half_a_second() -> None:
    brokers = Brokers(a=(NEVER, None), b=(0.1, None), c=(0.1, None))
    race, at = raced(brokers, "a b c")
    assert (race.won, at) == (("b", "b:9092"), 0.6)
    assert brokers.asked == [("a", 0.0), ("b", 0.5)]


def test_a_broker_that_nobody_can_stand_in_for_is_asked_without_a_task_of_its_own() -> None:
    asking: list[asyncio.Task[object] | None] = []

    async def ask(_: Node, timeout: float) -> str:
        asking.append(asyncio.current_task())
        return f"within {timeout:g} s"

    async def main() -> None:
        for known, others in (("a", ""), ("", "a")):
            race = Race(ask, asyncio.get_running_loop().time, 30.0)
            await race.run(Brokers().nodes(known), Brokers().nodes(others))
            assert race.won == ("within 30 s", "a:9092")
        assert asking == [asyncio.current_task()] * 2

    run_virtually(main())


def test_brokers_that_are_down_are_passed_over_at_once() -> None:
    brokers = Brokers(a=(0.0, DOWN), b=(0.0, DOWN), c=(0.1, None))
    race, at = raced(brokers, "a b c")
    assert (race.won, at) == (("c", "c:9092"), 0.1)
    assert [address for address, _ in race.failures] == ["a:9092", "b:9092"]


def test_brokers_that_are_down_are_passed_over_at_once_beside_one_that_hangs() -> None:
    brokers = Brokers(a=(NEVER, None), b=(0.0, DOWN), c=(0.0, DOWN), d=(0.25, None))
    race, at = raced(brokers, "a b c d")
    assert (race.won, at) == (("d", "d:9092"), 0.75)


def test_a_cluster_that_is_slow_is_asked_three_times_ever_more_rarely() -> None:
    """By an answer that takes four seconds everywhere; nobody is asked again."""
    brokers = Brokers(**dict.fromkeys("abcdef", (4.0, None)))
    race, at = raced(brokers, "a b c d e f")
    assert (race.won, at) == (("a", "a:9092"), 4.0)
    assert brokers.asked == [("a", 0.0), ("b", 0.5), ("c", 1.5)]


def test_three_that_hang_do_not_keep_a_fourth_from_being_asked() -> None:
    """One that has said nothing for five seconds counts no more, though its answer still would."""
    brokers = Brokers(**dict.fromkeys("abc", (NEVER, None)), d=(NEVER, None), e=(0.25, None))
    race, at = raced(brokers, "a b c d e")
    assert brokers.asked == [("a", 0.0), ("b", 0.5), ("c", 1.5), ("d", 5.0), ("e", 5.5)]
    assert (race.won, at) == (("e", "e:9092"), 5.75)

    brokers = Brokers(a=(9.0, None), **dict.fromkeys("bcdef", (NEVER, None)))
    race, at = raced(brokers, "a b c d e f")
    assert (race.won, at) == (("a", "a:9092"), 9.0)


def test_known_brokers_that_are_slow_keep_the_bootstrap_servers_out() -> None:
    """However many they are: wherever those lead by now, the cluster lives."""
    brokers = Brokers(**dict.fromkeys("abcdef", (8.0, None)), x=(0.0, None))
    race, at = raced(brokers, "a b c d e f", "x")
    assert (race.won, at) == (("a", "a:9092"), 8.0)
    assert "x" not in dict(brokers.asked)


def test_when_every_known_broker_has_failed_the_bootstrap_servers_are_asked_at_once() -> None:
    brokers = Brokers(a=(0.0, DOWN), b=(2.0, DOWN), x=(NEVER, None), y=(0.25, None))
    race, at = raced(brokers, "a b", "x y")
    assert brokers.asked == [("a", 0.0), ("b", 0.0), ("x", 2.0), ("y", 2.5)]
    assert (race.won, at) == (("y", "y:9092"), 2.75)


def test_known_brokers_that_hang_are_waited_for_alone_for_ten_seconds() -> None:
    """One of them may still be the first to answer."""
    brokers = Brokers(a=(NEVER, None), b=(NEVER, None), x=(0.25, None))
    race, at = raced(brokers, "a b", "x")
    assert brokers.asked == [("a", 0.0), ("b", 0.5), ("x", 10.0)]
    assert (race.won, at) == (("x", "x:9092"), 10.25)

    brokers = Brokers(a=(10.5, None), b=(NEVER, None), x=(NEVER, None))
    race, at = raced(brokers, "a b", "x")
    assert (race.won, at) == (("a", "a:9092"), 10.5)


def test_half_of_a_short_time_is_the_bootstrap_servers_own() -> None:
    brokers = Brokers(a=(NEVER, None), x=(0.25, None))
    race, at = raced(brokers, "a", "x", timeout=1.0)
    assert (race.won, at) == (("x", "x:9092"), 0.75)


def test_known_brokers_that_were_not_asked_yet_have_their_turn_after_the_bootstrap_servers() -> None:
    brokers = Brokers(**dict.fromkeys("abcdef", (NEVER, None)), g=(0.25, None), x=(0.0, DOWN))
    race, at = raced(brokers, "a b c d e f g", "x")
    assert brokers.asked[6:] == [("x", 10.0), ("g", 10.0)]
    assert (race.won, at) == (("g", "g:9092"), 10.25)


def test_where_nothing_is_known_the_bootstrap_servers_are_asked_as_known_ones_would_be() -> None:
    brokers = Brokers(x=(NEVER, None), y=(NEVER, None), z=(0.5, None))
    race, at = raced(brokers, "", "x y z")
    assert brokers.asked == [("x", 0.0), ("y", 0.5), ("z", 1.5)]
    assert (race.won, at) == (("z", "z:9092"), 2.0)


def test_never_more_than_three_run_who_were_asked_within_five_seconds() -> None:
    """Counted over all of a race that nobody wins."""
    brokers = Brokers(**dict.fromkeys("abcdefgh", (4.9, DOWN)), **dict.fromkeys("xyz", (4.9, DOWN)))
    race, at = raced(brokers, "a b c d e f g h", "x y z", timeout=60.0)
    assert race.won is None
    assert len(race.failures) == 11
    assert brokers.most == 3
    assert at < 60


def test_a_race_that_nobody_wins_ends_in_its_time() -> None:
    brokers = Brokers(a=(NEVER, None), b=(NEVER, None))
    race, at = raced(brokers, "a b", timeout=3.0)
    assert (race.won, at) == (None, 3.0)
    assert [address for address, _ in race.failures] == ["a:9092", "b:9092"]


def test_a_login_that_a_broker_refuses_ends_the_race() -> None:
    """The others would refuse it too, and count the failures."""
    brokers = Brokers(x=(NEVER, None), y=(0.1, REFUSED), z=(0.0, None))
    race, at = raced(brokers, "", "x y z")
    assert (race.won, race.refused, at) == (None, REFUSED, 0.6)
    assert "z" not in dict(brokers.asked)

    brokers = Brokers(a=(0.1, REFUSED), b=(0.0, None), x=(0.0, None))
    race, at = raced(brokers, "a b", "x")
    assert (race.won, race.refused, at) == (None, REFUSED, 0.1)


def test_a_login_refused_where_the_bootstrap_servers_lead_does_not_count_while_a_known_broker_may_answer() -> None:
    """No second one is tried."""
    brokers = Brokers(a=(12.0, None), b=(NEVER, None), x=(0.1, REFUSED), y=(0.0, None))
    race, at = raced(brokers, "a b", "x y")
    assert (race.won, at) == (("a", "a:9092"), 12.0)
    assert "y" not in dict(brokers.asked)

    brokers = Brokers(a=(12.0, DOWN), x=(0.1, REFUSED), y=(0.0, None))
    race, at = raced(brokers, "a", "x y")
    assert (race.won, race.refused, at) == (None, REFUSED, 12.0)


def test_an_answer_counts_before_a_refusal_of_the_same_moment() -> None:
    """Whichever of them is met first."""
    for says in ({"x": (1.0, REFUSED), "y": (0.5, None)}, {"x": (1.0, None), "y": (0.5, REFUSED)}):
        race, at = raced(Brokers(**says), "", "x y")
        assert at == 1.0
        assert race.won is not None
        assert race.refused is None
