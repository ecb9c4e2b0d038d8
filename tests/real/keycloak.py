"""A realm of Keycloak: clients, tokens of each kind, questions about them, new keys."""

from http_client import basic

LONG = 10 * 365 * 24 * 3600  # so that recorded tokens are still good when a test plays them
REALM = "/realms/bank"
OPENID = f"{REALM}/protocol/openid-connect"
GATEWAY = ("gateway", "gateway-secret")
# every character that the two kinds of HTTP Basic write differently
ODD = ("gate:way", "p+w %:\u00e9")


def audience(client):
    return {
        "name": f"audience {client}",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {
            "included.client.audience": client,
            "access.token.claim": "true",
            "introspection.token.claim": "true",
        },
    }


def client(name, secret, **more):
    usual = {"serviceAccountsEnabled": True, "standardFlowEnabled": False}
    return {"clientId": name, "secret": secret} | usual | more


class Keycloak:
    """A running server whose first administrator is admin with the password admin."""

    ports = 2
    well_known = f"{REALM}/.well-known/openid-configuration"
    keys = f"{OPENID}/certs"
    introspection = f"{OPENID}/token/introspect"
    consumer_key_claim = None

    def __init__(self, server):
        self.server = server
        self.exchanges = server.exchanges
        self.rotations = 0

    @staticmethod
    def command(folder, ports, issuer):
        """The command line, and what it needs in its environment."""
        line = [
            f"{folder}/bin/kc.sh", "start-dev", "--cache=local", "--http-host=127.0.0.1",
            f"--http-port={ports[0]}", f"--http-management-port={ports[1]}",
        ]  # fmt: skip
        line += [f"--hostname={issuer}"] if issuer else ["--hostname-strict=false"]
        more = {
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin",
            "JAVA_OPTS_KC_HEAP": "-Xms256m -Xmx700m",
        }
        return line, more

    def admin(self, method, path, body=None):
        form = {"grant_type": "password", "client_id": "admin-cli"}
        form |= {"username": "admin", "password": "admin"}
        token = self.server.call("POST", "/realms/master/protocol/openid-connect/token", form=form)
        bearer = {"Authorization": f"Bearer {token[1]['access_token']}"}
        return self.server.made(method, f"/admin/realms{path}", body, bearer)

    def set_up(self):
        self.server.wait("/realms/master")
        shop = client("shop", "shop-secret", directAccessGrantsEnabled=True)
        shop["protocolMappers"] = [audience(GATEWAY[0]), audience(ODD[0])]
        alice = {"username": "alice", "enabled": True, "email": "alice@bank.example"}
        alice |= {"emailVerified": True, "firstName": "Alice", "lastName": "A"}
        alice["credentials"] = [{"type": "password", "value": "alice"}]
        realm = {"realm": "bank", "enabled": True, "accessTokenLifespan": LONG}
        realm |= {"ssoSessionIdleTimeout": LONG, "ssoSessionMaxLifespan": LONG}
        realm |= {"users": [alice], "clients": [client(*GATEWAY), client(*ODD), shop]}
        realm["clients"].append(client("stall", "stall-secret"))
        self.admin("POST", "", realm)
        scope = {"name": "read", "protocol": "openid-connect"}
        scope["attributes"] = {"include.in.token.scope": "true"}
        self.admin("POST", "/bank/client-scopes", scope)
        scopes = self.admin("GET", "/bank/client-scopes")
        scope = next(found["id"] for found in scopes if found["name"] == "read")
        for name in ("shop", "stall"):
            found = self.admin("GET", f"/bank/clients?clientId={name}")[0]["id"]
            self.admin("PUT", f"/bank/clients/{found}/default-client-scopes/{scope}")

    def token(self, form, who=("shop", "shop-secret"), name=None):
        status, answer = self.server.call(
            "POST", f"{OPENID}/token", form=form, headers=basic(*who), name=name
        )
        if status != 200:
            raise SystemExit(f"no token: {status} {answer}")
        return answer

    def access_token(self, name=None):
        return self.token({"grant_type": "client_credentials"}, name=name)["access_token"]

    def of_alice(self, name=None):
        """Access, refresh and ID token of a person."""
        form = {"grant_type": "password", "username": "alice", "password": "alice"}
        return self.token(form | {"scope": "openid"}, name=name)

    def of_stall(self, name=None):
        """The token of a client for which no audience was configured."""
        form = {"grant_type": "client_credentials"}
        return self.token(form, ("stall", "stall-secret"), name)["access_token"]

    def refused(self, answers):
        """Tokens that are no access tokens, by name."""
        return {"refresh token": answers["refresh_token"], "ID token": answers["id_token"]}

    def log_out(self, answers):
        """Ends the session of a person, and with it all of its tokens."""
        form = {"refresh_token": answers["refresh_token"]}
        self.server.call("POST", f"{OPENID}/logout", form=form, headers=basic("shop", "shop-secret"))

    def rotate(self):
        """Publishes a new key, which signs from now on; the former ones stay."""
        self.rotations += 1
        provider = {"name": f"rotation {self.rotations}", "providerId": "rsa-generated"}
        provider["providerType"] = "org.keycloak.keys.KeyProvider"
        provider["config"] = {"priority": [str(200 + self.rotations)], "algorithm": ["RS256"]}
        self.admin("POST", "/bank/components", provider)

    def register(self, keys):
        """A client of the gateway that authenticates with a key."""
        keyed = client("keyed", "unused", clientAuthenticatorType="client-jwt")
        keyed["attributes"] = {"use.jwks.string": "true", "jwks.string": keys}
        self.admin("POST", "/bank/clients", keyed)
        found = self.admin("GET", "/bank/clients?clientId=shop")[0]["id"]
        self.admin(
            "POST", f"/bank/clients/{found}/protocol-mappers/models", audience("keyed")
        )

    def asked(self, token, who, name, encoded=True, hint=True):
        """Asks about a token as the gateway does."""
        form = {"token": token} | ({"token_type_hint": "access_token"} if hint else {})
        headers = basic(*who, encoded=encoded) if who else {}
        self.server.call("POST", self.introspection, form=form, headers=headers, name=name)

    def record(self):
        get = lambda path, name: self.server.call("GET", path, name=name)
        get(self.well_known, "discovery")
        get(self.keys, "keys")
        token, answers = self.access_token("token"), self.of_alice("tokens of alice")
        stall = self.of_stall("token of stall")
        self.asked(token, GATEWAY, "introspect token")
        self.asked(answers["access_token"], GATEWAY, "introspect token of alice")
        self.asked(answers["refresh_token"], GATEWAY, "introspect refresh token")
        self.asked(answers["id_token"], GATEWAY, "introspect ID token")
        self.asked(answers["id_token"], ("shop", "shop-secret"), "introspect ID token as shop")
        self.asked(stall, GATEWAY, "introspect token of stall")
        self.asked("nobody-s", GATEWAY, "introspect unknown token")
        self.asked(token, (GATEWAY[0], "wrong"), "introspect with a wrong secret")
        self.asked(token, ("nobody", "wrong"), "introspect as an unknown client")
        self.asked(token, None, "introspect as nobody")
        self.asked(token, ODD, "introspect form-encoded")
        self.asked(token, ODD, "introspect raw", encoded=False)
        form = {"token": token, "token_type_hint": "access_token"}
        form |= {"client_id": ODD[0], "client_secret": ODD[1]}
        self.server.call("POST", self.introspection, form=form, name="introspect posted")
        again = self.of_alice("tokens of alice again")
        self.asked(again["access_token"], GATEWAY, "introspect before logout")
        self.log_out(again)
        self.asked(again["access_token"], GATEWAY, "introspect after logout")
        self.rotate()
        self.access_token("token after rotation")
        get(self.keys, "keys after rotation")
