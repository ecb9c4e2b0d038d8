"""Canaille as the tests run it: settings come as one line of JSON, what to know goes out as one; it ends with its input."""

import asyncio
import json
import os
import socket
import sys
import threading
from pathlib import Path

from asgiref.wsgi import WsgiToAsgi
from hypercorn.asyncio import serve
from hypercorn.config import Config

import canaille
from canaille.backends import Backend
from canaille.oidc.jose import build_client_management_token
from canaille.oidc.provider import ClientConfigurationEndpoint


class ManagementToken:
    """A registration access token, as Authlib 1.9 wants it: it asks the token for its client."""

    def __init__(self, claims):
        self.claims = claims

    def check_client(self, client):
        return self.claims.get("sub") == client.client_id


def mend_management():
    """Canaille 0.3.6 answers True in place of a token, so Authlib 1.9 fails each request of RFC 7592 with 500."""
    checked = ClientConfigurationEndpoint.authenticate_token

    def authenticate_token(self, request):
        return ManagementToken(request.jwt_claims) if checked(self, request) else None

    ClientConfigurationEndpoint.authenticate_token = authenticate_token


def main():
    mend_management()
    told = json.loads(sys.stdin.readline())
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # the test holds the port: a server that is started anew keeps its address, and with it its issuer
    port = told["port"]
    listener.bind(("127.0.0.1", port))
    listener.listen()
    database = Path(told["database"])
    is_new = not database.exists()
    app = canaille.create_app(
        {
            "SECRET_KEY": "of-tests",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{database}"},
            "CANAILLE_OIDC": {"ACTIVE_JWKS": told["active"], "INACTIVE_JWKS": told["inactive"]},
        }
    )
    if is_new:
        with app.app_context(), Backend.instance.session():
            Backend.instance.restore(json.loads(Path(__file__).with_name("models.json").read_text()))
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = "WARNING"
    # registers one client (RFC 7591 section 3)
    with app.test_request_context():
        initial = build_client_management_token("client:register")
    print(json.dumps({"initial": initial}), flush=True)
    asyncio.run(serve(WsgiToAsgi(app), config))


main()
