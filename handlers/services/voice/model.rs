use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::audio::{Measurements, Quality, Waveform};
use crate::containers::{VOICE_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
use crate::ports::blobs::{AccessTier, BlobName};
use crate::ports::speech::Segment;
use crate::services::shop::answers::{Answer, Utterance};
use crate::types::{InteractionId, Language, SampleId, TenantId, TierId, UserId};
use crate::understanding::Context;

/// Where a sample is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    AwaitingUpload,
    Queued,
    Processing,
    Completed,
    /// The recording cannot be used; see `reason`.
    Rejected,
    /// We could not work it; see `reason`.
    Failed,
}

impl Status {
    /// Whether nothing more happens to the sample.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Rejected | Self::Failed)
    }
}

/// Why a sample was rejected or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// One of a closed set, such as `too_long`.
    pub code: String,
    /// What is wrong and what is allowed, to be shown to the shopper.
    pub detail: String,
}

/// What was recognised, or why nothing was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recognition {
    /// The engine that was asked.
    pub engine: String,
    /// What was heard; absent when nothing was, when there is no engine, or when the shopper does not
    /// let us keep transcripts.
    pub transcript: Option<String>,
    pub language: Language,
    /// 0 to 1.
    pub confidence: f32,
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// Why there is no transcript: what is missing and how to install it, or what went wrong.
    pub problem: Option<String>,
}

impl Recognition {
    /// What may be kept of it without consent.
    pub fn without_words(self) -> Self {
        Self { transcript: None, segments: Vec::new(), ..self }
    }

    /// The transcript as something to be answered.
    pub fn utterance<'a>(
        &self,
        transcript: &'a str,
        context: &'a Context,
        language: Option<Language>,
    ) -> Utterance<'a> {
        Utterance { text: transcript, certainty: f64::from(self.confidence), context, language }
    }
}

/// A recording on its way to an answer: partition `(tenant, user)`, kind `sample`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    pub kind: String,
    pub id: SampleId,
    pub status: Status,
    pub content_type: String,
    pub language: Option<Language>,
    /// The owner's tier when it was announced.
    #[serde(default = "free")]
    pub tier: TierId,
    #[serde(default)]
    pub context: Context,
    /// Whether the cart follows what is said.
    #[serde(default)]
    pub apply: bool,
    pub created_at: DateTime<Utc>,
    /// Until when the recording may be uploaded.
    pub upload_until: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Until when it is kept, once it has ended.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    /// How often work on it began.
    #[serde(default)]
    pub attempts: u32,
    /// Whether the shopper let us keep the recording when the job ended.
    #[serde(default)]
    pub kept: bool,
    /// Whether the shopper let us use it to improve recognition, then and ever since.
    #[serde(default)]
    pub training_allowed: bool,
    pub reason: Option<Reason>,
    pub measurements: Option<Measurements>,
    pub quality: Option<Quality>,
    pub waveform: Option<Waveform>,
    pub recognition: Option<Recognition>,
    pub result: Option<Answer>,
    /// What became of the recording in storage, once anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
}

fn free() -> TierId {
    TierId::FREE
}

impl Sample {
    pub const KIND: &'static str = "sample";

    /// Where the recording is; `None` unless the sample is completed and its recording was kept.
    pub fn kept_recording(&self) -> Option<Recording> {
        (self.status == Status::Completed && self.kept).then(|| self.recording.clone().unwrap_or_default())
    }

    /// Lets go of all that holds what was said; the recording itself is somebody else's to remove.
    pub fn forget_words(&mut self) {
        self.kept = false;
        self.recording = None;
        self.expires_at = None;
        self.training_allowed = false;
        // The answer may quote.
        self.result = None;
        self.recognition = self.recognition.take().map(Recognition::without_words);
    }
}

/// The recording of a completed sample, as it lies in storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    pub status: RecordingStatus,
    pub tier: AccessTier,
    /// When it was asked for out of the archive.
    pub restore_requested_at: Option<DateTime<Utc>>,
    /// How long it stays out of the archive at least.
    pub readable_until: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Whether a recording can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordingStatus {
    #[default]
    Available,
    /// It can be asked for, and takes hours.
    Archived,
    /// On its way out of the archive.
    Restoring,
    /// Its time is over.
    Deleted,
}

/// One exchange with Ask Pravi: kind `interaction`, in the partition of its user, or alone in one of
/// its own when nobody is signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interaction {
    pub kind: String,
    pub id: InteractionId,
    /// `sample`, `transcribe` or `command`.
    pub channel: String,
    pub sample_id: Option<SampleId>,
    pub created_at: DateTime<Utc>,
    /// What the shopper said; only with consent to voice storage.
    pub query: Option<String>,
    /// What Ask Pravi answered; it may quote the shopper, so only with that consent, too.
    pub response: Option<String>,
    /// Whether the shopper let us use it to improve recognition, then and ever since.
    #[serde(default)]
    pub training_allowed: bool,
    pub language: Language,
    pub intent: String,
    pub confidence: f64,
    pub total: usize,
    pub success: bool,
    /// Whether a language model helped, to which the words went.
    #[serde(default)]
    pub assisted: bool,
    /// Only for speech.
    pub engine: Option<String>,
    pub audio_ms: Option<u64>,
}

impl Interaction {
    pub const KIND: &'static str = "interaction";

    /// Lets go of what was said and answered.
    pub fn forget_words(&mut self) {
        self.query = None;
        self.response = None;
        self.training_allowed = false;
    }
}

/// What fires a voice job: the content of a small blob. It only points; everything that decides is
/// read from the documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ticket {
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub sample_id: SampleId,
}

impl Ticket {
    /// The blob of the ticket.
    pub fn blob(&self) -> BlobName {
        BlobName::new(VOICE_JOBS, format!("{}/{}.json", self.tenant_id, self.sample_id))
    }

    /// The recording as it was uploaded.
    pub fn upload(&self) -> BlobName {
        BlobName::new(VOICE_UPLOADS, format!("{}/{}/{}", self.tenant_id, self.user_id, self.sample_id))
    }

    /// The small rendition to listen to.
    pub fn rendition(&self) -> BlobName {
        BlobName::new(VOICE_RESULTS, format!("{}/{}/{}.opus", self.tenant_id, self.user_id, self.sample_id))
    }

    /// The ticket of the sample that a blob of `VOICE_UPLOADS` or `VOICE_RESULTS` belongs to, by its
    /// path.
    pub fn of_path(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let (tenant, user, sample) = (parts.next()?, parts.next()?, parts.next()?);
        let sample = sample.strip_suffix(".opus").unwrap_or(sample);
        let ticket =
            Self { tenant_id: tenant.parse().ok()?, user_id: user.parse().ok()?, sample_id: sample.parse().ok()? };
        parts.next().is_none().then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_blob_leads_back_to_its_sample() {
        let ticket =
            Ticket { tenant_id: TenantId::pravis(), user_id: UserId::generate(), sample_id: SampleId::generate() };
        assert_eq!(Ticket::of_path(&ticket.upload().path), Some(ticket.clone()));
        assert_eq!(Ticket::of_path(&ticket.rendition().path), Some(ticket));
        assert_eq!(Ticket::of_path("pravis/someone/else"), None);
    }
}
