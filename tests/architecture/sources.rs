//! The files of `src/` as the checks read them.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// One file of `src/`.
pub(crate) struct Source {
    /// From `src/` on.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    pub(crate) fn room(&self) -> &str {
        let first = self.path.components().next().unwrap().as_os_str().to_str().unwrap();
        first.trim_end_matches(".rs")
    }

    pub(crate) fn is_test(&self) -> bool {
        self.path
            .components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    }

    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The path of the file's module below the crate: `jwt::key_set`.
    pub(crate) fn module(&self) -> String {
        let name = self.name();
        name.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
    }

    /// The text without comments and without the tests at its end.
    pub(crate) fn code(&self) -> String {
        let tests = Regex::new(r"#\[cfg\(test\)\]\nmod \w+ \{").unwrap();
        let before = tests.split(&self.text).next().unwrap();
        Regex::new(r"(?m)(^|\s)//.*$").unwrap().replace_all(before, "$1").into_owned()
    }
}

pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the package, in the order of the names.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry, extension));
        } else if entry.extension().is_some_and(|found| found == extension) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

pub(crate) fn sources() -> Vec<Source> {
    let root = package().join("src");
    let read = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&root).unwrap().to_owned(),
    };
    files(&root, "rs").into_iter().map(read).collect()
}

/// The sources that are part of the gateway.
pub(crate) fn code_sources() -> Vec<Source> {
    sources().into_iter().filter(|source| !source.is_test()).collect()
}
