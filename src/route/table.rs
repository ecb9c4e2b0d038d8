//! The route table: host and longest base path to an API, then template and method to an operation.
//!
//! Base paths match on segment borders. Among APIs that share one, the most specific host wins
//! (exact, then the longest wildcard, then any). An API that has the longest base path but not the
//! operation ends the search: a shorter base path is never tried. Retired APIs are left out,
//! blocked ones are found. Reading takes no lock. It allocates only for the allowed methods of a
//! refusal and for segments with encoded reserved characters. A path that only an API's own rules
//! let through (`%2F`, `//`) is matched as sent. It is refused if a backend that decodes or folds
//! it would come to another API, or to an operation that requires more.

use hashbrown::HashMap;
use http::Method;

use crate::model::api::{Api, AuthScheme, Lifecycle, Operation, PathRules};
use crate::model::names::ApiSlot;
use crate::model::reason::Reason;
use crate::model::template::Segment;
use crate::route::hosts::{Hosts, ServedApi};
use crate::route::operations::{Search, Tree};
use crate::route::path::{
    Fit, InvalidPath, NormalPath, first_segment, literal_of, normalize, normalize_by,
};

#[derive(Debug)]
pub struct RouteTable {
    tree: Tree,
    /// The base paths, by node of their tree, whose nodes stand at the front of `tree`.
    bases: Vec<Base>,
    /// An API keeps more of a path than others do.
    keeps: bool,
    /// The operations of the APIs whose paths may be read as several operations.
    readable: HashMap<ApiSlot, Box<[Operation]>, foldhash::quality::RandomState>,
}

/// The operation that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub api: ApiSlot,
    /// The position in [`Api::operations`].
    pub operation: u32,
    /// The length of the base path in the path, in bytes.
    pub base_length: usize,
}

/// The reason why a request names no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("no API is served at this host and path")]
    Api,
    #[error("no operation of the API has this path")]
    Operation { api: ApiSlot },
    #[error("no operation of the API has this path and method")]
    Method { api: ApiSlot, allowed: Vec<Method> },
    /// Answered like an invalid path, because backends would not agree on the operation.
    #[error("path parameters (\";\") stand in a segment that the route spells out")]
    PathParameters,
    /// Answered like an invalid path, too.
    #[error(
        "a backend that decodes the path, or folds its slashes, would come to another API or \
         operation"
    )]
    OtherReading,
}

impl NotFound {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Api => Reason::ApiNotFound,
            Self::Operation { .. } => Reason::OperationNotFound,
            Self::Method { .. } => Reason::MethodNotAllowed,
            Self::PathParameters | Self::OtherReading => Reason::InvalidPath,
        }
    }
}

/// A node of the base paths' tree.
#[derive(Debug, Default)]
struct Base {
    hosts: Hosts,
    length: usize,
    segments: usize,
    /// The nearest node above that APIs are served at.
    above: Option<usize>,
}

const ROOT: usize = 0;

impl RouteTable {
    pub fn build(apis: &[Api]) -> Self {
        let mut table = Self {
            tree: Tree::default(),
            bases: vec![Base::default()],
            keeps: false,
            readable: HashMap::default(),
        };
        table.tree.root();
        let served = || apis.iter().filter(|api| api.lifecycle != Lifecycle::Retired);
        // all base paths before all operations, so that their nodes are the first ones
        let homes: Vec<Vec<usize>> = served().map(|api| table.grow_bases(api)).collect();
        for (api, homes) in served().zip(homes) {
            let operations = table.tree.root();
            for (operation, position) in api.operations.iter().zip(0_u32..) {
                table.tree.add(operations, position, operation);
            }
            let served = ServedApi { api: api.slot(), operations, paths: api.paths };
            let keeps = api.paths != PathRules::default();
            table.keeps |= keeps;
            if keeps || api.operations.iter().any(has_reserved) {
                table.readable.insert(served.api, api.operations.as_slice().into());
            }
            for home in homes {
                if let Some(base) = table.bases.get_mut(home) {
                    base.hosts.add(&api.hosts, served);
                }
            }
        }
        table.link();
        table
    }

