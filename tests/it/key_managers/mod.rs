//! Key managers: products, templates of organizations, outages, imports.

mod canaille;
mod completed_imports;
mod documented;
mod imports;
mod misbehavior;
mod odd_servers;
mod organization_credentials;
mod organizations;
mod outages;
mod presets;
mod recorded;
mod rotation;
mod template_keys;
mod unlisted;
mod warnings;
