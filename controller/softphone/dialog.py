"""A SIP dialog (RFC 3261 section 12), and requests that answer challenges by themselves (section 22); no sockets."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from . import digest
from .sip import Headers, MalformedMessage, NameAddr, Request, Response, Uri
from .transaction import Address, ClientTransaction, TransactionLayer

__all__ = ["Credentials", "Dialog", "Exchange", "Sender"]

_MOST_ANSWERS = 2
"""Challenges answered for one request: the first, and one that says our nonce has become stale."""


class Dialog:
    """One dialog: who, which sequence numbers, where the next request goes."""

    def __init__(self, call_id: str, local: NameAddr, remote: NameAddr, target: str) -> None:
        self.call_id, self.local, self.remote, self.target = call_id, local, remote, target
        self.routes: list[str] = []
        self.local_seq = secrets.randbelow(1000) + 1
        self.remote_seq: int | None = None

    @classmethod
    def incoming(cls, invite: Request, local_tag: str) -> Dialog:
        """The dialog that an INVITE asks for (section 12.1.1).  Raises MalformedMessage without a Contact."""
        contact = invite.contact
        if contact is None:
            raise MalformedMessage("an INVITE without a Contact")
        dialog = cls(invite.call_id, invite.to.with_tag(local_tag), invite.from_, str(contact))
        dialog.routes = invite.headers.values("Record-Route")
        dialog.remote_seq = invite.cseq.number
        return dialog

    @property
    def key(self) -> tuple[str, str]:
        """Call-ID and our tag: enough to find the dialog, since our tags are ours alone."""
        return self.call_id, self.local.tag or ""

    def established_by(self, response: Response) -> None:
        """Take remote tag, target and route set from a response to our INVITE (section 12.1.2)."""
        tag = response.to.tag
        if tag:
            self.remote = self.remote.with_tag(tag)
            self.routes = response.headers.values("Record-Route")[::-1]
        contact = response.contact
        if contact is not None:
            self.target = str(contact)

    def takes(self, request: Request) -> bool:
        """Whether a request of the other side comes in order (section 12.2.2); notes its number."""
        number = request.cseq.number
        if self.remote_seq is not None and number < self.remote_seq:
            return False
        self.remote_seq = number
        return True

    def request(self, method: str, number: int | None = None) -> Request:
        """A request within the dialog, still without Via (section 12.2.1.1); `number` only for an ACK's CSeq."""
        if number is None:
            self.local_seq += 1
            number = self.local_seq
        uri, routes = self.target, list(self.routes)
        if routes and NameAddr.parse(routes[0]).uri.param("lr") is None:  # a strict router: it wants to be the URI
            uri, routes = str(NameAddr.parse(routes[0]).uri), [*routes[1:], f"<{self.target}>"]
        headers = Headers([("Max-Forwards", "70")])
        for route in routes:
            headers.add("Route", route)
        headers.add("From", str(self.local))
        headers.add("To", str(self.remote))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{number} {method}")
        return Request(headers, b"", method, uri)

    def next_hop(self, fallback: Address) -> Address:
        """Where to send: first route or target, if it is a literal IPv4 address; else `fallback`.

        Names are never looked up: a dead resolver stalls calls for seconds (softphones.md trap 1).
        """
        uri = NameAddr.parse(self.routes[0]).uri if self.routes else Uri.parse(self.target)
        if uri.host == "localhost":
            return "127.0.0.1", uri.port or 5060
        parts = uri.host.split(".")
        if len(parts) == 4 and all(p.isascii() and p.isdigit() and int(p) < 256 for p in parts):
            return uri.host, uri.port or 5060
        return fallback


class Credentials:
    """User and password for challenges, and the count of uses of each nonce."""

    def __init__(self, user: str, password: str) -> None:
        self.user, self._password = user, password
        self._uses: dict[str, int] = {}

    def answer(self, response: Response, method: str, uri: str) -> list[tuple[str, str]]:
        """The headers that answer the challenges of a 401 or 407; empty if none can be answered.

        Of several challenges of one realm the first that we understand is answered (RFC 8760 section 2.4).
        """
        answers: list[tuple[str, str]] = []
        realms: set[str] = set()
        pairs = (("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization"))
        for asked, answered in pairs:
            for value in response.headers.get_all(asked):
                try:
                    challenge = digest.Challenge.parse(value)
                    if challenge.realm in realms:
                        continue
                    count = self._uses.get(challenge.nonce, 0) + 1
                    text = digest.answer(challenge, self.user, self._password, method, uri, secrets.token_hex(8), count)
                except digest.DigestError:
                    continue
                self._uses = {challenge.nonce: count}
                realms.add(challenge.realm)
                answers.append((answered, text))
        return answers


class Sender(Protocol):
    """What an exchange needs of the phone."""

    layer: TransactionLayer
    credentials: Credentials

    def new_via(self) -> str:
        """A Via with a fresh branch."""


class Exchange:
    """One request to its final response; challenges on the way are answered with a new request.

    `build` makes the request, each time with a new CSeq number.  After `abandon()` no challenge is answered.
    """

    def __init__(
        self,
        sender: Sender,
        hop: Address,
        build: Callable[[], Request],
        on_response: Callable[[Response, ClientTransaction], object],
        on_timeout: Callable[[], object],
    ) -> None:
        self._sender, self._hop, self._build = sender, hop, build
        self._on_response, self._on_timeout = on_response, on_timeout
        self._answers = 0
        self._abandoned = False
        self.authorization: list[tuple[str, str]] = []
        self.transaction = self._send([])

    def _send(self, authorization: list[tuple[str, str]]) -> ClientTransaction:
        request = self._build()
        items = [("Via", self._sender.new_via()), *request.headers, *authorization]
        request.headers = Headers(items)
        self.authorization = authorization
        return self._sender.layer.request(request, self._hop, self._response, self._on_timeout)

    def abandon(self) -> None:
        """Answer no more challenges: the next refusal is final."""
        self._abandoned = True

    def _response(self, response: Response) -> None:
        if response.status in (401, 407) and self._answers < _MOST_ANSWERS and not self._abandoned:
            challenges = response.headers.get_all("WWW-Authenticate") + response.headers.get_all("Proxy-Authenticate")
            stale = any("stale=true" in value.lower().replace(" ", "") for value in challenges)
            if self._answers == 0 or stale:
                request = self.transaction.request
                answers = self._sender.credentials.answer(response, request.method, request.uri)
                if answers:
                    self._answers += 1
                    self.transaction = self._send(answers)
                    return
        self._on_response(response, self.transaction)
