//! The failures of a fetch, each with a message for the operator and a label for a metric.

/// The reason why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchFailure {
    #[error("{url} is not an address that can be fetched")]
    Address { url: String },
    #[error("the name {host} cannot be resolved; check the address and the resolver")]
    Dns { host: String },
    #[error("cannot connect to {host}: {source}")]
    Connect {
        host: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the proxy {proxy} does not connect to {host}: {message}")]
    Proxy { proxy: String, host: String, message: String },
    #[error("TLS with {host} failed: {message}{}", seen(presented.as_deref(), authorities))]
    Tls { host: String, message: String, presented: Option<String>, authorities: String },
    #[error("TLS cannot be set up: {0}")]
    Trust(#[from] crate::fetch::trust::TrustError),
    #[error("{host} did not answer within {seconds} s")]
    Timeout { host: String, seconds: u64 },
    #[error("{host} answered {status}, not 200")]
    Status { host: String, status: u16 },
    #[error("{}", told(host, *status, *credentials, error.as_deref(), description.as_deref()))]
    Refused {
        host: String,
        status: u16,
        /// The server refuses the gateway's own credentials.
        credentials: bool,
        error: Option<String>,
        description: Option<String>,
    },
    #[error("{host} redirects to {location}; redirects are not followed: write the final address")]
    Redirect { host: String, location: String },
    #[error("{host} answered {content_type}, not JSON; is this the address of a key set?")]
    ContentType { host: String, content_type: String },
    #[error(
        "the answer of {host} is encoded as {encoding}, and plain UTF-8 was asked for \
         (Accept-Encoding: identity): turn that off for this address, at the server or at a proxy \
         before it"
    )]
    Encoded { host: String, encoding: String },
    #[error(
        "the answer of {host} cannot be read as JSON: it begins with {character}; is this the \
         address of a key set or a discovery document?"
    )]
    Beginning { host: String, character: String },
    #[error("the answer of {host} is larger than max_document_bytes ({limit} bytes)")]
    TooLarge { host: String, limit: u64 },
    #[error("the answer of {host} broke off")]
    BrokenOff { host: String },
    #[error(
        "{url} must not be fetched over plain http: use https, an address of loopback, or \
         allow_http"
    )]
    Insecure { url: String },
    #[error(
        "{host} is in a network that addresses of the management API may not lead to; \
         `management.allowed_networks` lists exceptions"
    )]
    Network { host: String },
}

impl FetchFailure {
    /// Tells whether the server cannot be reached, does not answer in time, or reports a failure of
    /// its own. A refusal is no outage: any client that sends a token can cause one.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::BrokenOff { .. } => true,
            Self::Status { status, .. } | Self::Refused { status, .. } => {
                matches!(status, 429 | 500..)
            }
            _ => false,
        }
    }

    /// The class, for a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Address { .. } => "address",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Proxy { .. } => "proxy",
            Self::Tls { .. } => "tls",
            Self::Trust(_) => "trust",
            Self::Timeout { .. } => "timeout",
            Self::Status { .. } | Self::Refused { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::ContentType { .. } => "content_type",
            Self::Encoded { .. } => "encoding",
            Self::TooLarge { .. } => "size",
            Self::BrokenOff { .. } => "broken_off",
            Self::Insecure { .. } => "insecure",
            Self::Network { .. } => "network",
            Self::Beginning { .. } => "json",
        }
    }
}

fn told(
    host: &str,
    status: u16,
    credentials: bool,
    error: Option<&str>,
    description: Option<&str>,
) -> String {
    let said = match (error, description) {
        (Some(error), Some(description)) => format!(" ({error}: {description:?})"),
        (Some(error), None) => format!(" ({error})"),
        (None, Some(description)) => format!(" ({description:?})"),
        (None, None) => String::new(),
    };
    if credentials && status == 403 {
        format!(
            "{host} refuses the gateway's own client with 403{said}; check `credentials`, and at \
             the server that this client may introspect"
        )
    } else if credentials {
        format!(
            "{host} refuses the gateway's own credentials with {status}{said}; check \
             `credentials` and `credentials.method`"
        )
    } else {
        format!("{host} answered {status}, not 200{said}")
    }
}

fn seen(presented: Option<&str>, authorities: &str) -> String {
    match presented {
        Some(subject) => format!(" (the server presented {subject}; trusted are {authorities})"),
        None => format!(" (trusted are {authorities})"),
    }
}
