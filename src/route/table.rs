//! The route table: host and longest base path to an API, then template and method to an operation.
//!
//! Base paths match on segment borders; among APIs that share one, the most specific host wins (exact, then the longest
//! wildcard, then any). An API that has the longest base path but not the operation ends the search: a shorter base path is
//! never tried. Retired APIs are left out, blocked ones are found. Reading takes no lock and, but for the list of allowed
//! methods of a refusal, no allocation.

use http::Method;

use crate::model::api::{Api, Lifecycle};
use crate::model::names::ApiIndex;
use crate::model::reason::Reason;
use crate::route::hosts::{Hosts, ServedApi};
use crate::route::operations::{Search, Tree};
use crate::route::path::{NormalPath, first_segment, without_parameters};

#[derive(Debug)]
pub struct RouteTable {
    tree: Tree,
    /// By node of the base paths' tree, whose nodes stand at the front of `tree`.
    bases: Vec<Base>,
}

/// The operation that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub api: ApiIndex,
    /// Position in [`Api::operations`].
    pub operation: u32,
    /// The bytes of the path that the base path takes.
    pub base_length: usize,
}

/// Why a request names no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("no API is served at this host and path")]
    Api,
    #[error("no operation of the API has this path")]
    Operation { api: ApiIndex },
    #[error("no operation of the API has this path and method")]
    Method { api: ApiIndex, allowed: Vec<Method> },
    /// Answered like an invalid path: backends would not agree on the operation.
    #[error("path parameters (\";\") stand in a segment that the route spells out")]
    PathParameters,
}

impl NotFound {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Api => Reason::ApiNotFound,
            Self::Operation { .. } => Reason::OperationNotFound,
            Self::Method { .. } => Reason::MethodNotAllowed,
            Self::PathParameters => Reason::InvalidPath,
        }
    }
}

/// A node of the base paths' tree.
#[derive(Debug, Default)]
struct Base {
    hosts: Hosts,
    length: usize,
    /// The nearest node above that APIs are served at.
    above: Option<usize>,
}

const ROOT: usize = 0;

impl RouteTable {
    pub fn build(apis: &[Api]) -> Self {
        let mut table = Self { tree: Tree::default(), bases: vec![Base::default()] };
        table.tree.root();
        let served =
            || apis.iter().zip(0_u32..).filter(|(api, _)| api.lifecycle != Lifecycle::Retired);
        // all base paths before all operations, so that their nodes are the first ones
        let homes: Vec<Vec<usize>> = served().map(|(api, _)| table.grow_bases(api)).collect();
        for ((api, index), homes) in served().zip(homes) {
            let operations = table.tree.root();
            for (operation, position) in api.operations.iter().zip(0_u32..) {
                table.tree.add(operations, position, operation);
            }
            for home in homes {
                if let Some(base) = table.bases.get_mut(home) {
                    base.hosts.add(&api.hosts, ServedApi { api: ApiIndex(index), operations });
                }
            }
        }
        table.link();
        table
    }

    /// `host` as [`crate::route::Authority::host`] gives it; empty where the request has none.
    pub fn find(
        &self,
        host: &str,
        path: &NormalPath<'_>,
        method: &Method,
    ) -> Result<Found, NotFound> {
        let (served, base_length) = self.find_api(host, path.as_str())?;
        let api = served.api;
        let rest = path.as_str().get(base_length..).unwrap_or_default();
        match self.tree.search(served.operations, rest, method) {
            Search::Operation(operation) => Ok(Found { api, operation, base_length }),
            Search::Ambiguous => Err(NotFound::PathParameters),
            Search::OtherMethods(allowed) => Err(NotFound::Method { api, allowed }),
            Search::Nothing => Err(NotFound::Operation { api }),
        }
    }

    fn find_api(&self, host: &str, path: &str) -> Result<(ServedApi, usize), NotFound> {
        let mut node = ROOT;
        // how much of the path was read without cutting parameters
        let mut certain = usize::MAX;
        let mut rest = path;
        while let Some(path) = rest.strip_prefix('/') {
            let (segment, next) = first_segment(path);
            rest = next;
            let bare = without_parameters(segment);
            let Some(child) = self.tree.child(node, bare.unwrap_or(segment)) else { break };
            if bare.is_some() {
                certain = certain.min(self.bases.get(node).map_or(0, |base| base.length));
            }
            node = child;
        }
        let mut next = Some(node);
        while let Some(base) = next.and_then(|node| self.bases.get(node)) {
            if let Some(served) = base.hosts.find(host) {
                return if base.length > certain {
                    Err(NotFound::PathParameters)
                } else {
                    Ok((served, base.length))
                };
            }
            next = base.above;
        }
        Err(NotFound::Api)
    }

    /// The nodes of an API's base paths.
    fn grow_bases(&mut self, api: &Api) -> Vec<usize> {
        let bases = std::iter::once(&api.base_path).chain(&api.default_base_path);
        bases.map(|base| self.grow_base(base)).collect()
    }

    fn grow_base(&mut self, base: &str) -> usize {
        let mut node = ROOT;
        for segment in base.split('/').filter(|segment| !segment.is_empty()) {
            let (parent, length) = (node, self.bases.get(node).map_or(0, |base| base.length));
            node = self.tree.grow(node, segment);
            if node == self.bases.len() {
                let length = length + 1 + segment.replace("%2A", "*").len();
                self.bases.push(Base { length, above: Some(parent), ..Base::default() });
            }
        }
        node
    }

    /// Points every node past the ones above it that no API is served at. Parents stand before their children.
    fn link(&mut self) {
        for node in 0..self.bases.len() {
            let parent = self.bases.get(node).and_then(|base| base.above);
            let Some(parent) = parent.and_then(|parent| Some((parent, self.bases.get(parent)?)))
            else {
                continue;
            };
            let above = if parent.1.hosts.is_empty() { parent.1.above } else { Some(parent.0) };
            if let Some(base) = self.bases.get_mut(node) {
                base.above = above;
            }
        }
    }
}

#[cfg(test)]
mod tests;
