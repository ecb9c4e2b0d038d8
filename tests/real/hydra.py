"""Ory Hydra: clients, tokens of each kind, questions about them, new keys."""

import http.client
import urllib.parse

from http_client import Server, basic

CALLBACK = "http://127.0.0.1:9/callback"  # nobody listens there, and nobody has to

CONFIGURATION = """
serve:
  public: {{ host: 127.0.0.1, port: {public} }}
  admin: {{ host: 127.0.0.1, port: {admin} }}
urls:
  self: {{ issuer: "{issuer}" }}
  login: http://127.0.0.1:9/login
  consent: http://127.0.0.1:9/consent
dsn: memory
secrets: {{ system: ["a-secret-of-the-tests-only"] }}
strategies: {{ access_token: opaque, jwt: {{ scope_claim: list }} }}
# ten years, so that recorded tokens are still good when a test plays them
ttl: {{ access_token: 87600h, refresh_token: 87600h, id_token: 87600h }}
log: {{ level: warn }}
"""


class Hydra:
    """A running server; its admin port asks for no credentials."""

    ports = 2
    well_known = "/.well-known/openid-configuration"
    keys = "/.well-known/jwks.json"
    introspection = "/admin/oauth2/introspect"
    consumer_key_claim = "client_id"

    def __init__(self, public, admin):
        self.server = public
        self.exchanges = public.exchanges
        self.admin = admin
        self.cookies = {}

    @staticmethod
    def configure(folder, ports, issuer):
        """Writes the configuration; returns its path."""
        path = folder / "hydra.yml"
        issuer = issuer or f"http://127.0.0.1:{ports[0]}"
        path.write_text(CONFIGURATION.format(public=ports[0], admin=ports[1], issuer=issuer))
        return path

    def set_up(self):
        self.server.wait("/health/ready")
        for name, strategy in (("shop", "opaque"), ("kiosk", "jwt")):
            client = {"client_id": name, "client_secret": f"{name}-secret"}
            client["grant_types"] = ["client_credentials", "authorization_code", "refresh_token"]
            client |= {"response_types": ["code"], "redirect_uris": [CALLBACK]}
            client |= {"scope": "read openid offline_access", "audience": ["orders"]}
            client["access_token_strategy"] = strategy
            self.admin.made("POST", "/admin/clients", client)

    def token(self, form, who="shop", name=None):
        status, answer = self.server.call(
            "POST", "/oauth2/token", form=form, headers=basic(who, f"{who}-secret"), name=name
        )
        if status != 200:
            raise SystemExit(f"no token: {status} {answer}")
        return answer

    def access_token(self, who="shop", name=None):
        form = {"grant_type": "client_credentials", "scope": "read", "audience": "orders"}
        return self.token(form, who, name)["access_token"]

    def of_alice(self, who="shop", name=None):
        """Access, refresh and ID token of a person, who says yes to everything."""
        query = {"client_id": who, "response_type": "code", "redirect_uri": CALLBACK}
        query |= {"scope": "read openid offline_access", "audience": "orders"}
        query |= {"state": "a-state-of-the-tests", "nonce": "a-nonce-of-the-tests"}
        where = self.follow(f"/oauth2/auth?{urllib.parse.urlencode(query)}")
        said = {"subject": "alice"}
        where = self.accept("login", where, said)
        said = {"grant_scope": query["scope"].split(), "grant_access_token_audience": ["orders"]}
        where = self.accept("consent", where, said)
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return self.token(form, who, name)

    def accept(self, what, where, said):
        name = f"{what}_challenge"
        challenge = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)[name][0]
        path = f"/admin/oauth2/auth/requests/{what}/accept?{name}={challenge}"
        _, answer = self.admin.call("PUT", path, body=said)
        target = urllib.parse.urlsplit(answer["redirect_to"])
        return self.follow(f"{target.path}?{target.query}")

    def follow(self, target):
        """Asks as a browser does; returns the address that it is sent to."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request("GET", target, headers={"Cookie": cookies})
        answer = connection.getresponse()
        answer.read()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.split(";")[0]
        return answer.headers["Location"]

    def refused(self, answers):
        """Tokens that are no access tokens, by name."""
        return {"refresh token": answers["refresh_token"], "ID token": answers["id_token"]}

    def revoke(self, token, who="shop"):
        headers = basic(who, f"{who}-secret")
        self.server.call("POST", "/oauth2/revoke", form={"token": token}, headers=headers)

    def rotate(self):
        """Publishes a new key of JWT access tokens, which signs from now on; the former ones stay."""
        self.admin.made("POST", "/admin/keys/hydra.jwt.access-token", {"alg": "RS256", "use": "sig"})

    def asked(self, token, name):
        """Asks about a token as the gateway does."""
        form = {"token": token, "token_type_hint": "access_token"}
        self.admin.call("POST", self.introspection, form=form, name=name)

    def record(self):
        get = lambda path, name: self.server.call("GET", path, name=name)
        get(self.well_known, "discovery")
        get(self.keys, "keys")
        for who in ("shop", "kiosk"):
            token = self.access_token(who, f"token of {who}")
            answers = self.of_alice(who, f"tokens of alice at {who}")
            self.asked(token, f"introspect token of {who}")
            self.asked(answers["access_token"], f"introspect token of alice at {who}")
            self.asked(answers["refresh_token"], f"introspect refresh token of {who}")
            self.asked(answers["id_token"], f"introspect ID token of {who}")
            last = token
        self.asked("ory_at_nobody.s", "introspect unknown token")
        self.server.call(
            "POST", "/oauth2/token", form={"grant_type": "client_credentials"},
            headers=basic("shop", "wrong"), name="token with a wrong secret",
        )  # fmt: skip
        again = self.access_token("shop", "token of shop again")
        self.asked(again, "introspect before revocation")
        self.revoke(again)
        self.asked(again, "introspect after revocation")
        self.rotate()
        self.access_token("kiosk", "token of kiosk after rotation")
        self.asked(last, "introspect token of before the rotation")
        get(self.keys, "keys after rotation")
