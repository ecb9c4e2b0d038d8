//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// A reverse-proxy API gateway: validates bearer tokens by itself, checks subscriptions and scopes, forwards.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  portcullis demo                                    a gateway to play with: embedded authorization server and backends
  portcullis check                                   what is wrong with gateway.toml; exits 0 or 2
  portcullis reload                                  the running gateway reads its files again
  portcullis --config /etc/portcullis/gateway.toml run
  portcullis explain --token \"$TOKEN\" 'GET https://localhost:8243/accounts/1.0.0/accounts/42'
  kill -HUP $(pidof portcullis)                      reload without dropping a request")]
pub(super) struct Arguments {
    /// The gateway's file
    #[arg(
        short,
        long,
        env = "PORTCULLIS_CONFIG",
        default_value = "gateway.toml",
        value_name = "FILE",
        global = true
    )]
    pub config: PathBuf,
    #[command(subcommand)]
    pub command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Run the gateway
    #[command(
        after_help = "Signals: SIGHUP reloads, SIGTERM and SIGINT drain (a second one hurries), SIGQUIT ends at once."
    )]
    Run,
    /// Check the configuration: the same report as a reload; exits 0, or 2 with every error
    Check(CheckOptions),
    /// Make the running gateway read its files again; exits 0, or 1 when it refuses or none runs
    #[command(
        after_help = "The gateway that runs on this file's state_dir is asked over state_dir/control.socket, so this works without \
[management] too. A file with errors changes nothing."
    )]
    Reload(ReloadOptions),
    /// Run the gateway with an embedded development authorization server and two backends
    Demo,
    /// Print the JSON Schema of gateway.toml
    Schema,
    /// Show every step of the decision on one request; exits 0 when it is allowed, 1 when it is refused, 2 when it cannot be judged
    #[command(after_help = "Examples:
  portcullis explain --token \"$TOKEN\" 'GET /accounts/1.0.0/accounts/42'
  portcullis explain --token-file token.txt 'POST https://api.bank.example/accounts/1.0.0/payments'
  portcullis explain --token \"$TOKEN\" --dpop \"$PROOF\" 'GET https://api.bank.example/accounts/1.0.0/accounts/42'
  portcullis explain --token \"$TOKEN\" --client-certificate client.crt 'GET /accounts/1.0.0/accounts/42'
  portcullis explain 'GET /accounts/1.0.0/status'    without a token

  portcullis explain --denial 0f3a...                why the gateway refused a request: the id in Portcullis-Denial

The gateway that runs on this file's state_dir is asked, and judges by its own keys, answers and revocations. Where none runs, or with
--files, the files are judged by: what was revoked is read from state_dir, and servers are asked about opaque tokens, as the gateway does.")]
    Explain(ExplainOptions),
    /// Turn a server's discovery document into a key manager for gateway.toml, and say what is wrong with a sample token
    #[command(after_help = "Examples:
  portcullis import https://is.example:9443/oauth2/token/.well-known/openid-configuration --ca is.pem
  portcullis import https://dev-1.okta.com/oauth2/default/.well-known/openid-configuration --token sample.jwt >> gateway.toml
  portcullis import https://sso.example/realms/bank/.well-known/openid-configuration --token sample --introspect \\
      --client-id gateway --client-secret-file secret --api orders --app shop > gateway.toml

--api and --app make a file that runs as it is.")]
    Import(ImportOptions),
    /// Print the public half of a private key (PEM) as a JWK set, to register the gateway at an authorization server
    #[command(after_help = "Examples:
  portcullis jwk certs/gateway.key > gateway.jwks    the key of `credentials = { username, key }`")]
    Jwk(JwkOptions),
    /// Ask a running gateway whether it is ready; exits 0 or 1 (for containers)
    Healthcheck(HealthcheckOptions),
    /// Print a shell's completions
    Completions { shell: Shell },
}

#[derive(Debug, Args)]
pub(super) struct CheckOptions {
    /// The file to check, instead of --config
    pub file: Option<PathBuf>,
    /// Also read the key sets, and try introspection with a token that nobody has; exits 1 when a server fails
    #[arg(long)]
    pub fetch: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReloadOptions {
    /// Say that something is meant: `removals` lets the reload take away more than gateway.reload_max_removed
    #[arg(long, value_enum, value_name = "WHAT")]
    pub confirm: Option<Confirmation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Confirmation {
    Removals,
}

#[derive(Debug, Args)]
pub(super) struct ExplainOptions {
    /// The request: a method and an address or a path
    #[arg(value_name = "REQUEST", required_unless_present = "denial")]
    pub request: Option<String>,
    /// Tell why the running gateway refused a request: its id, from Portcullis-Denial or the access log
    #[arg(long, value_name = "ID", conflicts_with_all = ["request", "token", "token_file", "dpop", "client_certificate", "client", "at", "files"])]
    pub denial: Option<String>,
    /// The bearer token
    #[arg(long, env = "PORTCULLIS_TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file with the bearer token; "-" reads standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The DPoP proof that comes with the token; it is for the method and the whole address of REQUEST
    #[arg(long, value_name = "PROOF")]
    pub dpop: Option<String>,
    /// PEM: the certificate that the client shows
    #[arg(long, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// The client's address: says what it has used of limits.max_forged_tokens in the running gateway
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<std::net::IpAddr>,
    /// Judge by the files, also where a gateway runs
    #[arg(long)]
    pub files: bool,
    /// Judge at this time, in seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS")]
    pub at: Option<u64>,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ImportOptions {
    /// The address of the server's OpenID or OAuth metadata
    #[arg(value_name = "WELL-KNOWN-URL")]
    pub well_known_url: String,
    /// A file with an access token of this server; "-" reads standard input. It is never shown
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// The key manager's name, instead of one after its product
    #[arg(long)]
    pub name: Option<String>,
    /// PEM: authorities trusted beside the system's, for calls to this server
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Read documents over plain http from elsewhere than loopback, too
    #[arg(long)]
    pub allow_http: bool,
    /// Ask the server about the sample token, or, without one, about a token that nobody has; write what asks in the same way
    #[arg(long)]
    pub introspect: bool,
    /// Where to ask, instead of the address in the document
    #[arg(long, value_name = "URL", requires = "introspect")]
    pub introspection_endpoint: Option<String>,
    /// The gateway's client id at this server; without one the server is asked without credentials
    #[arg(long, value_name = "ID", requires = "introspect")]
    pub client_id: Option<String>,
    /// A file with that client's secret, instead of the variable PORTCULLIS_CLIENT_SECRET
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub client_secret_file: Option<PathBuf>,
    /// Also write an API of this name (name or name:version), open to tokens of this server, and a listener for it
    #[arg(long, value_name = "NAME")]
    pub api: Option<String>,
    /// Where that API's requests go
    #[arg(long, value_name = "URL", requires = "api", default_value = "http://127.0.0.1:8080")]
    pub backend: String,
    /// Also write an application of this name with the sample token's client as its key
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// The client id of that application, instead of the sample token's
    #[arg(long, value_name = "ID", requires = "app")]
    pub consumer_key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct JwkOptions {
    /// A private key, PEM: RSA, or EC on P-256
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct HealthcheckOptions {
    /// The management address to ask, instead of the one in the gateway's file
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<std::net::SocketAddr>,
    /// Ask only whether the process lives
    #[arg(long)]
    pub live: bool,
}
