//! Organizations of a template that are not listed: opened when a token names one, within bounds
//! that no client can move.
//!
//! Decides which organizations have a key set. At most so many new ones are opened in a minute,
//! whatever tokens say, and a quarter of that for one client address. Organizations that the server
//! knows do not count for the address, so a client that invents some leaves the others their share.
//! A new one is on trial until a request of it was let through, and then live. One on trial can
//! only displace another one on trial. A live one is displaced only by a new live one, and only
//! after an hour without a request that was let through. Forged tokens are never let through, so
//! they displace nothing. The gateway remembers for a minute that the server does not know one.
//! Live ones are listed in `state_dir` and opened again at the next start.
//!
//! Reading is one load and a lookup. Opening and tending take a lock that no decision waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use tokio::time::timeout;

use crate::budget::{BudgetStatus, Charge, ClaimedClient, Exhausted, SourceBudgets};
use crate::key_managers::compiled::CompiledKeyManager;
use crate::key_managers::counts::{OrganizationCounts, OrganizationsStatus, count};
use crate::key_managers::held::{OpenOrganization, OrganizationsState};
use crate::key_managers::on_demand::OnDemand;
use crate::key_managers::organization_closed::OrganizationClosed;
use crate::model::KeyManagerTemplate;
use crate::model::clock::Moment;
use crate::model::key_manager::KeyManager;
use crate::model::organization::OrganizationRule;
use crate::model::rate::Rate;
use crate::telemetry::KeyManagerSeries;

/// A live organization that was not used for this long may make room.
const IDLE: Duration = Duration::from_hours(1);

/// The time for which the gateway remembers that an organization does not exist, or that its server
/// could not be asked.
const ABSENT: Duration = Duration::from_mins(1);
const UNAVAILABLE: Duration = Duration::from_secs(5);

/// The longest that a request waits for a new organization's keys.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The organizations of one template.
#[derive(Debug)]
pub struct Organizations {
    template: KeyManagerTemplate,
    rule: OrganizationRule,
    starter: OnDemand,
    series: Arc<KeyManagerSeries>,
    /// The open ones, by issuer.
    open: ArcSwap<HashMap<Box<str>, Arc<CompiledKeyManager>>>,
    state: Mutex<OrganizationsState>,
    /// The budget of each client address for opening organizations.
    budgets: SourceBudgets,
    counts: OrganizationCounts,
}

impl Organizations {
    /// Makes them for a template with a pattern. Those that were live before are opened at once.
    pub fn new(
        template: &KeyManagerTemplate,
        starter: &OnDemand,
        series: &Arc<KeyManagerSeries>,
    ) -> Option<Self> {
        let rule = template.unlisted.clone()?;
        let organizations = Self {
            template: template.clone(),
            rule,
            starter: starter.clone(),
            series: Arc::clone(series),
            open: ArcSwap::default(),
            state: Mutex::default(),
            budgets: SourceBudgets::default(),
            counts: OrganizationCounts::default(),
        };
        organizations.restore();
        Some(organizations)
    }

    /// Tells whether this template accepts an issuer's organization, open or not.
    pub fn takes(&self, issuer: &str) -> bool {
        self.template.unlisted_values(issuer).is_some()
    }

    /// The key manager of an issuer that is open.
    pub fn find(&self, issuer: &str) -> Option<Arc<CompiledKeyManager>> {
        self.open.load().get(issuer).map(Arc::clone)
    }

    /// Tells whether a key manager is one of these, unchanged.
    pub fn holds(&self, key_manager: &Arc<CompiledKeyManager>) -> bool {
        let Some(issuer) = &key_manager.definition.issuer else { return false };
        self.open.load().get(issuer.as_str()).is_some_and(|open| Arc::ptr_eq(open, key_manager))
    }

    /// Returns the reason for which an issuer's organization will not be opened, if it was found a
    /// moment ago.
    pub fn known_closed(&self, issuer: &str, now: Moment) -> Option<OrganizationClosed> {
        self.state()
            .closed
            .get(issuer)
            .copied()
            .filter(|(until, _)| *until > now)
            .map(|(_, why)| why)
    }

    /// Opens the organization of an issuer and waits, bounded, for its keys. Requests for one
    /// organization share one fetch; dropping the future stops the waiting only.
    pub async fn open(
        &self,
        issuer: &str,
        client: Option<ClaimedClient>,
    ) -> Result<(), OrganizationClosed> {
        let now = self.starter.now();
        let (key_manager, charge) = self.begin(issuer, client, now)?;
        let _ = timeout(LONGEST_WAIT, key_manager.keys.settled()).await;
        if key_manager.keys.current().keys.is_some() {
            // the server knows it, so the client meant well
            if let Some((client, charge)) = client.zip(charge) {
                self.budgets.refund(client, charge, self.share());
            }
            Ok(())
        } else {
            Err(self.give_up(issuer, &key_manager, self.starter.now()))
        }
    }

