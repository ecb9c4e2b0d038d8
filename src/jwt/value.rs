//! The small JSON tree in which a token's header, its claims and a key set are read. It does not
//! interpret members. For a wrong type it returns `None`, and the rules refuse it.

use std::borrow::Cow;

/// One JSON value, owned: a verified token's claims outlive the request that brought them.
#[derive(Clone, PartialEq)]
pub enum JsonValue {
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
    Array(Box<[JsonValue]>),
    Object(Members),
}

/// A JSON number as it was written: integers stay exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Unsigned(u64),
    /// Always below zero.
    Negative(i64),
    /// Always finite.
    Float(f64),
}

/// The members of an object in the order in which they were written.
#[derive(Clone, PartialEq)]
pub struct Members(Box<[(Name, JsonValue)]>);

/// A member's name. The usual ones cost no memory.
pub(super) type Name = Cow<'static, str>;

impl JsonValue {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[JsonValue]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Members> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Returns the size of the heap memory of the value, in bytes.
    fn heap_bytes(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Array(elements) => elements
                .iter()
                .map(|element| size_of::<Self>().saturating_add(element.heap_bytes()))
                .sum(),
            Self::Object(members) => members.heap_bytes(),
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
        }
    }

    /// Tells whether some object of this tree names a member twice.
    pub(super) fn repeats_a_member(&self) -> bool {
        match self {
            Self::Array(elements) => elements.iter().any(Self::repeats_a_member),
            Self::Object(members) => members.repeats_a_member(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => false,
        }
    }
}

impl Members {
    pub(super) fn new(members: Vec<(Name, JsonValue)>) -> Self {
        Self(members.into_boxed_slice())
    }

    pub fn get(&self, name: &str) -> Option<&JsonValue> {
        self.iter().find(|(member, _)| *member == name).map(|(_, value)| value)
    }

    /// Returns the member of this name. If there is none, it follows a path of names with dots
    /// between, such as `realm_access.roles`. A name on the way can hold dots itself, as client ids
    /// do.
    pub fn at(&self, path: &str) -> Option<&JsonValue> {
        self.get(path).or_else(|| {
            path.match_indices('.').find_map(|(dot, _)| {
                let (name, rest) = path.split_at_checked(dot)?;
                self.get(name)?.as_object()?.at(rest.get(1..)?)
            })
        })
    }

    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &JsonValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The size of all members, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let each = |(name, value): &(Name, JsonValue)| {
            let name = if let Cow::Owned(name) = name { name.capacity() } else { 0 };
            size_of::<(Name, JsonValue)>().saturating_add(name).saturating_add(value.heap_bytes())
        };
        self.0.iter().map(each).sum()
    }

    pub(super) fn repeats_a_member(&self) -> bool {
        self.repeats_a_name() || self.0.iter().any(|(_, value)| value.repeats_a_member())
    }

    /// Tells whether this object names a member twice; objects inside its values do not count.
    pub(super) fn repeats_a_name(&self) -> bool {
        if self.0.len() <= FEW_MEMBERS {
            let mut rest = self.0.iter();
            while let Some((name, _)) = rest.next() {
                if rest.clone().any(|(other, _)| other == name) {
                    return true;
                }
            }
            return false;
        }
        let mut names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        !names.is_sorted_by(|left, right| left < right)
    }
}

impl IntoIterator for Members {
    type Item = (Name, JsonValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Claims are about persons: a tree shows its shape, never its content.
impl std::fmt::Debug for JsonValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        })
    }
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Returns the name, which is owned only if it is not one of the names that nearly every token
/// uses.
pub(super) fn name(text: &str) -> Name {
    USUAL_NAMES
        .iter()
        .find(|usual| **usual == text)
        .map_or_else(|| Cow::Owned(text.to_owned()), |usual| Cow::Borrowed(*usual))
}

const USUAL_NAMES: [&str; 18] = [
    "alg",
    "kid",
    "typ",
    "x5t",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "azp",
    "client_id",
    "scope",
    "aut",
    "scp",
    "cnf",
    "sid",
];

/// The number of members up to which comparing each with each beats sorting; tokens have ten or
/// twenty.
const FEW_MEMBERS: usize = 24;
