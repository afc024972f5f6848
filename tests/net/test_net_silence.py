"""When a missing answer becomes a reason to doubt a broker."""

from __future__ import annotations

import math

from kafkastatic._net.silence import Silence


class Wire:
    """A connection that bytes come in on."""

    bytes = 0

    def received(self) -> int:
        return self.bytes


def test_an_answer_in_time_is_no_silence() -> None:
    silence, wire = Silence[str](1.0), Wire()
    with silence.waiting("one", 0.0, expected=0.5, patience=1.0, received=wire.received):
        assert silence.next_look() == 1.5
        assert not silence.look(1.4)

    assert silence.next_look() == math.inf
    assert not silence.look(99.0)


def test_an_answer_that_is_overdue_is_looked_at_once_in_every_patience() -> None:
    silence, wire = Silence[str](1.0), Wire()
    with silence.waiting("one", 0.0, expected=0.5, patience=1.0, received=wire.received):
        looks = [1.5, 1.6, 2.4, 2.5, 3.4, 3.5]

        assert [now for now in looks if silence.look(now)] == [1.5, 2.5, 3.5]


def test_an_answer_that_is_coming_in_is_no_silence_until_it_stops() -> None:
    silence, wire = Silence[str](1.0), Wire()
    with silence.waiting("one", 0.0, expected=0.0, patience=1.0, received=wire.received):
        wire.bytes = 10
        assert not silence.look(1.0)
        wire.bytes = 20
        assert not silence.look(2.0)
        assert silence.look(3.0) == ["one"]


def test_one_wait_among_others_is_enough_and_each_has_its_own_time() -> None:
    silence, still, busy = Silence[str](1.0), Wire(), Wire()
    with (
        silence.waiting("one", 0.0, expected=0.0, patience=1.0, received=busy.received),
        silence.waiting("two", 0.0, expected=0.0, patience=10.0, received=still.received),
    ):
        for now in range(1, 10):
            busy.bytes += 1
            assert not silence.look(float(now))
        busy.bytes += 1
        assert silence.look(10.0) == ["two"]
        assert silence.next_look() == 11.0


def test_many_that_wait_for_one_broker_are_told_of_together() -> None:
    silence, wire = Silence[str](1.0), Wire()
    with (
        silence.waiting("one", 0.0, expected=0.0, patience=1.0, received=wire.received),
        silence.waiting("one", 0.5, expected=0.0, patience=1.0, received=wire.received),
    ):
        assert [now / 10 for now in range(41) if silence.look(now / 10)] == [1.0, 2.0, 3.0, 4.0]
        assert silence.next_look() == 5.0
