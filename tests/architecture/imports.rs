//! Finds out which file uses which: `use` trees, paths in the code, and re-exports followed to the file that has the item.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::sources::Source;

type Modules = BTreeMap<String, String>;

/// Below each module: the names that it re-exports, and the paths that they stand for.
type ReExports = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// The other files that each file uses. Declaring a module, or re-exporting an item of it, is no use.
pub(crate) fn graph(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: Modules = sources.iter().map(|source| (source.module(), source.code())).collect();
    let re_exports: ReExports = modules
        .iter()
        .map(|(module, code)| (module.clone(), re_exports(&modules, module, code)))
        .collect();
    let uses = |(module, code): (&String, &String)| {
        let used = used_paths(&modules, module, code);
        let used = used.into_iter().filter_map(|path| owner(&modules, &re_exports, &path, 0));
        (module.clone(), used.filter(|other| other != module).collect())
    };
    modules.iter().map(uses).collect()
}

/// The sets of files that reach each other.
pub(crate) fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|from| (from, reach(graph, from))).collect();
    let mut found = BTreeSet::new();
    for (from, all) in &reached {
        let circle: BTreeSet<String> =
            all.iter().filter(|to| reached[**to].contains(from)).map(|to| (*to).clone()).collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reach<'g>(
    graph: &'g BTreeMap<String, BTreeSet<String>>,
    from: &'g String,
) -> BTreeSet<&'g String> {
    let mut open = vec![from];
    let mut found = BTreeSet::new();
    while let Some(module) = open.pop() {
        open.extend(graph[module].iter().filter(|next| found.insert(*next)));
    }
    found
}

fn uses() -> Regex {
    Regex::new(r"(?m)^\s*(pub(?:\([^)]*\))? )?use ([^;]+);").unwrap()
}

fn re_exports(modules: &Modules, module: &str, code: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for statement in uses().captures_iter(code).filter(|statement| statement.get(1).is_some()) {
        for (path, name) in expand(&statement[2], &[]) {
            if let Some(path) = absolute(modules, module, &path) {
                found.insert(name, path);
            }
        }
    }
    found
}

fn used_paths(modules: &Modules, module: &str, code: &str) -> Vec<Vec<String>> {
    // a scope of visibility names a room without a use of it
    let code = &Regex::new(r"pub\(in [^)]*\)").unwrap().replace_all(code, "pub");
    let body = uses().replace_all(code, "");
    let mut found = Vec::new();
    for statement in uses().captures_iter(code) {
        for (path, name) in expand(&statement[2], &[]) {
            let word = Regex::new(&format!(r"\b{}\b", regex::escape(&name))).unwrap();
            if statement.get(1).is_none() || word.is_match(&body) {
                found.extend(absolute(modules, module, &path));
            }
        }
    }
    let path = Regex::new(r"\b(?:[a-z_]\w*)(?:::\w+)+").unwrap();
    for found_path in path.find_iter(&body) {
        // a part of a longer path, such as the method of a type, is none
        if body[..found_path.start()].ends_with([':', '>']) {
            continue;
        }
        let parts: Vec<String> = found_path.as_str().split("::").map(str::to_owned).collect();
        found.extend(absolute(modules, module, &parts));
    }
    found
}

/// Reads a `use` tree: each path in it, with the name that it brings.
fn expand(tree: &str, prefix: &[String]) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some((before, inside)) = tree.strip_suffix('}').and_then(|tree| tree.split_once('{')) {
        let mut prefix = prefix.to_vec();
        prefix.extend(before.split("::").filter(|part| !part.is_empty()).map(str::to_owned));
        return branches(inside).into_iter().flat_map(|branch| expand(branch, &prefix)).collect();
    }
    if tree.is_empty() {
        return Vec::new();
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path.trim(), Some(alias.trim().to_owned())),
        None => (tree, None),
    };
    let mut parts = prefix.to_vec();
    parts.extend(path.split("::").map(str::to_owned));
    if parts.last().is_some_and(|last| last == "self") {
        parts.pop();
    }
    let name = alias.unwrap_or_else(|| parts.last().cloned().unwrap_or_default());
    vec![(parts, name)]
}

fn branches(inside: &str) -> Vec<&str> {
    let mut depth = 0;
    inside
        .split(|c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        })
        .collect()
}

/// The path below the crate, if it is one of this crate.
fn absolute(modules: &Modules, module: &str, path: &[String]) -> Option<Vec<String>> {
    let own: Vec<String> = module.split("::").map(str::to_owned).collect();
    let supers = path.iter().take_while(|part| *part == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([&own, &path[1..]].concat()),
        "super" => Some([&own[..own.len().checked_sub(supers)?], &path[supers..]].concat()),
        first if modules.contains_key(&format!("{module}::{first}")) => Some([&own, path].concat()),
        _ => None,
    }
}

/// The module that has the item, behind as many re-exports as there are.
fn owner(
    modules: &Modules,
    re_exports: &ReExports,
    path: &[String],
    depth: usize,
) -> Option<String> {
    let (at, module) = (1..=path.len())
        .rev()
        .map(|at| (at, path[..at].join("::")))
        .find(|(_, module)| modules.contains_key(module))?;
    let behind = path.get(at).and_then(|name| re_exports[&module].get(name));
    match behind {
        Some(behind) if depth < 8 => {
            let further = [&behind[..], &path[at + 1..]].concat();
            owner(modules, re_exports, &further, depth + 1)
        }
        _ => Some(module),
    }
}

#[test]
fn a_circle_is_found_behind_re_exports() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.to_owned() };
    let found = |sources: &[Source]| circles(&graph(sources));
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let room =
        source("room/mod.rs", "mod one;\nmod two;\npub use one::One;\npub use two::{Two};\n");
    let two = source("room/two.rs", "use crate::room::{self, One};\npub struct Two;\n");
    let one = source("room/one.rs", "pub struct One(super::Two);\n");
    assert_eq!(found(&[room, one, two]), [of(&["room::one", "room::two"])]);
    let room = source("room/mod.rs", "mod one;\npub use one::One;\npub struct Room(One);\n");
    let one = source("room/one.rs", "use crate::{room::Room as Here, other};\npub struct One;\n");
    let other = source(
        "other.rs",
        "// uses crate::room::One\n#[cfg(test)]\nmod t {\nuse crate::room::One;\n}\n",
    );
    assert_eq!(found(&[room, one, other]), [of(&["room", "room::one"])]);
}
