//! The publisher as the API sees it: it checks a change before the change is stored, and puts it
//! into force afterwards.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::admin::object::Object;
use crate::admin::written_ids::WrittenIds;
use crate::model::directory::Directory;
use crate::model::gateway::PortalSettings;
use crate::model::key_manager::Fetch;
use crate::store::{Change, Kind};

/// A question to the publisher, or a hint.
#[derive(Debug)]
pub enum LiveRequest {
    /// Asks whether the gateway would accept these changes. Nothing is changed.
    Preview {
        changes: Vec<Change>,
        detail: PreviewDetail,
        reply: oneshot::Sender<Result<Preview, Vec<PreviewProblem>>>,
    },
    /// Tells that the store has this revision now. The reply comes when it is in force here.
    Follow { revision: u64, reply: oneshot::Sender<()> },
    /// Puts the applications of files into the orders that the API needs, behind the workers.
    Order { directory: Directory, reply: oneshot::Sender<()> },
}

/// The extent of a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewDetail {
    /// Problems and warnings, before a change is made.
    Check,
    /// Includes the callers who would gain or lose access.
    Access,
}

/// The effects of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Warnings of the configuration compiler.
    pub warnings: Vec<String>,
    /// A line for each application that gains or loses operations.
    pub access: Vec<String>,
}

/// The reason for which a change cannot come into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewProblem {
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for PreviewProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{}: {hint}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The objects of files, for reading; replaced with each reload.
#[derive(Debug, Clone, Default)]
pub struct DeclaredObjects {
    /// All objects except applications, which are read from the directory.
    pub objects: Vec<Object>,
    pub ids: WrittenIds,
    pub portal: PortalSettings,
    /// Calls to addresses that come by the API.
    pub calls: Arc<Fetch>,
}

impl DeclaredObjects {
    /// Returns the objects of one kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| object.record.kind == kind)
    }
}
