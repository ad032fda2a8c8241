//! News of a payment provider. It is signed as many providers do: `X-Payment-Signature: t=<seconds>,v1=<hex>`,
//! HMAC-SHA-256 of the seconds, a dot and the body under the secret `payment-webhook-key`.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::moves::{busy, no_order, settle};
use super::store::{self, Customer};
use crate::error::{Code, Error, Result};
use crate::function::Function;
use crate::http::{Request, Response, json, no_store};
use crate::ordering::order::{By, Move, Note, Order, PaymentStatus, Status};
use crate::ports::documents::Operation;
use crate::state::AppState;
use crate::types::{OrderId, Paise, Service};

const SECRET: &str = "payment-webhook-key";
const SIGNATURE: &str = "x-payment-signature";
/// How old or early news may be, in seconds: five minutes.
const TOLERANCE: i64 = 300;
const MAX_ID_CHARS: usize = 100;
const TURNS: usize = 10;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("ShopPaymentsWebhook", Service::Shop, Method::POST, "v1/payments/webhook", hear)
            .summary("Takes signed news of the payment provider. News that comes twice counts once.")
            .headers::<SignatureHeader>()
            .takes::<News>(
                "application/json",
                json!({ "id": "evt_42", "type": "payment.succeeded", "reference": "cHJhdmlzL3Vzcl8…", "amountPaise": 799_800, "currency": "INR" }),
            )
            .answers::<Heard>(StatusCode::OK, "It was heard, now or before.", json!({ "orderId": "ord_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "confirmed", "payment": "paid" }))
            .fails(&[Code::NotFound, Code::Conflict])
            .into(),
    ]
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes headers")]
struct SignatureHeader {
    /// `t=<seconds since 1970>,v1=<HMAC-SHA-256 of the seconds, a dot and the body, in hex>`.
    #[param(rename = "X-Payment-Signature")]
    signature: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct News {
    /// Names the news: what comes again under it is not looked at.
    #[schema(max_length = 100)]
    id: String,
    #[serde(rename = "type")]
    kind: NewsKind,
    /// What the payment was begun with.
    reference: String,
    /// What was paid, or tried to be.
    amount_paise: u64,
    /// `INR`.
    currency: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
enum NewsKind {
    #[serde(rename = "payment.succeeded")]
    Succeeded,
    #[serde(rename = "payment.failed")]
    Failed,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Heard {
    order_id: String,
    #[schema(value_type = String)]
    status: Status,
    #[schema(value_type = String)]
    payment: PaymentStatus,
}

/// What a payment is known by to the provider, who gives it back with the news.
pub fn reference(customer: &Customer, order: &OrderId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{}/{order}", customer.tenant, customer.user))
}

/// Whose payment of which order a reference names. Only who has the secret is asked.
fn referred(reference: &str) -> Option<(Customer, OrderId)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(reference).ok()?).ok()?;
    let mut parts = text.split('/');
    let (tenant, user, order) = (parts.next()?, parts.next()?, parts.next()?);
    Some((Customer { tenant: tenant.parse().ok()?, user: user.parse().ok()? }, order.parse().ok()?))
}

async fn hear(state: AppState, request: Request) -> Result<Response> {
    check_signature(&state, &request).await?;
    let news: News = request.json()?;
    if news.id.is_empty() || news.id.chars().count() > MAX_ID_CHARS {
        return Err(Error::field("id", format!("expected 1 to {MAX_ID_CHARS} characters")));
    }
    let (customer, id) = referred(&news.reference).ok_or_else(no_order)?;
    for _ in 0..TURNS {
        let found = customer.order(&state, &id).await?.filter(|found| found.order.status.is_shown());
        let Some(mut found) = found else { return Err(no_order()) };
        if !found.order.hears(&news.id) {
            // The first time may have died before the stock followed.
            settle(&state, &customer, &found).await?;
            return told(&found.order);
        }
        let events = apply(&state, &customer, &mut found.order, &news)?;
        let mut operations = vec![store::put(&found.order, Some(&found.etag))?];
        operations.extend(events);
        if customer.write(&state, operations).await? {
            if let Some(found) = customer.order(&state, &id).await? {
                settle(&state, &customer, &found).await?;
            }
            return told(&found.order);
        }
    }
    Err(busy())
}

fn told(order: &Order) -> Result<Response> {
    Ok(no_store(json(&Heard { order_id: order.id.to_string(), status: order.status, payment: order.payment.status })?))
}

/// What news makes of an order; gives the events that tell of it.
///
/// # Errors
/// [`Code::Conflict`] for another amount than the order's.
fn apply(state: &AppState, customer: &Customer, order: &mut Order, news: &News) -> Result<Vec<Operation>> {
    let now = state.clock.now();
    let awaited = order.status == Status::Placed && order.payment.status == PaymentStatus::Awaited;
    match news.kind {
        NewsKind::Succeeded if Paise(news.amount_paise) != order.totals.total || news.currency != "INR" => {
            tracing::error!(order_id = %order.id, "another amount was paid than the order's");
            Err(Error::new(Code::Conflict, "This is another amount than the order's."))
        }
        NewsKind::Succeeded if awaited => {
            order.payment.status = PaymentStatus::Paid;
            order.advance(Move::Confirm, By::Payment, Note::default(), now).map_err(Error::internal)?;
            Ok(vec![store::told(&customer.tenant, order)?])
        }
        // It came too late, or a second time: it is the customer's money.
        NewsKind::Succeeded => {
            if order.payment.status != PaymentStatus::Paid {
                order.payment.status = PaymentStatus::RefundDue;
            }
            let more = json!({ "news": news.id, "refundPaise": news.amount_paise });
            Ok(vec![store::tell(&customer.tenant, order, "refundDue", now, more)?])
        }
        NewsKind::Failed if awaited => {
            order.payment.status = PaymentStatus::Failed;
            let note = Note::because("the payment failed");
            order.advance(Move::Cancel, By::Payment, note, now).map_err(Error::internal)?;
            Ok(vec![store::told(&customer.tenant, order)?])
        }
        NewsKind::Failed => Ok(Vec::new()),
    }
}

/// Refuses what the provider did not send, or did not send now. All refusals are alike.
async fn check_signature(state: &AppState, request: &Request) -> Result<()> {
    let refused = || {
        let expected = "expected the provider's signature of this body, at most five minutes old";
        Error::field("X-Payment-Signature", expected)
    };
    let secret = state.secrets.get(SECRET).await?.ok_or_else(refused)?;
    let (seconds, signature) = request.header(SIGNATURE).and_then(parts).ok_or_else(refused)?;
    let sent: i64 = seconds.parse().map_err(|_| refused())?;
    if state.clock.now().timestamp().abs_diff(sent) > TOLERANCE.unsigned_abs() {
        return Err(refused());
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signed = [seconds.as_bytes(), b".", &request.body].concat();
    // In constant time.
    hmac::verify(&key, &signed, &signature).map_err(|_| refused())
}

/// The time and the signature in a header.
fn parts(header: &str) -> Option<(&str, Vec<u8>)> {
    let find = |name: &str| header.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    Some((find("t")?, unhex(find("v1")?)?))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() != 64 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{TenantId, UserId};

    #[test]
    fn a_reference_names_its_order_and_nonsense_names_none() {
        let customer = Customer { tenant: TenantId::pravis(), user: UserId::generate() };
        let order = OrderId::generate();
        assert_eq!(referred(&reference(&customer, &order)), Some((customer, order)));
        for bad in ["", "####", "cHJhdmlz", &URL_SAFE_NO_PAD.encode("a/b/c")] {
            assert_eq!(referred(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_signature_has_a_time_and_32_bytes() {
        let hex = "ab".repeat(32);
        assert_eq!(parts(&format!("t=12,v1={hex}")), Some(("12", vec![0xab; 32])));
        for bad in ["", "t=12", &format!("v1={hex}"), "t=12,v1=ab", &format!("t=12,v1={}", "zz".repeat(32))] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
