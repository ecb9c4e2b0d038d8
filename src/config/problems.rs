//! Collects errors and warnings while a configuration is read, so that the operator gets all of
//! them at once.

use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;

/// The problems found so far, and the files that were looked at.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: RefCell<Vec<Problem>>,
    watched: RefCell<Vec<PathBuf>>,
}

impl Problems {
    /// Goes on after a reading that found these.
    pub(super) fn after(found: &[Problem], watched: &[PathBuf]) -> Self {
        Self { found: RefCell::new(found.to_vec()), watched: RefCell::new(watched.to_vec()) }
    }

    pub(super) fn error(&self, at: At, message: String, hint: Option<String>) {
        self.push(Problem { severity: Severity::Error, message, hint, at, other: None });
    }

    pub(super) fn warning(&self, at: At, message: String, hint: Option<String>) {
        self.push(Problem { severity: Severity::Warning, message, hint, at, other: None });
    }

    /// Records two places that contradict each other.
    pub(super) fn conflict(&self, at: At, other: At, message: String, hint: Option<String>) {
        self.push(Problem { severity: Severity::Error, message, hint, at, other: Some(other) });
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    pub(super) fn watch(&self, path: PathBuf) {
        self.watched.borrow_mut().push(path);
    }

    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<PathBuf>) {
        (self.found.into_inner(), self.watched.into_inner())
    }

    fn push(&self, problem: Problem) {
        let mut found = self.found.borrow_mut();
        if found.len() < MOST_PROBLEMS {
            found.push(problem);
        }
    }
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    pub message: String,
    pub hint: Option<String>,
    pub(super) at: At,
    /// The place of the other half of a conflict.
    pub(super) other: Option<At>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// Bytes of a file that is in memory.
    Span { file: u16, span: Range<usize> },
    /// A line of a file that was streamed.
    Line { path: PathBuf, line: u32 },
    /// The file as a whole.
    File { path: PathBuf },
}

/// The most problems that are reported; more help nobody.
const MOST_PROBLEMS: usize = 1000;
