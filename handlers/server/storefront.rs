//! Which boutique a request is for that names no account.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use crate::function::Function;
use crate::state::AppState;
use crate::types::{Service, TenantId};

/// The boutique at whose host the storefront is that sends the request, or the operator's own. A caller can
/// forge all of these headers. They choose no more than whose public catalogue is shown and where an account
/// is opened or looked for.
pub async fn tenant(state: &AppState, function: &Function, headers: &HeaderMap) -> TenantId {
    // Health is told without looking anything up.
    if function.service != Service::Ops {
        for header in [ORIGIN.as_str(), "x-forwarded-host", HOST.as_str()] {
            if let Some(host) = headers.get(header).and_then(|value| host_of(value.to_str().ok()?))
                && let Some(tenant) = state.tenants.at_host(&host).await
            {
                return tenant;
            }
        }
    }
    state.default_tenant().clone()
}

/// The host in an `Origin` (RFC 6454 §7) or `Host` (RFC 9110 §7.2), in lower case, without its port.
fn host_of(text: &str) -> Option<String> {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = authority.split(':').next()?;
    (1..=253).contains(&host.len()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_their_headers() {
        for text in ["https://Shop.Example", "https://shop.example:8443", "shop.example", "SHOP.EXAMPLE:80"] {
            assert_eq!(host_of(text).as_deref(), Some("shop.example"));
        }
        assert_eq!(host_of(""), None);
        assert_eq!(host_of(&"a".repeat(300)), None);
    }
}
