//! What commands that call servers need: a runtime, and the cryptography under TLS.

use tokio::runtime::{Builder, Runtime};

/// The small runtime beside the workers: management, key sets, reloads.
pub(super) fn control_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// One provider for every TLS configuration; each is also built with it by name.
pub(super) fn install_crypto() {
    // an earlier one in this process is the same one
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
