"""ApiVersions: which APIs there are, and which versions of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.framing import request_class
from kafkastatic._protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from kafkastatic.broker.settings import Release

_SOFTWARE = re.compile("[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?")

Ranges = Mapping[int, tuple[int, int]]

_HIGHEST: dict[Release, dict[str, int]] = {
    "4.4": {},
    "3.9": {
        "ApiVersions": 4,
        "ConsumerGroupDescribe": 0,
        "ConsumerGroupHeartbeat": 0,
        "DeleteGroups": 2,
        "DescribeCluster": 1,
        "DescribeGroups": 5,
        "Fetch": 17,
        "ListOffsets": 9,
        "Metadata": 12,
        "OffsetCommit": 9,
        "OffsetFetch": 9,
        "Produce": 11,
    },
}
"""The highest versions of a release, of those APIs which have newer ones now."""

_CLAIMED = {"Produce": 0}
"""The lowest versions that Kafka 4 says it has and has not: older librdkafkas judge by this one what a broker can."""


def served(keys: Iterable[int], release: Release) -> dict[int, tuple[int, int]]:
    """What a broker of this release serves of these APIs. Versions that only older releases have are not there."""
    found: dict[int, tuple[int, int]] = {}
    for key in keys:
        request = request_class(key)
        low = _CLAIMED.get(request.NAME, request.MIN_VERSION)
        found[key] = (low, _HIGHEST[release].get(request.NAME, request.MAX_VERSION))
    return found


def api_versions(ranges: Ranges, *, supported: bool) -> ApiVersionsResponse:
    """The answer; to a version that is not `supported` it is written in version 0, and says so (KIP-511)."""
    keys = [ApiVersion(api_key=key, min_version=low, max_version=high) for key, (low, high) in sorted(ranges.items())]
    if not supported:
        keys = [key for key in keys if key.api_key == 18]
    return ApiVersionsResponse(
        error_code=codes.NONE if supported else codes.UNSUPPORTED_VERSION, api_keys=keys, finalized_features_epoch=0
    )


def names_its_software(request: ApiVersionsRequest, version: int) -> bool:
    """Whether a client says what it is, as it has to from version 3 on (KIP-511)."""
    return version < 3 or all(map(_SOFTWARE.fullmatch, (request.client_software_name, request.client_software_version)))
