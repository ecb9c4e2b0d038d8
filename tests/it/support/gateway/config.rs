//! [`Config`]: a `gateway.toml`, put together from the lines that a test is about.
//!
//! Lines are the operator's own words, so a test reads like a manual. Everything that a file needs besides comes from
//! here: a listener, management, an access log, names, contexts, and a subscription to each API.
//!
//! ```ignore
//! let gateway = Config::new()
//!     .key_manager("as", "issuer = \"https://as.example\"\ncertificates = { jwks_file = \"keys.json\" }")
//!     .beside("keys.json", signer.jwks())
//!     .api(api("orders:1.0.0").to(&backend.url()))
//!     .application(application("app").key("as", "client"))
//!     .start()
//!     .await;
//! ```

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use crate::support::gateway::Gateway;
use crate::support::signer::Signer;

/// A whole file, and the files beside it.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    top: Vec<String>,
    gateway: Vec<String>,
    listener: Vec<String>,
    management: Vec<String>,
    apis: Vec<Api>,
    applications: Vec<Application>,
    tables: String,
    beside: Vec<(String, String)>,
}

impl Config {
    /// A plain listener named "http", management, an access log that tests can read, and nothing to serve.
    pub(crate) fn new() -> Config {
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        Config {
            top: Vec::new(),
            gateway: lines("workers = 2\ndrain_timeout = \"5s\""),
            listener: lines("address = \"127.0.0.1:0\"\nprotocols = [\"h2\", \"http/1.1\"]"),
            management: lines("address = \"127.0.0.1:0\""),
            apis: Vec::new(),
            applications: Vec::new(),
            tables: String::new(),
            beside: Vec::new(),
        }
    }

    /// A line above all tables.
    pub(crate) fn top(mut self, line: &str) -> Config {
        set(&mut self.top, line);
        self
    }

    /// Lines of `[gateway]`, each instead of the one with the same key.
    pub(crate) fn gateway(mut self, lines: &str) -> Config {
        set(&mut self.gateway, lines);
        self
    }

    /// Lines of the listener, likewise.
    pub(crate) fn listener(mut self, lines: &str) -> Config {
        set(&mut self.listener, lines);
        self
    }

    /// Lines of `[management]`, likewise.
    pub(crate) fn management(mut self, lines: &str) -> Config {
        set(&mut self.management, lines);
        self
    }

    pub(crate) fn without_management(mut self) -> Config {
        self.management.clear();
        self
    }

    /// One API that nobody calls, for without an API no gateway starts.
    pub(crate) fn least() -> Config {
        Config::new().api(api("least:1").to("http://127.0.0.1:1"))
    }

    /// A key manager with these lines.
    pub(crate) fn key_manager(self, name: &str, lines: &str) -> Config {
        self.tables(&format!("[[key_managers]]\nname = \"{name}\"\n{lines}"))
    }

    /// A key manager that stands in a table already: the block of a manual.
    pub(crate) fn key_manager_table(self, table: toml::Table) -> Config {
        let list = toml::Value::Array(vec![table.into()]);
        let tables = toml::Table::from_iter([("key_managers".to_owned(), list)]);
        self.tables(&tables.to_string())
    }

    /// A key manager whose only key is this signer's, in `keys.json`, and that has these lines.
    pub(crate) fn signed_by(
        self,
        name: &str,
        issuer: &str,
        signer: &Signer,
        lines: &str,
    ) -> Config {
        let source = format!(
            "issuer = \"{issuer}\"\ncertificates = {{ jwks_file = \"keys.json\" }}\n{lines}"
        );
        self.key_manager(name, &source).beside("keys.json", signer.jwks())
    }

    /// A key manager without keys, which asks at this address about each token, with these lines.
    pub(crate) fn asking(self, name: &str, endpoint: &str, lines: &str) -> Config {
        let source = format!(
            "token_validation = \"introspection\"\nintrospection_endpoint = \"{endpoint}\"\n\
             credentials = {{ username = \"gateway\", password = \"gateway-secret\" }}\n\
             consumer_key_claim = \"client_id\""
        );
        self.key_manager(name, &format!("{source}\n{lines}"))
    }

    pub(crate) fn api(mut self, api: Api) -> Config {
        self.apis.push(api);
        self
    }

