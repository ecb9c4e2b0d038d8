//! Shows an operator every problem with its place, its line, and a remedy.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::config::problems::{At, Problem, Severity};
use crate::config::redaction;
use crate::config::source::Sources;
use crate::model::provenance::STORE;

/// All problems of one reading.
#[derive(Debug, Clone, Default)]
pub struct Report {
    problems: Vec<Located>,
}

#[derive(Debug, Clone)]
struct Located {
    problem: Problem,
    path: String,
    /// The line and column, from 1.
    position: Option<(usize, usize)>,
    /// The line, and the span in it.
    excerpt: Option<SourceExcerpt>,
    other: Option<String>,
}

#[derive(Debug, Clone)]
struct SourceExcerpt {
    text: String,
    first_line: usize,
    span: Range<usize>,
}

/// The look of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportStyle {
    Plain,
    /// Text with the colors of a terminal.
    Colored,
}

impl Report {
    pub(super) fn new(problems: Vec<Problem>, sources: &Sources) -> Self {
        let mut problems: Vec<_> =
            problems.into_iter().map(|problem| Located::new(problem, sources)).collect();
        problems.sort_by(|one, two| (&one.path, one.position).cmp(&(&two.path, two.position)));
        Self { problems }
    }

    /// Returns a report with one error about a whole file.
    pub(super) fn of_file(path: &Path, message: &str, hint: &str) -> Self {
        let problem = Problem {
            severity: Severity::Error,
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
            at: At::File { path: path.to_owned() },
            other: None,
        };
        let path = path.display().to_string();
        Self {
            problems: vec![Located { problem, path, position: None, excerpt: None, other: None }],
        }
    }

    /// Returns a report with one error about the store as a whole.
    pub fn of_store(message: &str) -> Self {
        Self::of_file(Path::new(STORE), message, "see `[store]` of the configuration")
    }

    pub fn problems(&self) -> impl Iterator<Item = String> + '_ {
        self.problems.iter().map(Located::line)
    }

    /// Returns the message and the hint of each error, without its place.
    pub fn errors(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let errors =
            self.problems.iter().filter(|located| located.problem.severity == Severity::Error);
        errors.map(|own| (own.problem.message.as_str(), own.problem.hint.as_deref()))
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|located| located.problem.severity == Severity::Error)
    }

    /// Returns the whole report, with the lines in question.
    pub fn render(&self, style: ReportStyle) -> String {
        let renderer = match style {
            ReportStyle::Plain => Renderer::plain(),
            ReportStyle::Colored => Renderer::styled(),
        };
        let mut parts: Vec<String> =
            self.problems.iter().map(|located| located.render(&renderer)).collect();
        let errors = self
            .problems
            .iter()
            .filter(|located| located.problem.severity == Severity::Error)
            .count();
        if errors > 0 {
            parts.push(format!("{errors} error{}", if errors == 1 { "" } else { "s" }));
        }
        parts.join("\n\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(ReportStyle::Plain))
    }
}

impl Located {
    fn new(problem: Problem, sources: &Sources) -> Self {
        let (path, position, excerpt) = match &problem.at {
            At::Span { file, span } => {
                let (line, column) = sources.position(*file, span.start);
                (sources.path(*file), Some((line, column)), Some(excerpt(sources, *file, span)))
            }
            At::Line { path, line } => {
                (path.display().to_string(), Some((*line as usize, 1)), None)
            }
            At::File { path } => (path.display().to_string(), None, None),
        };
        let other = problem.other.as_ref().map(|at| match at {
            At::Span { file, span } => {
                format!("{}:{}", sources.path(*file), sources.position(*file, span.start).0)
            }
            At::Line { path, line } => format!("{}:{line}", path.display()),
            At::File { path } => path.display().to_string(),
        });
        let message = redaction::message(&problem.message).into_owned();
        let hint = problem.hint.as_deref().map(|hint| redaction::message(hint).into_owned());
        let problem = Problem { message, hint, ..problem };
        Self { problem, path, position, excerpt, other }
    }

    fn place(&self) -> String {
        match self.position {
            Some((line, column)) => format!("{}:{line}:{column}", self.path),
            None => self.path.clone(),
        }
    }

    fn message(&self) -> String {
        match &self.other {
            Some(other) => format!("{} (the other is at {other})", self.problem.message),
            None => self.problem.message.clone(),
        }
    }

    /// Returns the problem on one line, for logs.
    fn line(&self) -> String {
        let hint = self.problem.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        format!("{}: {}{hint}", self.place(), self.message())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let message = self.message();
        let Some(excerpt) = &self.excerpt else {
            let name = if self.problem.severity == Severity::Error { "error" } else { "warning" };
            let hint = self
                .problem
                .hint
                .as_ref()
                .map_or_else(String::new, |hint| format!("\n  = help: {hint}"));
            return format!("{name}: {message}\n --> {}{hint}", self.place());
        };
        let annotation = AnnotationKind::Primary.span(excerpt.span.clone());
        let snippet = Snippet::source(&excerpt.text)
            .line_start(excerpt.first_line)
            .path(&self.path)
            .annotation(annotation);
        let mut group: Group<'_> = level.primary_title(&message).element(snippet);
        if let Some(hint) = &self.problem.hint {
            group = group.element(Level::HELP.message(hint));
        }
        renderer.render(&[group])
    }
}

/// Returns the first line of a span, without secrets.
fn excerpt(sources: &Sources, file: u16, span: &Range<usize>) -> SourceExcerpt {
    let text = sources.text(file);
    let start = span.start.min(text.len());
    let line_start = text
        .get(..start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at.saturating_add(1));
    let line_end = text
        .get(start..)
        .and_then(|after| after.find('\n'))
        .map_or(text.len(), |at| start.saturating_add(at));
    let end = span.end.clamp(start, line_end.max(start));
    let line = text.get(line_start..line_end).unwrap_or_default();
    let span = start.saturating_sub(line_start)..end.saturating_sub(line_start);
    let (text, span) = sources.shown(file, line_start, line, span);
    SourceExcerpt { text, first_line: sources.position(file, start).0, span }
}