    /// Returns an open organization, or a new key set within the bounds.
    fn begin(
        &self,
        issuer: &str,
        client: Option<ClaimedClient>,
        now: Moment,
    ) -> Result<(Arc<CompiledKeyManager>, Option<Charge>), OrganizationClosed> {
        let mut state = self.state();
        if let Some(held) = state.held.get(issuer) {
            return Ok((Arc::clone(&held.key_manager), None));
        }
        if let Some((until, why)) = state.closed.get(issuer).copied()
            && until > now
        {
            return Err(why);
        }
        let definition = self
            .template
            .unlisted_values(issuer)
            .and_then(|values| self.template.unlisted_organization(&values));
        let Some(definition) = definition else { return Err(OrganizationClosed::KnownAbsent) };
        let rate = Rate::a_minute(self.rule.new_in_a_minute);
        if let Some(retry_after) = state.opened.wait(rate, now) {
            count(&self.counts.too_many);
            return Err(OrganizationClosed::TooMany { retry_after });
        }
        let charge = client.map(|client| self.budgets.try_charge(client, self.share(), now));
        let charge = charge.transpose().map_err(|Exhausted { retry_after }| {
            count(&self.counts.too_many);
            OrganizationClosed::TooMany { retry_after }
        })?;
        state.opened.add(rate, now);
        state.closed.retain(|_, (until, _)| *until > now);
        self.make_room_on_trial(&mut state);
        let key_manager = self.start(&mut state, definition);
        count(&self.counts.opened);
        self.publish(&state);
        Ok((key_manager, charge))
    }

    /// Returns the rate at which one client address may open organizations that its server does not
    /// know.
    fn share(&self) -> Rate {
        Rate::a_minute(self.rule.new_in_a_minute).quarter()
    }

    fn start(
        &self,
        state: &mut OrganizationsState,
        definition: KeyManager,
    ) -> Arc<CompiledKeyManager> {
        let issuer: Box<str> =
            definition.issuer.as_ref().map_or("", |issuer| issuer.as_str()).into();
        let name: Box<str> = definition.tenant().unwrap_or_default().into();
        let fetching = self.starter.start(&definition);
        let keys = Arc::clone(&fetching.keys);
        let (slot, series) = (self.template.slot(), Arc::clone(&self.series));
        let key_manager = Arc::new(CompiledKeyManager::new(slot, definition, keys, None, series));
        state.sequence = state.sequence.saturating_add(1);
        let held = OpenOrganization {
            key_manager: Arc::clone(&key_manager),
            fetching,
            name,
            live: false,
            waits: false,
            sequence: state.sequence,
        };
        state.held.insert(issuer, held);
        key_manager
    }

    /// Makes room on trial. A place there lasts at least until as many others were opened as may be
    /// in a minute.
    fn make_room_on_trial(&self, state: &mut OrganizationsState) {
        let on_trial = state.held.values().filter(|held| !held.live).count();
        let most = usize::try_from(self.rule.new_in_a_minute.get()).unwrap_or(usize::MAX);
        if on_trial < most {
            return;
        }
        // one that was let through in the meantime becomes live at the next tending
        let spare = state
            .held
            .iter()
            .filter(|(_, held)| !held.live && held.key_manager.last_used().is_none());
        let oldest = spare.min_by_key(|(_, held)| held.sequence).map(|(issuer, _)| issuer.clone());
        let oldest = oldest.or_else(|| {
            let on_trial = state.held.iter().filter(|(_, held)| !held.live);
            on_trial.min_by_key(|(_, held)| held.sequence).map(|(issuer, _)| issuer.clone())
        });
        if let Some(issuer) = oldest {
            state.held.remove(&issuer);
            count(&self.counts.evicted);
        }
    }

    /// Closes an organization whose first fetch brought no keys, and does not ask about it for a
    /// while.
    fn give_up(
        &self,
        issuer: &str,
        key_manager: &Arc<CompiledKeyManager>,
        now: Moment,
    ) -> OrganizationClosed {
        if !key_manager.keys.has_settled() {
            return OrganizationClosed::Unavailable;
        }
        let absent = key_manager.keys.is_absent();
        let mut state = self.state();
        if state
            .held
            .get(issuer)
            .is_some_and(|held| Arc::ptr_eq(&held.key_manager, key_manager) && !held.live)
        {
            self.close(&mut state, issuer, absent, now);
            self.publish(&state);
        }
        if absent { OrganizationClosed::Absent } else { OrganizationClosed::Unavailable }
    }