    /// Brings the path of a request target to the normal form that its API accepts.
    pub fn normalize<'r>(&self, host: &str, path: &'r str) -> Result<NormalPath<'r>, InvalidPath> {
        let strict = normalize(path);
        if !self.keeps || (strict.is_ok() && !path.contains("//")) {
            return strict;
        }
        let paths_of = |path: &NormalPath<'_>| {
            self.find_api(host, path.as_str()).ok().map(|(served, _)| served.paths)
        };
        let refusal = match strict {
            Ok(folded) if !paths_of(&folded).is_some_and(|paths| paths.keep_empty_segments) => {
                return Ok(folded);
            }
            Ok(_) => InvalidPath::EmptySegments,
            Err(error) => error,
        };
        let rules = [(true, false), (false, true), (true, true)];
        let mut kept = rules.into_iter().filter_map(|(slashes, empty)| {
            let rules = PathRules { keep_encoded_slashes: slashes, keep_empty_segments: empty };
            normalize_by(path, rules).ok().filter(|path| paths_of(path) == Some(rules))
        });
        kept.next().ok_or(refusal)
    }

    /// `host` is the result of [`crate::route::Authority::host`]; empty if the request has none.
    pub fn find(
        &self,
        host: &str,
        path: &NormalPath<'_>,
        method: &Method,
    ) -> Result<Found, NotFound> {
        let found = self.find_as_sent(host, path, method)?;
        if path.needs() == PathRules::default() || self.agrees(host, path, method, found) {
            Ok(found)
        } else {
            Err(NotFound::OtherReading)
        }
    }

    /// Tells whether no backend reads a path as one that asks for more.
    fn agrees(&self, host: &str, path: &NormalPath<'_>, method: &Method, found: Found) -> bool {
        let Ok(readings) = path.readings() else { return false };
        readings.iter().all(|reading| match self.find_as_sent(host, reading, method) {
            Ok(other) if other.api != found.api => false,
            Ok(other) => self.asks_for_no_less(found.api, found.operation, other.operation),
            Err(NotFound::PathParameters | NotFound::OtherReading) => false,
            Err(NotFound::Api | NotFound::Operation { .. } | NotFound::Method { .. }) => true,
        })
    }

    /// Tells whether every request that the first operation lets pass is one that the second lets
    /// pass too.
    fn asks_for_no_less(&self, api: ApiSlot, one: u32, other: u32) -> bool {
        let Some(operations) = self.readable.get(&api) else { return false };
        match (operations.get(one as usize), operations.get(other as usize)) {
            (Some(one), Some(other)) => asks_for_no_less(one, other),
            _ => false,
        }
    }

    fn find_as_sent(
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
            Search::Undecided { decoded, as_sent }
                if self.asks_for_no_less(api, decoded, as_sent) =>
            {
                Ok(Found { api, operation: decoded, base_length })
            }
            Search::Undecided { .. } => Err(NotFound::OtherReading),
            Search::OtherMethods(allowed) => Err(NotFound::Method { api, allowed }),
            Search::Nothing => Err(NotFound::Operation { api }),
        }
    }

    fn find_api(&self, host: &str, path: &str) -> Result<(ServedApi, usize), NotFound> {
        let mut node = ROOT;
        // how much of the path was read without cutting parameters
        let mut certain = usize::MAX;
        let mut as_sent = true;
        let mut rest = path;
        while let Some(path) = rest.strip_prefix('/') {
            let (segment, next) = first_segment(path);
            rest = next;
            let (name, fit) = literal_of(segment);
            let Some(child) = self.tree.child(node, &name) else { break };
            as_sent &= fit == Fit::AsSent;
            if fit == Fit::Cut {
                certain = certain.min(self.bases.get(node).map_or(0, |base| base.length));
            }
            node = child;
        }
        let mut next = Some(node);
        while let Some(base) = next.and_then(|node| self.bases.get(node)) {
            if let Some(served) = base.hosts.find(host) {
                return if base.length > certain {
                    Err(NotFound::PathParameters)
                } else if as_sent {
                    Ok((served, base.length))
                } else {
                    let mut slashes = path.match_indices('/').map(|(at, _)| at);
                    Ok((served, slashes.nth(base.segments).unwrap_or(path.len())))
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
            let parent = node;
            let (length, segments) =
                self.bases.get(node).map_or((0, 0), |base| (base.length, base.segments));
            node = self.tree.grow(node, segment);
            if node == self.bases.len() {
                let length = length + 1 + segment.replace("%2A", "*").len();
                let segments = segments + 1;
                self.bases.push(Base { length, segments, above: Some(parent), ..Base::default() });
            }
        }
        node
    }

    /// Links every node past those above it where no API is served. Parents stand before their
    /// children.
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

/// Tells whether a literal of the operation can be sent in two spellings.
fn has_reserved(operation: &Operation) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    operation.template.segments().iter().any(|segment| match segment {
        Segment::Literal(literal) => !literal.bytes().all(unreserved),
        Segment::Parameter(_) => false,
    })
}

fn asks_for_no_less(one: &Operation, other: &Operation) -> bool {
    if other.auth == AuthScheme::None {
        return true;
    }
    let within = !one.scopes.is_empty() && one.scopes.iter().all(|own| other.scopes.contains(own));
    one.auth == AuthScheme::Required && (other.scopes.is_empty() || within)
}

#[cfg(test)]
mod tests;
