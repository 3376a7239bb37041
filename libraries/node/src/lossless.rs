//! Publishers that wait for a congested link instead of dropping the message, and messages that do not get lost in
//! shared memory.
//!
//! Dora publishes over zenoh, whose publishers drop on congestion by default, in silence and with exit code 0. Dora
//! reads a zenoh configuration overlay from the file named by an environment variable. It refuses the variable in a
//! graph's `env:`, but takes it from the node's own process, which is what happens here.

use std::io::Write;

use eyre::{Context, Result};
use tempfile::NamedTempFile;

const VARIABLE: &str = "DORA_ZENOH_CONFIG_OVERLAY";
const THRESHOLD: &str = "DORA_ZERO_COPY_THRESHOLD";
/// From how many bytes on dora sends a message through shared memory, unless the environment says otherwise.
///
/// Zenoh takes a buffer in shared memory back if the threads that watch over it get no processor for about a tenth of a
/// second while the message is on its way, and the message is lost (zenoh-shm 1.10, `watchdog`; a run then fails on the
/// hole, but a live session is over). So what fits into one of the transport's batches of 64 KiB goes through the socket,
/// at the price of a copy that costs less than the rest of its way: an hour of speech replays just as fast. What is larger
/// would be cut into pieces, and has shared memory, without a copy. Of that, dora's 8 MiB hold a minute of an encoder's
/// states; what finds no room goes by the daemon and is put in order again where it arrives.
const THRESHOLD_BYTES: &str = "60000";
const OVERLAY: &str = include_str!("../../../dataflows/lossless.json5");

/// The overlay file; dora reads it while the node joins the graph.
pub(crate) struct Overlay(
    #[expect(dead_code, reason = "kept until dora has read the file")] Option<NamedTempFile>,
);

/// Makes this process's publishers block on congestion, and send through shared memory what is worth it.
///
/// # Errors
///
/// The temporary file cannot be written.
///
/// # Safety
///
/// No other thread may run yet: the environment is not synchronised.
pub(crate) unsafe fn block_on_congestion() -> Result<Overlay> {
    if std::env::var_os(THRESHOLD).is_none() {
        // SAFETY: the caller guarantees that no other thread runs.
        unsafe { std::env::set_var(THRESHOLD, THRESHOLD_BYTES) };
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
