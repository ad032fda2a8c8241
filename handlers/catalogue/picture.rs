use serde::{Deserialize, Serialize};

use crate::types::{LocalisedText, MediaId};

/// An uploaded picture of a product, as the product's document lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductPicture {
    pub id: MediaId,
    /// Pictures are shown by it, equal ones by their age.
    pub position: u32,
    /// What it shows, for who cannot see it.
    pub alt: LocalisedText,
    /// The narrowest first; of each width the better format before the other.
    pub sources: Vec<PictureSource>,
}

/// One form of a picture: a file whose name tells its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PictureSource {
    /// Of its blob in the container of media: `{tenant}/{hash}-{width}.{extension}`.
    pub path: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Such as `image/webp`.
    pub media_type: String,
    /// Where clients get it. Set when a catalogue is read, and never stored.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl ProductPicture {
    /// The largest form, in the better format.
    pub fn best(&self) -> Option<&PictureSource> {
        let most = self.sources.iter().map(|source| source.width).max()?;
        self.sources.iter().find(|source| source.width == most)
    }

    /// What puts pictures in their order.
    pub fn rank(&self) -> (u32, &MediaId) {
        (self.position, &self.id)
    }

    /// The bytes of memory that it takes, about.
    pub(super) fn weight(&self) -> usize {
        let alt = self.alt.english.len() + self.alt.hindi.len() + self.alt.telugu.len();
        let sources: usize = self.sources.iter().map(|source| source.path.len() + source.url.len() + 128).sum();
        size_of::<Self>() + alt + sources
    }
}
