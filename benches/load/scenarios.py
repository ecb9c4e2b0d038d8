"""What is measured: each scenario as data.

Never starts anything and knows no contestant.
"""

from dataclasses import dataclass

OPEN_PATH = "/a/1/open"
PROTECTED_PATH = "/a/1/x/1"
USUAL_CONSUMER_KEYS = 1_000
ROTATED_TOKENS = 10_000
# more than any contestant verifies on one worker of a usual core
NEW_TOKENS_PER_SECOND = 20_000


@dataclass(frozen=True)
class TokenSet:
    """`count` different tokens of `spread` consumer keys."""

    algorithm: str
    count: int
    spread: int

    @property
    def order(self) -> str:
        return f"{self.algorithm}:{self.count}:{self.spread}"

    @property
    def file_name(self) -> str:
        return f"tokens-{self.algorithm}-{self.count}-{self.spread}.txt"


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    path: str = PROTECTED_PATH
    tokens: TokenSet | None = None
    consumer_keys: int = USUAL_CONSUMER_KEYS
    body_bytes: int = 0
    tls: bool = False
    http2: bool = False
    # no token may have been seen before: the contestant is started anew for each round
    anew: bool = False
    # also measured at a fixed rate; not over HTTP/2, where h2load keeps a rate in bursts only
    latency: bool = False
    # of load for one figure; as the run has it where this is 0
    seconds: int = 0
    connections: int = 32
    # on each connection, over HTTP/2
    streams: int = 8


@dataclass(frozen=True)
class IdleScenario:
    name: str
    title: str
    connections: int


ONE_TOKEN = TokenSet("RS256", 1, 1)


def short(count: int) -> str:
    for size, letter in ((1_000_000, "m"), (1_000, "k")):
        if count >= size and count % size == 0:
            return f"{count // size}{letter}"
    return str(count)


def all_scenarios(consumer_keys: list[int], new_tokens: int) -> list[Scenario]:
    """In the order of the report. `new_tokens` is how many a round of S3 has to spend."""
    rotation = TokenSet("RS256", ROTATED_TOKENS, USUAL_CONSUMER_KEYS)
    found = [
        Scenario("S0", "no authentication", path=OPEN_PATH, latency=True),
        Scenario("S1", "one token again and again", tokens=ONE_TOKEN, latency=True),
        Scenario("S2", "10,000 tokens in rotation", tokens=rotation),
        Scenario("S3-RS256", "every token new, RS256", tokens=TokenSet("RS256", new_tokens, USUAL_CONSUMER_KEYS), anew=True),
        Scenario("S3-ES256", "every token new, ES256", tokens=TokenSet("ES256", new_tokens, USUAL_CONSUMER_KEYS), anew=True),
        Scenario("S4", "S1 over TLS", tokens=ONE_TOKEN, tls=True, latency=True),
        Scenario("S5", "S1 over HTTP/2 with TLS", tokens=ONE_TOKEN, tls=True, http2=True),
        Scenario("S6-64k", "64 KiB both ways, no authentication", path="/a/1/body/64k", body_bytes=64 << 10),
        Scenario("S6-1m", "1 MiB both ways, no authentication", path="/a/1/body/1m", body_bytes=1 << 20),
    ]
    for count in consumer_keys:
        found.append(
            Scenario(
                f"S7-{short(count)}", f"S2 with {count:,} consumer keys",
                tokens=TokenSet("RS256", ROTATED_TOKENS, count), consumer_keys=count,
            )
        )
    found.append(Scenario("S8", "10,000 tokens of one application", tokens=TokenSet("RS256", ROTATED_TOKENS, 1)))
    return found


def idle_scenarios(quick: bool) -> list[IdleScenario]:
    counts = [1_000] if quick else [1_000, 10_000]
    return [IdleScenario(f"S9-{short(count)}", f"{count:,} idle connections", count) for count in counts]


def reload_scenario(consumer_keys: int) -> Scenario:
    tokens = TokenSet("RS256", ROTATED_TOKENS, consumer_keys)
    title = f"reloads during S2 with {consumer_keys:,} consumer keys"
    return Scenario("S10", title, tokens=tokens, consumer_keys=consumer_keys)


def connection_scenarios() -> list[Scenario]:
    """One exchange at a time on each connection, so that the protocols carry equally many."""
    found = []
    for http2 in (False, True):
        for tls in (False, True):
            for count in (1, 100, 1_000):
                protocol, over = "HTTP/2" if http2 else "HTTP/1.1", "TLS" if tls else "plain"
                name = f"S11-{'h2' if http2 else 'h1'}-{over.lower()}-{count}"
                title = f"S1, {protocol}, {over}, {count:,} connection{'s' if count > 1 else ''}"
                # a thousand handshakes should be a small part of it
                seconds = 5 if count == 1_000 else 2
                found.append(Scenario(name, title, tokens=ONE_TOKEN, tls=tls, http2=http2, connections=count, streams=1, seconds=seconds))
    return found


def change_scenario(consumer_keys: int) -> Scenario:
    tokens = TokenSet("RS256", ROTATED_TOKENS, consumer_keys)
    title = f"subscriptions that change during S2 with {consumer_keys:,} consumer keys"
    return Scenario("S12", title, tokens=tokens, consumer_keys=consumer_keys)


def chosen(name: str, wanted: list[str]) -> bool:
    """`S3` chooses S3-RS256 and S3-ES256; `S3-RS256` only itself."""
    return not wanted or any(name.lower() == want.lower() or name.lower().startswith(f"{want.lower()}-") for want in wanted)
