"""The acceptance scenarios that the older group coordinator can show too: those of the other files, on Kafka 3.9.

It was rewritten for 4.0; the two agree in all but a few timers.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

# Collected here once more, under the fixtures below.
from tests.integration.test_integration_fencing import (  # noqa: F401
    test_a_commit_in_flight_when_its_member_is_replaced_is_never_retried,
    test_a_follower_replaced_while_its_sync_is_parked_ends,
    test_a_late_commit_for_a_partition_given_up_is_refused_here,
    test_a_leader_whose_follower_is_replaced_during_sync_rejoins_in_silence,
)
from tests.integration.test_integration_membership import (  # noqa: F401
    test_a_coordinator_out_of_reach_for_longer_than_the_session,
    test_a_slow_application_keeps_its_member_id,
    test_membership_and_reading_outlive_a_restart_of_the_broker,
    test_unsubscribing_keeps_the_place_and_the_member_id,
)
from tests.integration.test_integration_scenarios import (  # noqa: F401
    test_a_handler_that_blocks_through_a_rebalance,
    test_a_leader_that_restarts_below_version_9_of_joingroup_watches_on,
    test_a_request_that_cannot_carry_the_instance_id_ends_the_start,
    test_a_restart_into_a_full_group_may_wait_for_its_ghost,
    test_a_restart_with_another_assignor_may_wait_for_its_ghost,
    test_good_heartbeats_after_a_lost_coordinator_are_no_proof,
)
from tools.real_kafka import RealKafka


@pytest.fixture(scope="module")
def kafka(older_kafka: RealKafka) -> RealKafka:
    return older_kafka


@pytest.fixture(scope="module")
def kafka_of_small_groups(older_kafka: RealKafka) -> RealKafka:
    return older_kafka


@pytest.fixture
def kafka_factory(older_kafka: RealKafka) -> Callable[[], RealKafka]:
    """To restart, once."""
    return lambda: older_kafka
