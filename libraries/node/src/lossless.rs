//! Publishers that wait for a congested link instead of dropping the message.
//!
//! Dora publishes over zenoh, whose publishers drop on congestion by default, in silence and with exit code 0. Dora
//! reads a zenoh configuration overlay from the file named by an environment variable. It refuses the variable in a
//! graph's `env:`, but takes it from the node's own process, which is what happens here.

use std::io::Write;

use eyre::{Context, Result};
use tempfile::NamedTempFile;

const VARIABLE: &str = "DORA_ZENOH_CONFIG_OVERLAY";
/// The size of a node's shared memory, unless the graph says `shared_memory_pool_size`.
const POOL_VARIABLE: &str = "DORA_NODE_SHM_POOL_SIZE";
/// Room for as many messages as a source may have on their way, 1,000 of 32 KiB; memory that is not used is not taken.
/// With dora's 8 MiB a fast replay fills it, and then messages take a detour through the daemon.
const POOL_BYTES: u32 = 1 << 25;
const OVERLAY: &str = include_str!("../../../dataflows/lossless.json5");

/// The overlay file; dora reads it while the node joins the graph.
pub(crate) struct Overlay(
    #[expect(dead_code, reason = "kept until dora has read the file")] Option<NamedTempFile>,
);

/// Makes this process's publishers block on congestion.
///
/// # Errors
///
/// The temporary file cannot be written.
///
/// # Safety
///
/// No other thread may run yet: the environment is not synchronised.
pub(crate) unsafe fn block_on_congestion() -> Result<Overlay> {
    if std::env::var_os(POOL_VARIABLE).is_none() {
        // SAFETY: the caller guarantees that no other thread runs.
        unsafe { std::env::set_var(POOL_VARIABLE, POOL_BYTES.to_string()) };
    }
    if let Some(path) = std::env::var_os(VARIABLE) {
        if std::fs::read_to_string(&path).is_ok_and(|overlay| overlay != OVERLAY) {
            tracing::warn!(
                "{VARIABLE} names a configuration of its own, {}: unless it sets congestion_control to \"block\", \
                 messages can be lost",
                path.display()
            );
        }
        return Ok(Overlay(None));
    }
    let mut file = tempfile::Builder::new().prefix("undertone-").suffix(".json5").tempfile()?;
    file.write_all(OVERLAY.as_bytes()).wrap_err_with(|| format!("cannot write {}", file.path().display()))?;
    // SAFETY: as above.
    unsafe { std::env::set_var(VARIABLE, file.path()) };
    Ok(Overlay(Some(file)))
}
