//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// A reverse-proxy API gateway: validates bearer tokens by itself, checks subscriptions and scopes,
/// forwards
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  portcullis demo              a gateway to try, with its own authorization server and backends
  portcullis check             shows the errors in gateway.toml; exits 0 or 2
  portcullis reload            makes the running gateway read its files again
  portcullis --config /etc/portcullis/gateway.toml run
  portcullis explain --token \"$TOKEN\" 'GET https://localhost:8243/accounts/1.0.0/accounts/42'
  kill -HUP $(pidof portcullis)    reloads without dropping a request")]
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
        after_help = "Signals: SIGHUP reloads, SIGTERM and SIGINT drain (a second one hurries), \
                      SIGQUIT ends at once."
    )]
    Run,
    /// Check the configuration; exits 0, or 2 with every error. The report is that of a reload
    Check(CheckOptions),
    /// Make the running gateway read its files again; exits 1 if it refuses, or if none runs
    #[command(
        after_help = "The command asks the gateway that runs on this file's state_dir, over \
                      state_dir/control.socket; [management] is not needed. A file with errors \
                      changes nothing."
    )]
    Reload(ReloadOptions),
    /// Show what a file would change in the running gateway, and which applications would gain or
    /// lose which operations; exits 0 if nothing would change, 1 if something would, 2 on errors
    #[command(after_help = "Examples:
  portcullis plan                                     an edited gateway.toml
  portcullis --config new.toml plan --json            another file
  portcullis plan --against /etc/portcullis/old.toml  two files, without a gateway

The command asks the gateway that runs on the file's state_dir, over state_dir/control.socket.
Nothing is changed. With --against the files alone are compared, without a store.")]
    Plan(PlanOptions),
    /// Export and import what the management API keeps, or encrypt its secrets with a new key
    #[command(after_help = "Examples:
  portcullis store export store.toml
  portcullis store import store.toml --dry-run
  portcullis store import store.toml --yes
  portcullis store rekey    after a new store.encryption_key; the old one is among
                            store.previous_encryption_keys

The store is the one that the gateway's file names. A gateway may run on it.")]
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Run the gateway with an embedded development authorization server and two backends
    Demo,
    /// Print the JSON Schema of gateway.toml
    Schema,
    /// Show every step of the decision on one request; exits 0 if it is allowed, 1 if it is
    /// refused, 2 if it cannot be judged
    #[command(after_help = "Examples:
  portcullis explain --token \"$TOKEN\" 'GET /accounts/1.0.0/accounts/42'
  portcullis explain --token-file token.txt 'POST https://api.bank.example/accounts/1.0.0/payments'
  portcullis explain --token \"$TOKEN\" --dpop \"$PROOF\" \\
      'GET https://api.bank.example/accounts/1.0.0/accounts/42'
  portcullis explain --token \"$TOKEN\" --client-certificate client.crt \\
      'GET /accounts/1.0.0/accounts/42'
  portcullis explain 'GET /accounts/1.0.0/status'    without a token

  portcullis explain --denial 0f3a...    explains a refusal, by its id in Portcullis-Denial

The command asks the gateway that runs on this file's state_dir, which judges by its own keys,
introspection answers and revocations. If none runs, or with --files, the command judges by the
files: it reads revocations from state_dir, and asks servers about opaque tokens as the gateway
does.")]
    Explain(ExplainOptions),
    /// Turn a server's discovery document into a key manager for gateway.toml, and find out what is
    /// wrong with a sample token
    #[command(after_help = "Examples:
  portcullis import --ca is.pem \\
      https://is.example:9443/oauth2/token/.well-known/openid-configuration
  portcullis import --token sample.jwt >> gateway.toml \\
      https://dev-1.okta.com/oauth2/default/.well-known/openid-configuration
  portcullis import --token sample --introspect --client-id gateway --client-secret-file secret \\
      --api orders --app shop > gateway.toml \\
      https://sso.example/realms/bank/.well-known/openid-configuration

With --api and --app the output is a complete file that runs as it is.")]
    Import(ImportOptions),
    /// Print the public half of a private key (PEM) as a JWK set, to register the gateway at an
    /// authorization server
    #[command(after_help = "Examples:
  portcullis jwk certs/gateway.key > gateway.jwks    the key of `credentials = { username, key }`")]
    Jwk(JwkOptions),
    /// Ask a running gateway if it is ready; exits 0 or 1 (for containers)
    Healthcheck(HealthcheckOptions),
    /// Print a shell's completions
    Completions { shell: Shell },
    /// Print the manual page, or write the pages of all commands into a folder
    Man(ManOptions),
}

