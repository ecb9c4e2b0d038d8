//! Links lead somewhere, and the README leads to every page.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::pages::{Page, pages, root};

#[test]
fn every_link_and_anchor_resolves() {
    let pages = pages();
    let anchors: HashMap<PathBuf, Vec<String>> =
        pages.iter().map(|page| (page.path.canonicalize().unwrap(), page.anchors())).collect();
    let mut checked = 0;
    for page in &pages {
        for target in targets(page).iter().filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                page.path.clone()
            } else {
                page.path.parent().unwrap_or(Path::new("")).join(file)
            };
            let path = path.canonicalize().unwrap_or_else(|_| panic!("{}: {target}", page.name()));
            if !anchor.is_empty() {
                let known =
                    anchors.get(&path).unwrap_or_else(|| panic!("{}: {target}", page.name()));
                assert!(known.iter().any(|one| one == anchor), "{}: no {target}", page.name());
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = Page::read(&root().join("README.md"));
    let targets = targets(&readme);
    for page in pages().iter().filter(|page| page.path.parent() == Some(&root().join("docs"))) {
        let name = page.name();
        let linked = targets.iter().any(|target| target.split('#').next() == Some(name.as_str()));
        assert!(linked, "README.md does not link {name}");
    }
}

/// The targets of all links, outside code.
fn targets(page: &Page) -> Vec<String> {
    let prose = page.prose().join("\n");
    let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.map(str::to_owned).collect()
}
