//! Compressed answers: each is compressed once in a while, not once a request.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;

use crate::caching::{Cached, Public, table};
use crate::error::Error;
use crate::http::Response;
use crate::http::compression::{self, Coding};
use crate::state::AppState;

static CODED: Cached<Public, Bytes> = Cached::in_process(&table::CODED_ANSWERS, Bytes::len);

/// The answer in the form that the caller likes best.
pub async fn answer(state: &AppState, request: &HeaderMap, response: Response) -> Response {
    compression::compressed(request, response, |coding, plain| coded(state, coding, plain)).await
}

async fn coded(state: &AppState, coding: Coding, plain: Bytes) -> Option<Bytes> {
    let key = format!("{}:{}", coding.name(), URL_SAFE_NO_PAD.encode(digest(&SHA256, &plain)));
    let encode = move || async move {
        AppState::blocking(move || coding.encode(&plain)).await?.map(Bytes::from).map_err(Error::internal)
    };
    match state.caches.get_or_load(&CODED, (), &key, encode).await {
        Ok((coded, _)) => Some(Bytes::clone(&coded)),
        Err(error) => {
            tracing::warn!(error = %error.chain(), "an answer is not compressed");
            None
        }
    }
}