    fn close(&self, state: &mut OrganizationsState, issuer: &str, absent: bool, now: Moment) {
        state.held.remove(issuer);
        let (time, why, counted) = if absent {
            (ABSENT, OrganizationClosed::KnownAbsent, &self.counts.absent)
        } else {
            (UNAVAILABLE, OrganizationClosed::Unavailable, &self.counts.unavailable)
        };
        count(counted);
        // as many as were opened in that time, at most
        state.closed.insert(issuer.into(), (now.after(time), why));
    }

    /// Makes organizations live that were let through, closes those without keys, and keeps the
    /// list. Called now and then, on a thread that may write files.
    pub fn tend(&self, now: Moment) {
        self.budgets.forget_settled(now);
        let mut state = self.state();
        let dead = |held: &OpenOrganization| {
            !held.live
                && held.key_manager.keys.has_settled()
                && held.key_manager.keys.current().keys.is_none()
        };
        let gone: Vec<_> = state
            .held
            .iter()
            .filter(|(_, held)| dead(held))
            .map(|(issuer, _)| issuer.clone())
            .collect();
        for issuer in &gone {
            let absent =
                state.held.get(issuer).is_some_and(|held| held.key_manager.keys.is_absent());
            self.close(&mut state, issuer, absent, now);
        }
        let let_through = state
            .held
            .iter()
            .filter(|(_, held)| !held.live && held.key_manager.last_used().is_some());
        let mut new: Vec<_> =
            let_through.map(|(issuer, held)| (held.sequence, issuer.clone())).collect();
        new.sort_unstable();
        for (_, issuer) in new {
            self.make_live(&mut state, &issuer, now);
        }
        state.closed.retain(|_, (until, _)| *until > now);
        if state.changed || !gone.is_empty() {
            self.publish(&state);
        }
        if std::mem::take(&mut state.changed) {
            let names: Vec<&str> =
                state.held.values().filter(|held| held.live).map(|held| &*held.name).collect();
            self.starter.keep_list(self.template.name(), &names);
        }
    }

    fn make_live(&self, state: &mut OrganizationsState, issuer: &str, now: Moment) {
        if state.held.values().filter(|held| held.live).count() >= self.rule.most {
            let live = state.held.iter().filter(|(_, held)| held.live);
            let idlest = live
                .min_by_key(|(_, held)| held.key_manager.last_used())
                .map(|(issuer, held)| (issuer.clone(), held));
            let idle = idlest.filter(|(_, held)| {
                let used = held.key_manager.last_used().unwrap_or_default();
                now.since(used) >= IDLE
            });
            let Some((idle, _)) = idle else {
                if let Some(held) = state.held.get_mut(issuer).filter(|held| !held.waits) {
                    held.waits = true;
                    count(&self.counts.full);
                }
                return;
            };
            if let Some(held) = state.held.remove(&idle) {
                held.fetching.forget();
            }
            count(&self.counts.evicted);
        }
        if let Some(held) = state.held.get_mut(issuer) {
            held.live = true;
            held.fetching.keep();
            state.changed = true;
        }
    }

    /// Opens the organizations that were live when the last run, or the last configuration, ended.
    fn restore(&self) {
        let now = self.starter.now();
        let mut state = self.state();
        for name in self.starter.listed(self.template.name()).into_iter().take(self.rule.most) {
            let values: Vec<&str> = name.split('/').collect();
            let definition = self.template.unlisted_organization(&values);
            let issuer = definition.as_ref().and_then(|definition| definition.issuer.clone());
            let Some((definition, issuer)) =
                definition.zip(issuer).filter(|(_, issuer)| self.takes(issuer.as_str()))
            else {
                continue;
            };
            let key_manager = self.start(&mut state, definition);
            key_manager.note_use(now);
            if let Some(held) = state.held.get_mut(issuer.as_str()) {
                held.live = true;
                held.fetching.keep();
            }
        }
        self.publish(&state);
    }

    pub fn budget(&self) -> BudgetStatus {
        self.budgets.status()
    }

    pub fn status(&self) -> OrganizationsStatus {
        let state = self.state();
        let live = state.held.values().filter(|held| held.live).count();
        OrganizationsStatus {
            live,
            on_trial: state.held.len().saturating_sub(live),
            closed: state.closed.len(),
            events: self.counts.events(),
        }
    }

    /// Returns the live ones.
    pub fn live(&self) -> Vec<Arc<CompiledKeyManager>> {
        self.state()
            .held
            .values()
            .filter(|held| held.live)
            .map(|held| Arc::clone(&held.key_manager))
            .collect()
    }

    fn publish(&self, state: &OrganizationsState) {
        let open = state
            .held
            .iter()
            .map(|(issuer, held)| (issuer.clone(), Arc::clone(&held.key_manager)))
            .collect();
        self.open.store(Arc::new(open));
    }

    fn state(&self) -> MutexGuard<'_, OrganizationsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
