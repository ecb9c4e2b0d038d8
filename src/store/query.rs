//! Lists of one kind.

use uuid::Uuid;

use crate::store::kind::Kind;
use crate::store::record::Record;

/// A page of the objects of one kind. Every field narrows it further.
#[derive(Debug, Clone)]
pub struct Query {
    pub kind: Kind,
    /// Names that begin with this.
    pub prefix: Option<String>,
    pub owner: Option<String>,
    pub parent: Option<Uuid>,
    pub target: Option<String>,
    /// Applications of these groups too, besides those of `owner`.
    pub groups: Vec<String>,
    pub sort_by: SortBy,
    pub order: SortOrder,
    pub offset: u64,
    /// The size of a page: at most 1,000.
    pub limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortBy {
    #[default]
    Name,
    Owner,
    CreatedAt,
    UpdatedAt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    #[default]
    Ascending,
    Descending,
}

/// A page of objects, and the number of all that match.
#[derive(Debug, Clone)]
pub struct StorePage<T = Record> {
    pub total: u64,
    pub items: Vec<T>,
}

impl Query {
    /// Moves on to the next page; `None` if that was the last.
    pub fn after<T>(mut self, page: &StorePage<T>) -> Option<Self> {
        let read = page.items.len() as u64;
        self.offset = self.offset.saturating_add(read);
        (read > 0 && self.offset < page.total).then_some(self)
    }

    /// Asks for all objects of a kind by name, the first thousand.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            prefix: None,
            owner: None,
            parent: None,
            target: None,
            groups: Vec::new(),
            sort_by: SortBy::default(),
            order: SortOrder::default(),
            offset: 0,
            limit: 1000,
        }
    }
}
