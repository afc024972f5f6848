"""An embedded Kafka broker, for tests, demos and simulations: real sockets, everything in memory, in this process.

async with Broker(topics={"orders": 6}) as broker:
    async with Consumer("orders", bootstrap_servers=broker.bootstrap, group_id="billing") as consumer: ...
"""

from kafkastatic.broker.broker import Broker
from kafkastatic.broker.groups import GroupSnapshot, MemberSnapshot
from kafkastatic.broker.injection import Fault
from kafkastatic.broker.listener import ClientSnapshot
from kafkastatic.broker.settings import BrokerSettings

__all__ = ["Broker", "BrokerSettings", "ClientSnapshot", "Fault", "GroupSnapshot", "MemberSnapshot"]
