//! The runtime and the cryptography of commands that call servers.

use tokio::runtime::{Builder, Runtime};

/// Returns the small runtime for management, key sets and reloads.
pub(super) fn control_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Installs the cryptography for TLS. Each TLS configuration also names it.
pub(super) fn install_crypto() {
    // an earlier one in this process is the same
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
