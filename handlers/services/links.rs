//! Signed addresses of what is a customer's own.

use std::time::Duration;

use crate::caching::{Cached, Owner, PerCaller, table};
use crate::error::Result;
use crate::ports::blobs::BlobName;
use crate::state::AppState;

/// How long an address is good when it is signed. It is given out for a fifth of that.
const LIFE: Duration = Duration::from_secs(300);

static SIGNED: Cached<PerCaller, String> = Cached::in_process(&table::SIGNED_URLS, String::len);

/// An address at which a blob of `owner` can be read for four minutes at least: the same for who asks again.
///
/// # Errors
/// Those of signing.
pub async fn download(state: &AppState, owner: Owner<'_>, name: &BlobName) -> Result<String> {
    let key = format!("{}/{}", name.container, name.path);
    let (blobs, name) = (state.blobs.clone(), name.clone());
    let sign = move || async move { Ok(blobs.download_url(&name, LIFE).await?.url) };
    let (url, _) = state.caches.get_or_load(&SIGNED, owner, &key, sign).await?;
    Ok(url.to_string())
}
