//! The public sample answers of Kite, which lie beside the repository and not in it.

use std::path::Path;

use serde_json::Value;

/// A sample answer; `None`, said aloud, where the samples are not.
pub(crate) fn kite(name: &str) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/kiteconnect_mocks");
    let file = folder.join(name);
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(error) => {
            eprintln!("SKIPPED: {}: {error}", file.display());
            None
        }
    }
}
