//! An account that its owner closed is opened again, as long as it was not erased.

use http::{Method, StatusCode};
use serde_json::json;

use super::auth::{LoginRequest, SignedIn, identify, signed_in_example, wrong_credentials};
use super::store::{Told, change_user_checked};
use super::{User, sessions};
use crate::audit::Origin;
use crate::error::{Code, Error, Result};
use crate::function::{Function, LimitClass};
use crate::http::{Request, Response};
use crate::state::AppState;
use crate::types::Service;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let credentials = || json!({ "email": "lakshmi@example.in", "password": "kanjivaram-9" });
    vec![
        Function::http("AccountsAuthRestore", Service::Accounts, Method::POST, "v1/auth/restore", restore)
            .limit(LimitClass::Credentials)
            .summary("Opens an account again that is closed and waits to be erased, and signs in.")
            .takes::<LoginRequest>("application/json", credentials())
            .answers::<SignedIn>(StatusCode::OK, "The account is open, and its owner signed in.", signed_in_example())
            .fails(&[Code::InvalidCredentials, Code::TooManyRequests, Code::Conflict])
            .into(),
    ]
}

async fn restore(state: AppState, request: Request) -> Result<Response> {
    let (user, brought) = identify(&state, &request).await?;
    let tenant = request.caller.tenant();
    let conflict = || Error::new(Code::Conflict, "The account is not about to be erased; sign in instead.");
    let notice = user.erasure.as_ref().ok_or_else(conflict)?;
    let (kind, data) = ("account.erasureCancelled", json!({ "erasureId": notice.id }));
    let origin = Origin::of(&request);
    let told = Told { kind, data, origin: Some(&origin) };
    let open_again = |user: &mut User| {
        if user.erasure.is_none() {
            return Err(conflict());
        }
        if !user.can_be_restored() {
            return Err(wrong_credentials());
        }
        user.erasure = None;
        user.active = true;
        Ok(())
    };
    let user = change_user_checked(&state, tenant, &user.id, &told, open_again).await?;
    sessions::begin(&state, tenant, &user, &request, &brought, "password").await
}
