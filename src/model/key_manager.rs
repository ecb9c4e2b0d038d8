//! A key manager: an outside authorization server whose tokens the gateway believes, and how to
//! read them.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::identity::Identity;
use crate::model::names::{Issuer, KeyManagerName, KeyManagerSlot};
use crate::model::network::NetworkRule;
use crate::model::organization::{Listing, TemplateOrganization};
use crate::model::provenance::Provenance;
use crate::model::provisioning::KeyProvisioning;
use crate::model::secret::Secret;
use crate::model::token_handling::TokenHandling;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyManager {
    pub identity: Identity,
    pub name: KeyManagerName,
    /// For people; the name when nothing was written.
    pub display_name: String,
    pub description: String,
    pub kind: KeyManagerType,
    /// A disabled key manager's tokens are refused like those of an unknown issuer.
    pub enabled: bool,
    /// `None`: taken from the discovery document once that was read.
    pub issuer: Option<Issuer>,
    pub keys: KeySource,
    pub fetch: Fetch,
    pub claims: ClaimNames,
    pub rules: TokenRules,
    /// Claims that the backend JWT has under another name.
    pub claim_mapping: Vec<(String, String)>,
    /// The organization whose tokens it judges, if it was made of a template.
    pub organization: Option<TemplateOrganization>,
    pub validation: TokenValidation,
    /// Where tokens can be asked about.
    pub introspection: Option<Introspection>,
    /// Which tokens are its own; empty: all of its issuer, and opaque ones where it can be asked.
    pub handling: Vec<TokenHandling>,
    /// What application developers are shown.
    pub endpoints: KeyManagerEndpoints,
    /// How applications get keys.
    pub provisioning: KeyProvisioning,
    pub place: Provenance,
}

/// The connector types of WSO2 API Manager, and Cognito: each sets the defaults of [`ClaimNames`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyManagerType {
    #[serde(rename = "WSO2-IS")]
    Wso2Is,
    #[serde(rename = "WSO2-IS-7")]
    Wso2Is7,
    #[serde(rename = "fsKeyManager")]
    FsKeyManager,
    CustomKeyManager,
    Auth0,
    Okta,
    KeyCloak,
    PingFederate,
    Forgerock,
    AzureAD,
    Asgardeo,
    Cognito,
}

/// How tokens are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenValidation {
    SelfValidate,
    /// The server is asked, also about JWTs.
    Introspection,
    /// JWTs are verified here, and the server is asked about each at most once in this time.
    Both {
        every: Duration,
        on_failure: OnIntrospectionFailure,
    },
}

/// What becomes of a JWT with a good signature whose server cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnIntrospectionFailure {
    Refuse,
    Allow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    /// `None`: the discovery document names it.
    pub endpoint: Option<String>,
    /// `None`: the client certificate says who asks.
    pub credentials: Option<Credentials>,
    /// Never beyond the token's own `exp`; zero turns it off.
    pub cache: Duration,
    /// Only signed answers are believed (RFC 9701).
    pub signed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The client id; empty only where the server asks for none.
    pub username: String,
    pub proof: ClientProof,
}

/// What shows a server that the gateway is who it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    Password {
        secret: Secret,
        carrier: SecretCarrier,
    },
    /// Nothing (`method = "none"`): the network decides who may ask.
    None,
    /// A signed assertion for each question (RFC 7523).
    Key {
        key: PemFile,
        /// `None`: the key's thumbprint.
        id: Option<String>,
        /// `None`: the issuer, or the endpoint where no issuer is known.
        audience: Option<String>,
    },
    /// The client certificate of the connection (RFC 8705).
    Certificate,
}

/// How a client secret is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretCarrier {
    /// HTTP Basic with both parts form-encoded (RFC 6749 section 2.3.1).
    Basic,
    /// HTTP Basic of both parts as they are, as WSO2 reads it.
    BasicRaw,
    /// In the form (`client_secret_post`).
    Form,
}

