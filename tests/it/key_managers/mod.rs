//! Key managers: products, templates of organizations, outages, imports.

mod canaille;
mod imports;
mod misbehaviour;
mod organizations;
mod outages;
mod presets;
mod template_keys;
mod unlisted;