#[derive(Debug, Args)]
pub(super) struct CheckOptions {
    /// The file to check, instead of --config
    pub file: Option<PathBuf>,
    /// Also read the key sets, and try introspection with an unknown token; exits 1 if a server
    /// fails
    #[arg(long)]
    pub fetch: bool,
    /// Also make one client at the server of this key manager and delete it again; exits 1 if that
    /// fails
    #[arg(long, value_name = "KEY_MANAGER")]
    pub registration: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ReloadOptions {
    /// Confirm a change: `removals` lets the reload remove more than gateway.reload_max_removed
    #[arg(long, value_enum, value_name = "WHAT")]
    pub confirm: Option<Confirmation>,
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Write the store's objects as TOML of gateway.toml, each with its id; secrets and users stay
    /// in the store
    Export {
        /// The file to write, instead of standard output
        file: Option<PathBuf>,
    },
    /// Take a file into the store: shows what it changes and who gains or loses access, asks, and
    /// changes everything or nothing
    Import(StoreImportOptions),
    /// Encrypt all secrets with store.encryption_key that are under a previous key
    Rekey,
}

#[derive(Debug, Args)]
pub(super) struct StoreImportOptions {
    /// A file of `[[key_managers]]`, `[[apis]]`, `[[throttling_policies]]`, `[[deny_conditions]]`
    /// and `[[applications]]`
    pub file: PathBuf,
    /// Only show what would change; exits 1 if something would
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Remove what the file does not have
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanOptions {
    /// Compare with this file, not with the running gateway
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    /// Explain why the running gateway refused a request, by its id from Portcullis-Denial or the
    /// access log
    #[arg(
        long,
        value_name = "ID",
        conflicts_with_all = [
            "request", "token", "token_file", "dpop", "client_certificate", "headers", "client",
            "at", "files"
        ]
    )]
    pub denial: Option<String>,
    /// The bearer token
    #[arg(long, env = "PORTCULLIS_TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file with the bearer token; "-" reads standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The DPoP proof for the token; it must be for the method and the whole address of REQUEST
    #[arg(long, value_name = "PROOF")]
    pub dpop: Option<String>,
    /// The client's certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// Another header of the request, for policies with conditions on headers; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// The client's address; limits can depend on it. Shows how much of limits.max_forged_tokens it
    /// has used in the running gateway
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<std::net::IpAddr>,
    /// Judge by the files, even if a gateway runs
    #[arg(long)]
    pub files: bool,
    /// Judge at this time, in seconds since 1970, instead of now
    #[arg(long, value_name = "SECONDS")]
    pub at: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ImportOptions {
    /// The address of the server's OpenID or OAuth metadata
    #[arg(value_name = "WELL-KNOWN-URL")]
    pub well_known_url: String,
    /// A file with an access token of this server; "-" reads standard input. The token is never
    /// shown
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// The key manager's name, instead of the product's
    #[arg(long)]
    pub name: Option<String>,
    /// PEM: trusted authorities for calls to this server, besides the system's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Read documents over plain http, not only from loopback
    #[arg(long)]
    pub allow_http: bool,
    /// Try introspection with the sample token, or with an unknown token; write settings that do
    /// the same
    #[arg(long)]
    pub introspect: bool,
    /// The introspection endpoint, instead of the one in the document
    #[arg(long, value_name = "URL", requires = "introspect")]
    pub introspection_endpoint: Option<String>,
    /// The gateway's client id at this server; without it no credentials are sent
    #[arg(long, value_name = "ID", requires = "introspect")]
    pub client_id: Option<String>,
    /// A file with the client's secret, instead of the variable PORTCULLIS_CLIENT_SECRET
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub client_secret_file: Option<PathBuf>,
    /// Also write an API with this name (name or name:version) for tokens of this server, and a
    /// listener
    #[arg(long, value_name = "NAME")]
    pub api: Option<String>,
    /// The backend of that API
    #[arg(long, value_name = "URL", requires = "api", default_value = "http://127.0.0.1:8080")]
    pub backend: String,
    /// Also write an application with this name; its key is the sample token's client
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
    /// Ask only if the process is alive
    #[arg(long)]
    pub live: bool,
}

#[derive(Debug, Args)]
pub(super) struct ManOptions {
    /// A folder for the pages of all commands; it must exist
    pub folder: Option<PathBuf>,
}