/// Where the keys that verify signatures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The `jwks_uri` of the discovery document at this address. When the key manager's issuer is
    /// written too, the document's `issuer` must equal it.
    Discovery { well_known_url: String },
    /// A JWKS address; with a `well_known_url` the discovery document is still read for a missing
    /// issuer.
    Jwks { url: String, well_known_url: Option<String> },
    /// Nowhere: every token is asked about.
    None,
    /// One or more PEM certificates or public keys, read when the configuration is read.
    Pem { path: PathBuf, content: Vec<u8> },
    /// A JWKS in a file, read when the configuration is read.
    JwksFile { path: PathBuf, content: Vec<u8> },
}

/// How documents are fetched from the authorization server, and how long they are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Background refresh of the key set.
    pub refresh: Duration,
    /// At most one fetch for an unknown `kid` or a bad signature in this time.
    pub min_refetch: Duration,
    /// How long the last good keys are used while the server cannot be read.
    pub keep_stale: Duration,
    pub connect_timeout: Duration,
    /// For the whole fetch of one document, not for each read.
    pub request_timeout: Duration,
    pub max_document_bytes: u64,
    /// Plain HTTP to an address that is not loopback.
    pub allow_http: bool,
    pub proxy: ProxyChoice,
    /// PEM content of authorities trusted beside the system's, with the file it came from.
    pub ca: Option<PemFile>,
    /// Where the server asks for a client certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// The networks that may be called; `None` (the address stands in a file): all.
    pub networks: Option<NetworkRule>,
}

/// A file with its content at the time the configuration was read.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    pub path: PathBuf,
    pub content: Vec<u8>,
}

impl std::fmt::Debug for PemFile {
    /// Only the path: the content may be a private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PemFile").field(&self.path).finish()
    }
}

/// A certificate chain with its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub certificate: PemFile,
    pub key: PemFile,
}

/// Which HTTP proxy a fetch goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    Environment,
    Direct,
    Url(String),
}

/// Which claims hold the client and the scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// `None`: `consumerKey`, then `azp`, as WSO2 falls back.
    pub consumer_key: Option<String>,
    /// `None`: `scope`.
    pub scopes: Option<String>,
}

/// What is asked of a token beside a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// Never empty.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Accepted `typ`, lower case, without `application/`; empty accepts `jwt`, `at+jwt` and none.
    pub token_types: Vec<String>,
    pub id_tokens: IdTokens,
    /// Any of these must be in `aud`; empty does not check.
    pub audiences: Vec<String>,
    /// Clock skew allowed on `exp` and `nbf`.
    pub leeway: Duration,
    /// Tokens whose `exp` lies further ahead are refused.
    pub max_lifetime: Option<Duration>,
}

/// What becomes of tokens that look like ID tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdTokens {
    #[default]
    Refuse,
    /// For servers whose access tokens look like ID tokens.
    Allow,
}

/// The closed list of signature algorithms (RFC 7518 3.1, RFC 8037): asymmetric only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// Addresses that only people and later features use; empty when not written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyManagerEndpoints {
    pub token: String,
    pub display_token: String,
    pub revoke: String,
    pub display_revoke: String,
    pub introspection: String,
    pub userinfo: String,
    pub authorize: String,
    pub client_registration: String,
    pub scope_management: String,
    pub grant_types: Vec<String>,
}

impl KeyManager {
    pub fn slot(&self) -> KeyManagerSlot {
        KeyManagerSlot(u16::try_from(self.identity.slot()).unwrap_or(u16::MAX))
    }

    /// Makes a key manager whose place is left out: a line above it changes nothing of it.
    #[must_use]
    pub fn without_place(&self) -> Self {
        Self { place: Provenance::default(), ..self.clone() }
    }

    /// Returns true for an organization that no file lists.
    pub fn is_unlisted(&self) -> bool {
        self.organization.as_ref().is_some_and(|own| own.listing == Listing::Unlisted)
    }

