"""Requests to answers: which APIs there are, in which versions, and what goes wrong on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.framing import decode_request_header, encode_response, request_body
from kafkastatic._protocol.messages import REQUESTS
from kafkastatic._protocol.primitives import Response
from kafkastatic._value import Value
from kafkastatic.broker import refusals
from kafkastatic.broker.apis.versions import api_versions, names_its_software, served
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster
from kafkastatic.broker.faults import Cut, Place, Rule, Rules
from kafkastatic.broker.injection import Fault
from kafkastatic.errors import ProtocolError

Handler = Callable[[Call], Awaitable[Response | None]]

_API_VERSIONS = 18


class Listening(Protocol):
    """Where a request arrived: one of a node's listeners."""

    node_id: int
    number: int


class Answer(Value):
    """What goes back to a client.

    Attributes:
        frame: the bytes; `None` for no answer.
        cut: where the connection is closed.
        chunk: in pieces of how many bytes it is written.
        silent: whether nothing more is answered on this connection.
    """

    frame: bytes | None = None
    cut: Cut | None = None
    chunk: int | None = None
    silent: bool = False


class Service:
    """What every node of the cluster answers.

    Args:
        handlers: by the names of the APIs.
        in_session: the partitions of the session that a Fetch goes on with.

    Attributes:
        mistakes: what handlers raised; their clients were answered UNKNOWN_SERVER_ERROR.
    """

    def __init__(
        self, cluster: Cluster, handlers: Mapping[str, Handler], in_session: Callable[[Call], list[Place]]
    ) -> None:
        self._cluster = cluster
        self._handlers = dict(handlers)
        self._in_session = in_session
        self._rules = Rules()
        self._faults: dict[int, Fault] = {}
        self._caps: dict[str, int] = {}
        self.mistakes: list[Exception] = []
        names = {key: request.removesuffix("Request") for key, (_, request) in REQUESTS.items()}
        self._keys = {name: key for key, name in names.items() if name in handlers}
        self._keys["ApiVersions"] = _API_VERSIONS
        self._served = served(self._keys.values(), cluster.settings.behaves_as)
        self._ranges = self._served  # what of that is left by caps

    def cap(self, api: str, version: int | None) -> None:
        """Serve an API up to this version only; -1 hides it, `None` lifts the cap."""
        self._caps.pop(api, None)
        if version is not None:
            self._caps[api] = version
        highest = {self._keys[name]: cap for name, cap in self._caps.items()}
        self._ranges = {
            key: (low, min(high, highest.get(key, high)))
            for key, (low, high) in self._served.items()
            if highest.get(key, high) >= low
        }

    def knows(self, api: str) -> bool:
        return api in self._keys

    def add_fault(self, rule: Rule, times: int | None, make: Callable[[Callable[[], None]], Fault]) -> Fault:
        number = self._rules.add(rule, times)
        fault = self._faults[number] = make(lambda: self._rules.remove(number))
        return fault

    async def answer(
        self, at: Listening, connection: int, host: str, frame: bytes, heard: Callable[[Call], None]
    ) -> Answer:
        """What to send for the bytes of a request, its length left out; `heard` is told what it is.

        Raises:
            ProtocolError: if it cannot be understood; Kafka closes the connection then.
            UnsupportedVersionError: likewise, if the API or the version is not served.
        """
        header = decode_request_header(frame)
        version = header.request_api_version
        low, high = self._ranges.get(header.request_api_key, (0, -1))
        if not low <= version <= high:
            if header.request_api_key != _API_VERSIONS:
                raise ProtocolError(f"API {header.request_api_key} is not served in version {version}.")
            refusal = api_versions(self._ranges, supported=False)
            return Answer(encode_response(refusal, 0, header.correlation_id))
        cls, offset = request_body(header, frame)
        # What follows a request is not looked at, as by Kafka: librdkafka sends some bytes too many.
        request, _ = cls.decode_prefix(frame, version, offset)
        call = Call(at.node_id, version, header.client_id or "", host, connection, request, listener=at.number)
        heard(call)
        return await self._through_faults(call, header.correlation_id)

    async def _through_faults(self, call: Call, correlation_id: int) -> Answer:
        struck = self._rules.strike(call.request.NAME, call.client_id, call.node, lambda: self._places(call))
        if struck is None:
            return Answer(self._encoded(await self._handled(call), call.version, correlation_id))
        number, rule = struck
        await self._faults[number].struck()
        if rule.cut == "before":
            return Answer(cut="before")
        response = await (self._handled(call) if rule.error is None else self._refused(call, rule, rule.error))
        if rule.drop:
            return Answer(silent=True)
        return Answer(self._encoded(response, call.version, correlation_id), cut=rule.cut, chunk=rule.chunk)

    def _places(self, call: Call) -> list[Place]:
        """What a request is about, by a fault's measure."""
        found = refusals.places(call.request, self._cluster.name)
        if found is None:
            topics = self._cluster.topics.values()
            found = [(topic.name, number) for topic in topics for number in range(-1, len(topic.partitions))]
        return found + self._in_session(call) if call.request.NAME == "Fetch" else found

    async def _refused(self, call: Call, rule: Rule, code: int) -> Response | None:
        api = call.request.NAME
        if api == "Metadata" or (rule.about and refusals.markable(api)):
            return refusals.mark(await self._handled(call), code, rule.covers, self._cluster.name)
        if not rule.about:
            return self._refusal(call, code)
        if api == "Fetch":
            return await self._handled(call.evolve(fault=rule))
        if not refusals.divisible(api):
            return self._refusal(call, code)
        kept, taken = refusals.split(call.request, rule.covers, self._cluster.name)
        answer = await self._handled(call.evolve(request=kept)) if kept is not None else None
        refused = self._refusal(call.evolve(request=taken), code, in_part=True)
        return refused if answer is None else refusals.join(api, answer, refused)

    def _refusal(self, call: Call, code: int, *, in_part: bool = False) -> Response:
        """Raises ProtocolError: if it wants no answer; then Kafka closes the connection, to say that it failed."""
        if call.request.NAME == "Produce" and call.request.acks == 0:
            raise ProtocolError(f"A produce request without acks is refused with {code}.")
        return refusals.refuse(call.request, call.version, code, in_part=in_part)

    async def _handled(self, call: Call) -> Response | None:
        if call.request.NAME == "ApiVersions":
            if not names_its_software(call.request, call.version):
                return refusals.refuse(call.request, call.version, codes.INVALID_REQUEST)
            return api_versions(self._ranges, supported=True)
        try:
            return await self._handlers[call.request.NAME](call)
        except ProtocolError:
            raise  # meant for the connection
        except Exception as mistake:
            self.mistakes.append(mistake)
            return self._refusal(call, codes.UNKNOWN_SERVER_ERROR)

    def _encoded(self, response: Response | None, version: int, correlation_id: int) -> bytes | None:
        return None if response is None else encode_response(response, version, correlation_id)
