//! Knows the live key managers: their key sets, their introspection, and the organizations that are
//! opened on demand.
//!
//! Decides which organizations of a template have a key set. Outlives snapshots: a key manager that
//! did not change is the same in the next one.

mod compiled;
mod counts;
mod held;
mod on_demand;
mod organization_closed;
mod organizations;
mod template;

pub use compiled::CompiledKeyManager;
pub use counts::OrganizationsStatus;
pub use on_demand::OnDemand;
pub use organization_closed::OrganizationClosed;
pub use organizations::Organizations;
pub use template::CompiledTemplate;
