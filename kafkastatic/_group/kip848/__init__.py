"""The group protocol of KIP-848 for a static or a dynamic member, as a pure state machine."""

from __future__ import annotations

from kafkastatic._group.kip848.consumer import ConsumerMember

__all__ = ["ConsumerMember"]
