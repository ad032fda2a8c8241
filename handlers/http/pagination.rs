use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::{Error, Result};
use crate::ports::{Continuation, PortError, PortErrorKind};

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Items a page, 1 to 100; 20 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
}

impl ListQuery {
    /// # Errors
    /// A field error outside 1 to 100.
    pub fn limit(&self, default: usize) -> Result<usize> {
        match self.limit {
            None => Ok(default),
            Some(limit @ 1..=100) => Ok(limit),
            Some(_) => Err(Error::field("limit", "expected 1 to 100")),
        }
    }

    /// The continuation that the cursor carries.
    pub fn continuation(&self) -> Result<Option<Continuation>> {
        self.cursor.as_deref().map(cursor_from).transpose()
    }

    /// What a failed listing means to the caller: a refused continuation is a wrong cursor.
    pub fn explain(error: PortError) -> Error {
        match error.kind() {
            PortErrorKind::InvalidRequest => wrong_cursor(),
            _ => error.into(),
        }
    }
}

/// The cursor that stands for a continuation in an answer.
pub fn cursor_of(next: Option<Continuation>) -> Option<String> {
    next.map(|continuation| URL_SAFE_NO_PAD.encode(continuation.0))
}

/// The continuation behind a cursor.
pub fn cursor_from(cursor: &str) -> Result<Continuation> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong_cursor())?;
    String::from_utf8(bytes).map(Continuation).map_err(|_| wrong_cursor())
}

fn wrong_cursor() -> Error {
    Error::field("cursor", "expected the `next` of a page of this same list")
}
