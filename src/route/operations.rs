//! Finds the operation of an API by path and method: a tree of segments, with literals found by
//! hash.
//!
//! Order: at each segment a literal comes before a `{parameter}`, and that before `*`, from the
//! left. At the end of the path its own operation comes before `*`, or the other way round if the
//! path ends with a slash (`/files/` is below `/files`). Among operations of one template the
//! method's own name comes first; GET's rule serves HEAD if nothing is written for it (RFC 9110
//! section 9.3.2); then `"*"`. A template that fits but does not offer the method is passed over.
//!
//! Cost: a search visits each tree node of the API at most once, and no more than two to the power
//! of the segments: linear in the operator's file, whatever the client sends. Templates without
//! parameters cost one lookup a segment.

use hashbrown::{Equivalent, HashMap};
use http::Method;

use crate::model::api::{Operation, OperationMethod};
use crate::model::template::{Segment, Tail};
use crate::route::path::{Fit, first_segment, literal_of};

/// The trees of all APIs, and of the base paths: one table of literals for all nodes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<PathNode>,
    literals: HashMap<Edge, usize, foldhash::quality::RandomState>,
}

#[derive(Debug, Default)]
struct PathNode {
    parameter: Option<usize>,
    /// The path ends here.
    exact: Rules,
    /// `/*` from here.
    below: Rules,
}

/// The operations of one template.
#[derive(Debug, Default)]
struct Rules {
    by_method: Vec<(Method, u32)>,
    any: Option<u32>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Edge {
    node: usize,
    literal: Box<str>,
}

#[derive(Hash)]
struct PathStep<'a> {
    node: usize,
    literal: &'a str,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Search {
    Operation(u32),
    /// The best template fits only after a cut, so there are two readings.
    Ambiguous,
    /// The best template fits only once reserved characters are decoded, and without that another
    /// one fits.
    Undecided {
        decoded: u32,
        as_sent: u32,
    },
    /// The path is served, for these methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl Tree {
    /// A node that nothing leads to yet.
    pub(super) fn root(&mut self) -> usize {
        self.nodes.push(PathNode::default());
        self.nodes.len() - 1
    }

    /// Walks or makes the way down a literal segment in normal form; `%2A` is how a template writes
    /// a literal `*`.
    pub(super) fn grow(&mut self, node: usize, literal: &str) -> usize {
        let literal = plain(literal);
        if let Some(child) = self.child(node, &literal) {
            return child;
        }
        let child = self.root();
        self.literals.insert(Edge { node, literal: literal.into() }, child);
        child
    }

    pub(super) fn child(&self, node: usize, literal: &str) -> Option<usize> {
        self.literals.get(&PathStep { node, literal }).copied()
    }

    /// Adds an operation. If two have one shape and method the first stays: configuration has
    /// refused the second.
    pub(super) fn add(&mut self, root: usize, position: u32, operation: &Operation) {
        let mut node = root;
        for segment in operation.template.segments() {
            node = match segment {
                Segment::Literal(literal) => self.grow(node, literal),
                Segment::Parameter(_) => self.grow_parameter(node),
            };
        }
        let Some(node) = self.nodes.get_mut(node) else { return };
        let rules = match operation.template.tail() {
            Tail::Exact => &mut node.exact,
            Tail::Below => &mut node.below,
        };
        match &operation.method {
            OperationMethod::Any => {
                rules.any.get_or_insert(position);
            }
            OperationMethod::Exact(method) => {
                if rules.exact(method).is_none() {
                    rules.by_method.push((method.clone(), position));
                }
            }
        }
    }

    fn grow_parameter(&mut self, node: usize) -> usize {
        if let Some(child) = self.nodes.get(node).and_then(|node| node.parameter) {
            return child;
        }
        let child = self.root();
        if let Some(node) = self.nodes.get_mut(node) {
            node.parameter = Some(child);
        }
        child
    }

    /// `rest` is the path behind the base path: empty, or a normal path. Only
    /// [`Search::OtherMethods`] allocates.
    pub(super) fn search(&self, root: usize, rest: &str, method: &Method) -> Search {
        let mut found = Search::Nothing;
        self.walk(root, rest, Fit::AsSent, &mut |rules, fit| {
            let Some(position) = rules.find(method) else { return false };
            match (&found, fit) {
                (Search::Nothing, Fit::Cut) => found = Search::Ambiguous,
                (Search::Nothing, _) => found = Search::Operation(position),
                (_, Fit::Decoded) => {}
                (Search::Operation(first), _) if *first != position => {
                    found = Search::Undecided { decoded: *first, as_sent: position };
                }
                _ => {}
            }
            // a backend that does not decode comes to the best of the others
            fit != Fit::Decoded
        });
        if found == Search::Nothing {
            let mut methods = Vec::new();
            self.walk(root, rest, Fit::AsSent, &mut |rules, _| {
                rules.offer(&mut methods);
                false
            });
            if !methods.is_empty() {
                return Search::OtherMethods(methods);
            }
        }
        found
    }

    /// Shows `take` the templates that fit, best first, until it takes one. Templates that fit only
    /// after a cut can be left out without changing the order of the others. If the best one fits
    /// as sent, backends that cut parameters and backends that do not both come to it.
    fn walk(
        &self,
        node: usize,
        rest: &str,
        fit: Fit,
        take: &mut impl FnMut(&Rules, Fit) -> bool,
    ) -> bool {
        let Some(here) = self.nodes.get(node) else { return false };
        let Some(path) = rest.strip_prefix('/') else {
            return take(&here.exact, fit) || take(&here.below, fit);
        };
        if path.is_empty() {
            return take(&here.below, fit) || take(&here.exact, fit);
        }
        let (segment, next) = first_segment(path);
        let (name, name_fit) = literal_of(segment);
        if let Some(child) = self.child(node, &name)
            && self.walk(child, next, fit.max(name_fit), take)
        {
            return true;
        }
        // an empty segment, which some APIs keep, fills no parameter
        here.parameter
            .filter(|_| !segment.is_empty())
            .is_some_and(|child| self.walk(child, next, fit, take))
            || take(&here.below, fit)
    }
}

impl Rules {
    fn find(&self, method: &Method) -> Option<u32> {
        let stands_in = if method == Method::HEAD { self.exact(&Method::GET) } else { None };
        self.exact(method).or(stands_in).or(self.any)
    }

    fn exact(&self, method: &Method) -> Option<u32> {
        self.by_method.iter().find(|(own, _)| own == method).map(|(_, position)| *position)
    }

    fn offer(&self, methods: &mut Vec<Method>) {
        for (method, _) in &self.by_method {
            let head = (method == Method::GET).then_some(Method::HEAD);
            for offered in std::iter::once(method.clone()).chain(head) {
                if !methods.contains(&offered) {
                    methods.push(offered);
                }
            }
        }
    }
}

impl Equivalent<Edge> for PathStep<'_> {
    fn equivalent(&self, edge: &Edge) -> bool {
        self.node == edge.node && *self.literal == *edge.literal
    }
}

fn plain(literal: &str) -> String {
    literal.replace("%2A", "*")
}
