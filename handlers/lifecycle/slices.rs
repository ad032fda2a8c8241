//! How a sweep is divided, so that it is worked at many places at once and none works for long.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::containers::BLOB_CONTAINERS;

/// Blobs that one slice should have at most.
const BLOBS_OF_A_SLICE: u64 = 100_000;
/// The most slices of a container.
const MAX_PARTS: u32 = 16;

/// The blobs of a container whose owner's hash falls into one of some equal parts.
///
/// Parts and not ranges of paths: paths begin with tenants and with identifiers that grow with time, so any
/// range fixed beforehand would hold nearly all or nothing. Each part lists the whole container, which costs
/// one call for 5000 blobs, and asks documents about its own blobs only, which is the work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slice {
    pub container: &'static str,
    /// From 0.
    pub part: u32,
    /// 1 to 16.
    pub of: u32,
}

impl Slice {
    /// Whether a blob belongs to the slice. All blobs of one folder belong to the same one, and a recording of
    /// `{tenant}/{user}/{sample}` is in the folder of its owner.
    pub fn has(&self, path: &str) -> bool {
        let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
        // FNV-1a, 64 bits (RFC 9923): the same in every version of the program.
        let hash = folder
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        // The upper half, since the lowest bits of this hash are the weakest.
        (hash >> 32) % u64::from(self.of) == u64::from(self.part)
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}of{}", self.container, self.part, self.of)
    }
}

/// Why a text names no slice.
#[derive(Debug, thiserror::Error)]
#[error("expected a slice such as voice-uploads-0of4")]
pub struct SliceError;

impl FromStr for Slice {
    type Err = SliceError;

    fn from_str(text: &str) -> Result<Self, SliceError> {
        let (container, numbers) = text.rsplit_once('-').ok_or(SliceError)?;
        let (part, of) = numbers.split_once("of").ok_or(SliceError)?;
        let container = BLOB_CONTAINERS.into_iter().find(|known| *known == container).ok_or(SliceError)?;
        let slice =
            Self { container, part: part.parse().map_err(|_| SliceError)?, of: of.parse().map_err(|_| SliceError)? };
        // One way to write it, since it is part of names.
        let sane = (1..=MAX_PARTS).contains(&slice.of) && slice.part < slice.of && slice.to_string() == text;
        if sane { Ok(slice) } else { Err(SliceError) }
    }
}

impl Serialize for Slice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Slice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The slices of a sweep, by the number of blobs that a container is known to have.
pub fn slices(blobs: impl Fn(&str) -> u64) -> Vec<Slice> {
    let parts = |container| blobs(container).div_ceil(BLOBS_OF_A_SLICE).clamp(1, u64::from(MAX_PARTS)) as u32;
    BLOB_CONTAINERS
        .into_iter()
        .flat_map(|container| {
            let of = parts(container);
            (0..of).map(move |part| Slice { container, part, of })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::UserId;

    #[test]
    fn every_blob_is_in_one_slice_and_all_slices_are_about_as_large() {
        let slices: Vec<Slice> = slices(|container| if container == "voice-uploads" { 350_000 } else { 0 });
        assert_eq!(slices.len(), BLOB_CONTAINERS.len() + 3);
        let slices: Vec<_> = slices.into_iter().filter(|slice| slice.container == "voice-uploads").collect();
        let mut sizes = [0; 4];
        for _ in 0..4000 {
            let path = format!("pravis/{}/smp_1", UserId::generate());
            let of: Vec<usize> = (0..4).filter(|&part| slices[part].has(&path)).collect();
            assert_eq!(of.len(), 1);
            sizes[of[0]] += 1;
        }
        // Each some 1000, with a standard deviation of 27.
        assert!(sizes.iter().all(|size| (800..1200).contains(size)), "{sizes:?}");
    }

    #[test]
    fn a_slice_is_what_its_name_says_and_other_names_are_refused() {
        let slice = Slice { container: "voice-uploads", part: 3, of: 16 };
        assert_eq!(slice.to_string().parse::<Slice>().unwrap(), slice);
        for bad in
            ["", "voice-uploads", "voice-uploads-1of1", "voice-uploads-0of17", "voice-uploads-00of1", "others-0of1"]
        {
            assert!(bad.parse::<Slice>().is_err(), "{bad}");
        }
    }
}
