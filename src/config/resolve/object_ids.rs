//! Checks the ids that objects may be given: an export of the store writes them.

use std::collections::HashMap;
use std::str::FromStr;

use uuid::Uuid;

use crate::config::problems::{At, Problems};
use crate::config::source::Sources;
use crate::config::tree::{TomlContent, TomlMember};

/// The lists of objects that have ids, and those within an application.
const LISTS: [&str; 5] =
    ["key_managers", "apis", "throttling_policies", "deny_conditions", "applications"];
const PARTS: [&str; 2] = ["keys", "subscriptions"];

/// Refuses an id that is no UUID, or that two objects of a kind have.
pub(super) fn check(sources: &Sources, problems: &Problems) {
    let mut ids = ObjectIds { problems, seen: HashMap::new() };
    for (file, root) in sources.tables().filter(|(file, _)| !sources.is_store(*file)) {
        for list in LISTS {
            for table in tables(root, list) {
                ids.claim(file, list, table);
                for part in PARTS.into_iter().filter(|_| list == "applications") {
                    tables(table, part).for_each(|own| ids.claim(file, part, own));
                }
            }
        }
    }
}

struct ObjectIds<'p> {
    problems: &'p Problems,
    seen: HashMap<(&'static str, Uuid), At>,
}

impl ObjectIds<'_> {
    fn claim(&mut self, file: u16, list: &'static str, table: &[TomlMember]) {
        let Some(member) = table.iter().find(|member| member.name == "id") else { return };
        let at = At::Span { file, span: member.value.span.clone() };
        let read = match &member.value.content {
            TomlContent::Text(text) => Uuid::from_str(text).ok(),
            _ => None,
        };
        let Some(id) = read else {
            self.problems.error(at, format!("`{list}.id` must be a UUID"), None);
            return;
        };
        if let Some(other) = self.seen.insert((list, id), at.clone()) {
            let message = format!("two of `{list}` have the id {id}");
            self.problems.conflict(at, other, message, None);
        }
    }
}

fn tables<'t>(members: &'t [TomlMember], list: &str) -> impl Iterator<Item = &'t [TomlMember]> {
    let found = members.iter().find(|member| member.name == list);
    let values = match found.map(|member| &member.value.content) {
        Some(TomlContent::Array(values)) => values.as_slice(),
        _ => &[],
    };
    values.iter().filter_map(|value| match &value.content {
        TomlContent::Table(members) => Some(members.as_slice()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{ReportStyle, load};

    #[test]
    fn an_id_is_a_uuid_and_one_objects() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        let told = |one: &str, two: &str| {
            let text = format!(
                "[[applications]]\nname = \"a\"\nid = {one}\n\
                 [[applications]]\nname = \"b\"\nid = {two}\n"
            );
            std::fs::write(&path, text).unwrap();
            load(&path).map(drop).map_err(|report| report.render(ReportStyle::Plain))
        };
        let (first, second) =
            ["1", "2"].map(|own| format!("\"00000000-0000-4000-8000-00000000000{own}\"")).into();
        assert_eq!(told(&first, &second), Ok(()));
        assert!(told(&first, &first).unwrap_err().contains("two of `applications` have the id"));
        for odd in ["\"\"", "\"a\"", "7"] {
            assert!(told(odd, &second).unwrap_err().contains("`applications.id` must be a UUID"));
        }
    }
}
