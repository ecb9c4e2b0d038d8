//! Ids in paths and bodies.

use uuid::Uuid;

/// The length of a UUID with its hyphens. Other spellings (braces, `urn:uuid:`) are ids of nothing,
/// so that an object has one address.
const UUID_LENGTH: usize = 36;

/// Reads an id. A text that is no UUID names no object.
pub(super) fn object_id(text: &str) -> Option<Uuid> {
    (text.len() == UUID_LENGTH).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::object_id;

    #[test]
    fn an_id_has_one_spelling() {
        let id = "faae5fcc-cbae-40c4-bf43-89931630d313";
        assert_eq!(object_id(id).unwrap().to_string(), id);
        let plain = id.replace('-', "");
        for other in ["", "1", "../x", "' OR 1=1 --", &plain, &format!("urn:uuid:{id}")] {
            assert_eq!(object_id(other), None, "{other}");
        }
    }
}