    /// These lines for the API of this name.
    pub(crate) fn api_lines(mut self, name: &str, lines: &str) -> Config {
        let named = self.apis.iter_mut().find(|api| api.name == name).expect("an API of this name");
        named.lines.push(lines.to_owned());
        self
    }

    /// These lines for each API that is there.
    pub(crate) fn each_api(mut self, lines: &str) -> Config {
        self.apis = self.apis.into_iter().map(|api| api.lines(lines)).collect();
        self
    }

    pub(crate) fn application(mut self, application: Application) -> Config {
        self.applications.push(application);
        self
    }

    /// Everything but APIs and applications.
    pub(crate) fn without_apis(mut self) -> Config {
        self.apis.clear();
        self.applications.clear();
        self
    }

    /// Another listener, which speaks TLS with the certificate of the folder `certs` and has these lines below it.
    pub(crate) fn tls_listener(self, name: &str, lines: &str) -> Config {
        self.tables(&format!(
            "[[listeners]]\nname = \"{name}\"\naddress = \"127.0.0.1:0\"\n[listeners.tls]\n\
             certificate = \"certs/gateway.crt\"\nkey = \"certs/gateway.key\"\n{lines}"
        ))
    }

    /// Further tables, as they stand: `[limits]`, another listener.
    pub(crate) fn tables(mut self, text: &str) -> Config {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// A file in the same folder.
    pub(crate) fn beside(mut self, name: &str, content: impl AsRef<str>) -> Config {
        self.beside.push((name.to_owned(), content.as_ref().to_owned()));
        self
    }

    /// Writes `gateway.toml` and what belongs beside it.
    pub(crate) fn write_to(&self, folder: &Path) {
        for (name, content) in &self.beside {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, content).expect("written");
        }
        fs::write(folder.join("gateway.toml"), self.to_string()).expect("written");
    }

    /// Starts a gateway of this file in a folder of its own.
    pub(crate) async fn start(&self) -> Gateway {
        let folder = tempfile::tempdir().expect("a folder");
        self.write_to(folder.path());
        let path = folder.path().to_owned();
        Gateway::start_in(&path, Some(folder)).await
    }
}

impl Config {
    /// Key managers, further tables, APIs and applications: everything below the gateway's own settings.
    pub(crate) fn served(&self) -> String {
        let apis = self.apis.iter().map(Api::to_string);
        let applications = self.applications.iter().map(|one| one.text(&self.apis));
        [self.tables.clone()].into_iter().chain(apis).chain(applications).collect()
    }
}

impl Display for Config {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Config { top, gateway, listener, management, .. } = self;
        for (head, lines) in [
            ("", top),
            ("[gateway]\n", gateway),
            ("[[listeners]]\nname = \"http\"\n", listener),
            ("[management]\n", management),
        ] {
            if !lines.is_empty() {
                writeln!(f, "{head}{}", lines.join("\n"))?;
            }
        }
        writeln!(f, "[telemetry]\naccess_log = {{ path = \"access.log\" }}")?;
        f.write_str(&self.served())
    }
}

/// Puts each of these lines in the place of the one with the same key.
fn set(lines: &mut Vec<String>, text: &str) {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    for line in text.lines() {
        lines.retain(|other| key(other) != key(line));
        lines.push(line.to_owned());
    }
}

/// One `[[apis]]`: every path and method, unless operations are named.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    name: String,
    version: String,
    context: String,
    lines: Vec<String>,
    operations: Vec<String>,
    production: Vec<String>,
    sandbox: Vec<String>,
    subscribed: bool,
}

/// An API by its reference, `orders:1.0.0`, at the context of its name.
pub(crate) fn api(reference: &str) -> Api {
    let (name, version) = reference.split_once(':').expect("a name and a version");
    Api {
        name: name.to_owned(),
        version: version.to_owned(),
        context: format!("/{name}"),
        lines: Vec::new(),
        operations: Vec::new(),
        production: Vec::new(),
        sandbox: Vec::new(),
        subscribed: true,
    }
}

impl Api {
    /// Another context.
    pub(crate) fn at(mut self, context: &str) -> Api {
        context.clone_into(&mut self.context);
        self
    }

