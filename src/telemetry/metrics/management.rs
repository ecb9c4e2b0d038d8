//! Counts the events of the management listener: the callers that were admitted, and the changes
//! that they made.

use super::cell::{Cell, OpenCount};
use super::collect::{as_f64, sample};
use super::exposition::Exposition;
use super::families;
use super::sample::Label;

/// The outcome of checking credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    Succeeded,
    Failed,
    /// Not checked, because too many attempts failed before, or too many wait.
    Refused,
}

/// The outcome of a request for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    Created,
    Refused,
}

/// The kind of a change by an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagementCall {
    Reload,
    Revocation,
    /// A notice of WSO2 Identity Server.
    Notice,
    TakenBack,
    KeyRefresh,
}

impl SignIn {
    const LABELS: [&'static str; 3] = ["success", "failure", "refused"];
}

impl SignUp {
    const LABELS: [&'static str; 2] = ["created", "refused"];
}

impl ManagementCall {
    const LABELS: [&'static str; 5] =
        ["reload", "revocation", "notice", "revocation_taken_back", "key_refresh"];

    pub fn label(self) -> &'static str {
        Self::LABELS.get(self as usize).copied().unwrap_or_default()
    }
}

/// The counts; written by the control runtime's tasks.
#[derive(Debug, Default)]
pub struct ManagementCounters {
    sign_ins: [Cell; SignIn::LABELS.len()],
    sign_ups: [Cell; SignUp::LABELS.len()],
    /// Tokens of the REST API that are kept at the moment.
    tokens: Cell,
    /// Calls of the REST API to other servers that have not ended.
    errands: OpenCount,
    errands_refused: Cell,
    done: [Cell; ManagementCall::LABELS.len()],
    failed: [Cell; ManagementCall::LABELS.len()],
}

impl ManagementCounters {
    pub fn signed_in(&self, outcome: SignIn) {
        if let Some(cell) = self.sign_ins.get(outcome as usize) {
            cell.add_shared(1);
        }
    }

    pub fn signed_up(&self, outcome: SignUp) {
        if let Some(cell) = self.sign_ups.get(outcome as usize) {
            cell.add_shared(1);
        }
    }

    pub fn keeps_tokens(&self, number: usize) {
        self.tokens.set(number as u64);
    }

    pub fn errand_began(&self) {
        self.errands.began.add_shared(1);
    }

    pub fn errand_ended(&self) {
        self.errands.ended.add_shared(1);
    }

    pub fn errand_refused(&self) {
        self.errands_refused.add_shared(1);
    }

    /// Counts a change by an admitted caller; `done` tells whether it took effect.
    pub fn changed(&self, change: ManagementCall, done: bool) {
        let cells = if done { &self.done } else { &self.failed };
        if let Some(cell) = cells.get(change as usize) {
            cell.add_shared(1);
        }
    }
}

pub(super) fn management(out: &mut Exposition<'_>, counters: &ManagementCounters) {
    let sign_ins = SignIn::LABELS.iter().zip(&counters.sign_ins);
    let sign_ins =
        sign_ins.map(|(label, cell)| sample([Label::Fixed(label)], as_f64(cell.load()))).collect();
    out.write(&families::MANAGEMENT_SIGN_INS, sign_ins);
    let sign_ups = SignUp::LABELS.iter().zip(&counters.sign_ups);
    let sign_ups =
        sign_ups.map(|(label, cell)| sample([Label::Fixed(label)], as_f64(cell.load()))).collect();
    out.write(&families::MANAGEMENT_SIGN_UPS, sign_ups);
    out.write(&families::MANAGEMENT_TOKENS, vec![sample([], as_f64(counters.tokens.load()))]);
    let errands = counters.errands.open();
    out.write(&families::MANAGEMENT_ERRANDS, vec![sample([], as_f64(errands))]);
    let refused = counters.errands_refused.load();
    out.write(&families::MANAGEMENT_ERRANDS_REFUSED, vec![sample([], as_f64(refused))]);
    let of = |result: &'static str, cells: &[Cell]| {
        let changes = ManagementCall::LABELS.iter().zip(cells);
        changes
            .map(|(label, cell)| {
                sample([Label::Fixed(label), Label::Fixed(result)], as_f64(cell.load()))
            })
            .collect::<Vec<_>>()
    };
    let mut changes = of("done", &counters.done);
    changes.extend(of("failed", &counters.failed));
    out.write(&families::MANAGEMENT_CHANGES, changes);
}