    /// The template whose organization this is.
    pub fn template(&self) -> Option<KeyManagerSlot> {
        self.organization.as_ref().map(|own| own.template)
    }

    /// The value that a token's `org_id` must have, where it has one.
    pub fn organization_id(&self) -> Option<&str> {
        self.organization.as_ref()?.id.as_deref()
    }

    /// The organization that its issuer proves.
    pub fn tenant(&self) -> Option<&str> {
        self.organization.as_ref().map(|own| own.tenant.as_str())
    }
}

impl Default for Fetch {
    /// What holds where an operator wrote nothing.
    fn default() -> Self {
        Self {
            refresh: Duration::from_mins(10),
            min_refetch: Duration::from_secs(10),
            keep_stale: Duration::from_hours(24),
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            max_document_bytes: 512 * 1024,
            allow_http: false,
            proxy: ProxyChoice::Environment,
            ca: None,
            client_certificate: None,
            networks: None,
        }
    }
}

impl KeyManagerType {
    /// The name in gateway.toml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wso2Is => "WSO2-IS",
            Self::Wso2Is7 => "WSO2-IS-7",
            Self::FsKeyManager => "fsKeyManager",
            Self::CustomKeyManager => "CustomKeyManager",
            Self::Auth0 => "Auth0",
            Self::Okta => "Okta",
            Self::KeyCloak => "KeyCloak",
            Self::PingFederate => "PingFederate",
            Self::Forgerock => "Forgerock",
            Self::AzureAD => "AzureAD",
            Self::Asgardeo => "Asgardeo",
            Self::Cognito => "Cognito",
        }
    }

    /// The `typ` that this server always writes into its access tokens, where it is known to; empty
    /// for all others.
    pub fn default_token_types(self) -> &'static [&'static str] {
        match self {
            Self::Wso2Is7 | Self::FsKeyManager | Self::Asgardeo => &["at+jwt"],
            Self::Wso2Is
            | Self::CustomKeyManager
            | Self::Auth0
            | Self::Okta
            | Self::KeyCloak
            | Self::PingFederate
            | Self::Forgerock
            | Self::AzureAD
            | Self::Cognito => &[],
        }
    }

    /// How its servers read HTTP Basic.
    pub fn default_carrier(self) -> SecretCarrier {
        match self {
            Self::Wso2Is | Self::Wso2Is7 | Self::FsKeyManager | Self::Asgardeo => {
                SecretCarrier::BasicRaw
            }
            _ => SecretCarrier::Basic,
        }
    }

    /// The claim names that the connector of this type fills in (WSO2's connector defaults;
    /// Cognito's own tokens).
    pub fn default_claims(self) -> ClaimNames {
        let (consumer_key, scopes) = match self {
            Self::Wso2Is | Self::KeyCloak => (None, None),
            Self::Wso2Is7
            | Self::FsKeyManager
            | Self::CustomKeyManager
            | Self::Auth0
            | Self::Asgardeo => (Some("azp"), Some("scope")),
            Self::Okta => (Some("cid"), Some("scp")),
            Self::PingFederate => (Some("client_id_name"), None),
            Self::Forgerock => (Some("aud"), Some("scp")),
            Self::AzureAD => (Some("azp"), None),
            Self::Cognito => (Some("client_id"), Some("scope")),
        };
        ClaimNames {
            consumer_key: consumer_key.map(str::to_owned),
            scopes: scopes.map(str::to_owned),
        }
    }
}

impl SignatureAlgorithm {
    /// Every algorithm that a key manager may allow.
    pub const ALL: [Self; 10] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// The name in a token's `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The algorithm of that exact name: one of [`SignatureAlgorithm::name`], or the name that RFC
    /// 9864 gives to EdDSA with the only curve that is supported. ECDSA's names in JOSE say the
    /// curve already; `ESP256` and its kin are COSE's.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDSA);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}