    /// The production backend.
    pub(crate) fn to(self, url: &str) -> Api {
        self.production(&format!("urls = [\"{url}\"]"))
    }

    /// Lines of `[apis.production]`.
    pub(crate) fn production(mut self, lines: &str) -> Api {
        self.production.push(lines.to_owned());
        self
    }

    /// Lines of `[apis.sandbox]`.
    pub(crate) fn sandbox(mut self, lines: &str) -> Api {
        self.sandbox.push(lines.to_owned());
        self
    }

    /// Further lines.
    pub(crate) fn lines(mut self, lines: &str) -> Api {
        self.lines.push(lines.to_owned());
        self
    }

    /// An operation, in place of the one for everything: `method = "GET", path = "/*"`.
    pub(crate) fn operation(mut self, members: &str) -> Api {
        self.operations.push(format!("{{ {members} }}"));
        self
    }

    /// Everybody may call it, without a token.
    pub(crate) fn open(self) -> Api {
        self.operation("method = \"*\", path = \"/*\", auth = \"none\"")
    }

    /// A good token is enough.
    pub(crate) fn without_subscription(mut self) -> Api {
        self.subscribed = false;
        self.lines("subscription_required = false")
    }

    fn reference(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }
}

impl Display for Api {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Api { name, version, context, .. } = self;
        write!(
            f,
            "[[apis]]\nname = \"{name}\"\nversion = \"{version}\"\ncontext = \"{context}\"\n"
        )?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let everything = ["{ method = \"*\", path = \"/*\" }".to_owned()];
        let named = if self.operations.is_empty() { &everything[..] } else { &self.operations };
        writeln!(f, "operations = [{}]", named.join(", "))?;
        for (environment, lines) in [("production", &self.production), ("sandbox", &self.sandbox)] {
            if !lines.is_empty() {
                writeln!(f, "[apis.{environment}]\n{}", lines.join("\n"))?;
            }
        }
        Ok(())
    }
}

/// One `[[applications]]`.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    name: String,
    lines: Vec<String>,
    keys: Vec<String>,
    subscriptions: Option<Vec<String>>,
}

/// An application that is subscribed to each API of its file, unless subscriptions are named.
pub(crate) fn application(name: &str) -> Application {
    Application { name: name.to_owned(), lines: Vec::new(), keys: Vec::new(), subscriptions: None }
}

impl Application {
    /// A production key.
    pub(crate) fn key(self, key_manager: &str, consumer_key: &str) -> Application {
        self.key_of("production", key_manager, consumer_key)
    }

    pub(crate) fn key_of(
        mut self,
        kind: &str,
        key_manager: &str,
        consumer_key: &str,
    ) -> Application {
        self.keys.push(format!(
            "{{ type = \"{kind}\", key_manager = \"{key_manager}\", consumer_key = \"{consumer_key}\" }}"
        ));
        self
    }

    /// Subscribed to this API, and to no other that is not named.
    pub(crate) fn subscribed(mut self, api: &str) -> Application {
        self.subscriptions.get_or_insert_default().push(format!("api = \"{api}\""));
        self
    }

    /// Subscribed to this API only, in this state.
    pub(crate) fn subscribed_as(mut self, api: &str, status: &str) -> Application {
        self.subscriptions = Some(vec![format!("api = \"{api}\", status = \"{status}\"")]);
        self
    }

    pub(crate) fn unsubscribed(mut self) -> Application {
        self.subscriptions = Some(Vec::new());
        self
    }

    /// Further lines.
    pub(crate) fn lines(mut self, lines: &str) -> Application {
        self.lines.push(lines.to_owned());
        self
    }

    fn text(&self, apis: &[Api]) -> String {
        let needing = apis.iter().filter(|api| api.subscribed);
        let all = || needing.map(|api| format!("api = \"{}\"", api.reference())).collect();
        let named = self.subscriptions.clone().unwrap_or_else(all);
        let named: Vec<_> = named.iter().map(|members| format!("{{ {members} }}")).collect();
        let head = format!("[[applications]]\nname = \"{}\"\n{}", self.name, self.lines.join("\n"));
        let (keys, named) = (self.keys.join(", "), named.join(", "));
        format!("{head}\nkeys = [{keys}]\nsubscriptions = [{named}]\n")
    }
}
