//! The kinds of objects that are kept.

/// A kind of object. Its name stands in every row, so it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    KeyManager,
    Api,
    ThrottlingPolicy,
    DenyCondition,
    Application,
    /// A consumer key of an application.
    Key,
    Subscription,
    /// A person who may sign in. Never exported.
    User,
    /// A client of the management API itself, registered by a command line tool.
    ManagementClient,
    /// A token of the management API that ended before it expired.
    EndedToken,
    /// An API's OpenAPI document. Its id is the API's.
    Definition,
    /// A revision of an API, as WSO2's scripts ask for one.
    ApiRevision,
    /// A scope that several APIs share.
    Scope,
}

impl Kind {
    pub const ALL: [Self; 13] = [
        Self::KeyManager,
        Self::Api,
        Self::ThrottlingPolicy,
        Self::DenyCondition,
        Self::Application,
        Self::Key,
        Self::Subscription,
        Self::User,
        Self::ManagementClient,
        Self::EndedToken,
        Self::Definition,
        Self::ApiRevision,
        Self::Scope,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyManager => "key_manager",
            Self::Api => "api",
            Self::ThrottlingPolicy => "throttling_policy",
            Self::DenyCondition => "deny_condition",
            Self::Application => "application",
            Self::Key => "key",
            Self::Subscription => "subscription",
            Self::User => "user",
            Self::ManagementClient => "management_client",
            Self::EndedToken => "ended_token",
            Self::Definition => "definition",
            Self::ApiRevision => "api_revision",
            Self::Scope => "scope",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Tells whether a change of this kind changes an application in the directory.
    pub fn is_of_applications(self) -> bool {
        matches!(self, Self::Application | Self::Key | Self::Subscription)
    }

    /// Tells whether the configuration compiler reads this kind as tables of their own.
    pub fn is_declared(self) -> bool {
        matches!(self, Self::KeyManager | Self::Api | Self::ThrottlingPolicy | Self::DenyCondition)
    }
}
