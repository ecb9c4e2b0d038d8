//! Every reason is explained once. `proxy::denial` checks the statuses and codes.

use portcullis::model::reason::Reason;

use crate::pages::{one_code_span, page};

#[test]
fn every_reason_is_explained_once() {
    let page = page("troubleshooting.md");
    let mut rows = page.rows(&["reason", "status", "code", "cause", "cure"]);
    for row in &rows {
        assert!(!row.cells[3].is_empty() && !row.cells[4].is_empty(), "{:?}", row.cells);
    }
    rows.extend(page.rows(&["reason", "status", "cause"]));
    let mut documented: Vec<&str> =
        rows.iter().map(|row| one_code_span(&row.cells[0]).expect("a reason")).collect();
    let mut reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.label()).collect();
    documented.sort_unstable();
    reasons.sort_unstable();
    assert_eq!(documented, reasons);
}
