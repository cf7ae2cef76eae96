"""A small synchronous JSON-RPC client for Solana nodes that never waits long and always says why it failed."""

import json
from collections.abc import Callable
from itertools import count
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

PUBLIC_DEVNET = "https://api.devnet.solana.com"
CALL_SECONDS = 5.0
RUN_SECONDS = 25.0
"""For all calls through one client together, so that a slow node cannot hold up its caller call after call."""
LARGEST_ANSWER = 1 << 20
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class RpcError(Exception):
    """A call that brought no usable answer; the message says why, in one line, without the address's secrets."""


class SolanaRpc:
    """Calls to one node. ``name`` is its host: an address may carry an access key, which must not be stored."""

    def __init__(
        self,
        url: str,
        call_seconds: float = CALL_SECONDS,
        run_seconds: float = RUN_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.host = _host(url)
        self.is_local = self.host in LOOPBACK
        self.clock = clock
        self._call_seconds = call_seconds
        self._end = clock() + run_seconds
        self._ids = count(1)
        self._url = url
        # A proxy of the environment can reach the world, but not this machine's own ports.
        self._client = httpx2.Client(trust_env=not self.is_local)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._client.close()

    def call(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises :class:`RpcError`."""
        seconds = min(self._call_seconds, self._end - self.clock())
        if seconds <= 0:
            raise RpcError(f"{method}: no time left for this run")
        number = next(self._ids)
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
        try:
            answer = self._document(self._post(body, seconds))
        except httpx2.TimeoutException:
            raise RpcError(f"{method}: no answer within {seconds:.1f} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RpcError(f"{method}: {self.host} cannot be reached ({_one_line(error)})") from None
        except _Unusable as error:
            raise RpcError(f"{method}: {error}") from None
        return _result(method, number, answer)

    def _post(self, body: dict[str, Any], seconds: float) -> bytes:
        deadline = self.clock() + seconds
        with self._client.stream("POST", self._url, json=body, timeout=seconds) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise _Unusable(f"HTTP {answer.status_code}")
            content = b""
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > LARGEST_ANSWER:
                    raise _Unusable("the answer is too large")
                # The client's timeout starts anew with every piece: a trickle would never end.
                if self.clock() > deadline:
                    raise httpx2.ReadTimeout("too slow")
            return content

    @staticmethod
    def _document(content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise _Unusable("the answer is not JSON") from None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "nowhere"
    except ValueError:
        return "nowhere"


class _Unusable(Exception):
    """An answer came, but none that can be used."""


def _result(method: str, number: int, answer: Any) -> Any:
    if not isinstance(answer, dict) or answer.get("id") != number:
        raise RpcError(f"{method}: the answer is not one to this question")
    error = answer.get("error")
    if error is not None:
        code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
        raise RpcError(f"{method}: refused with {code}: {_one_line(message)}")
    if "result" not in answer:
        raise RpcError(f"{method}: the answer has no result")
    return answer["result"]


def _one_line(text: object) -> str:
    """At most 200 printable characters: these words come from outside and are stored and shown."""
    return "".join(character if character.isprintable() else " " for character in str(text))[:200]
