//! What follows from withdrawing a consent.

use chrono::{DateTime, Utc};

use super::jobs::{Progress, SETTLED, Ticket};
use crate::error::Result;
use crate::services::accounts::{self, Purpose};
use crate::services::analytics;
use crate::services::voice::forget::{self, Reach};
use crate::state::AppState;

/// Takes away what a consent covered that was withdrawn at `withdrawn_at`. Done at once, and once more when
/// all that was under way then has come to its end.
pub async fn run(
    state: &AppState,
    ticket: &Ticket,
    purpose: Purpose,
    withdrawn_at: DateTime<Utc>,
) -> Result<(Progress, String)> {
    let (tenant, id) = (&ticket.tenant_id, &ticket.user_id);
    let later = state.clock.now() - withdrawn_at < SETTLED;
    let progress = if later { Progress::Later } else { Progress::Done };
    let Some(user) = accounts::user(state, tenant, id).await? else {
        // An erasure takes all there is.
        return Ok((Progress::Done, "the account is gone".into()));
    };
    let reach = match user.consents.get(&purpose) {
        Some(consent) if !consent.granted => Reach::All,
        // Given again since: what was kept under the consent that was withdrawn goes all the same.
        Some(consent) if consent.at >= withdrawn_at => Reach::Until(withdrawn_at),
        // The ticket is there before the withdrawal is.
        _ => return Ok((progress, format!("{} is not withdrawn", purpose.name()))),
    };
    let taken = match purpose {
        Purpose::VoiceStorage => forget::forget_words(state, tenant, id, reach).await? as u64,
        Purpose::Training => forget::forget_training(state, tenant, id, reach).await? as u64,
        // Rows of a consent that was given again go with those before: they are not told apart.
        Purpose::Analytics => analytics::forget(state, &accounts::pseudonym(state, tenant, id).await?).await?,
    };
    Ok((progress, format!("{} withdrawn: {taken} records cleaned", purpose.name())))
}
