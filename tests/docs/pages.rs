//! Reads the pages: their tables, headings, code blocks and links.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// One Markdown file.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// One row of a table, with the heading that it stands under.
pub(crate) struct Row {
    pub(crate) heading: String,
    pub(crate) cells: Vec<String>,
}

/// A fenced code block, with the HTML comment before it.
pub(crate) struct Block {
    pub(crate) mark: String,
    pub(crate) text: String,
}

/// Every page that people read.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "CHANGELOG.md"].map(|name| root().join(name)).into();
    paths.extend(fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

/// The page `docs/NAME`.
pub(crate) fn page(name: &str) -> Page {
    Page::read(&root().join("docs").join(name))
}

impl Page {
    pub(crate) fn read(path: &Path) -> Page {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Page { path: path.to_owned(), text }
    }

    pub(crate) fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().display().to_string()
    }

    /// The lines outside fenced code blocks.
    pub(crate) fn prose(&self) -> Vec<&str> {
        let mut fenced = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                lines.push(line);
            }
        }
        lines
    }

    /// The rows of all tables with this header.
    pub(crate) fn rows(&self, header: &[&str]) -> Vec<Row> {
        let mut rows = Vec::new();
        let (mut heading, mut inside) = (String::new(), false);
        for line in self.prose() {
            if line.starts_with('#') {
                line.trim_start_matches('#').trim().clone_into(&mut heading);
            }
            if !line.starts_with('|') {
                inside = false;
            } else if cells(line) == header {
                inside = true;
            } else if inside && !line.starts_with("|---") {
                let cells = cells(line);
                assert_eq!(cells.len(), header.len(), "{}: {line}", self.name());
                rows.push(Row { heading: heading.clone(), cells });
            }
        }
        rows
    }

    /// The fenced blocks of this language.
    pub(crate) fn blocks(&self, language: &str) -> Vec<Block> {
        let fence = format!("```{language}\n");
        let mut parts = self.text.split(&fence);
        let mut before = parts.next().unwrap_or_default();
        let mut blocks = Vec::new();
        for part in parts {
            let (text, rest) = part.split_once("```").expect("the end of a block");
            let line = before.trim_end().lines().next_back().unwrap_or_default();
            let mark = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
            blocks.push(Block { mark: mark.unwrap_or_default().to_owned(), text: text.to_owned() });
            before = rest;
        }
        blocks
    }

    /// The anchors of the headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for line in self.prose().into_iter().filter(|line| line.starts_with('#')) {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let before = anchors.iter().filter(|other| **other == anchor).count();
            assert_eq!(before, 0, "{}: two headings have the anchor #{anchor}", self.name());
            anchors.push(anchor);
        }
        anchors
    }
}

/// The text between the bars, but for bars within backticks.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut code = false;
    for c in line.trim().trim_start_matches('|').chars() {
        code ^= c == '`';
        match c {
            '|' if !code => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(c),
        }
    }
    // behind the last bar
    cells.pop();
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// What stands in backticks, in order.
pub(crate) fn code_spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The content of a cell that is one code span.
pub(crate) fn one_code_span(cell: &str) -> Option<&str> {
    let inner = cell.strip_prefix('`')?.strip_suffix('`')?;
    (!inner.contains('`')).then_some(inner)
}
