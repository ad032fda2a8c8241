//! Which products have a word, and where in them: for each word a list of products in order, one number each.

use std::borrow::Borrow;
use std::hash::Hash;

use rustc_hash::FxHashMap;

/// A product's number in the index: the more popular it is the smaller.
pub(super) type Doc = u32;

/// More products than a posting can number are not indexed.
pub(super) const MOST_DOCS: usize = 1 << 24;

/// Where in a product a word stands. As a number, the sum of its places: each place outweighs all that tell
/// less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places(u8);

impl Places {
    pub(super) const NONE: Self = Self(0);
    /// The text in another language than English.
    pub(super) const TRANSLATION: Self = Self(1);
    pub(super) const DESCRIPTION: Self = Self(1 << 1);
    /// Place, state and sizes.
    pub(super) const DETAIL: Self = Self(1 << 2);
    /// Tags, occasions and the subcategory.
    pub(super) const TAG: Self = Self(1 << 3);
    pub(super) const COLOR: Self = Self(1 << 4);
    pub(super) const CATEGORY: Self = Self(1 << 5);
    /// The name in any language, or a part of weave or fabric.
    pub(super) const NAME: Self = Self(1 << 6);
    /// The weave, the fabric or the category as a whole, or a phrase that is all of another value.
    pub(super) const WHOLE: Self = Self(1 << 7);

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// 1 to 255; 0 for nowhere.
    pub(super) fn weight(self) -> u16 {
        u16::from(self.0)
    }

    /// Whether one of the shop's own terms has the word, rather than running text.
    pub(super) fn are_terms(self) -> bool {
        self.0 & (Self::WHOLE.0 | Self::CATEGORY.0 | Self::COLOR.0 | Self::TAG.0) != 0
    }

    /// Whether more than a description or a detail has it.
    pub(super) fn are_telling(self) -> bool {
        self.are_terms() || self.0 & Self::NAME.0 != 0
    }
}

/// A product that has a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posting(u32);

impl Posting {
    fn new(doc: Doc, places: Places) -> Self {
        Self(doc << 8 | u32::from(places.0))
    }

    pub(super) fn doc(self) -> Doc {
        self.0 >> 8
    }

    pub(super) fn places(self) -> Places {
        Places((self.0 & 0xFF) as u8)
    }
}

/// Lists that grow, product by product.
pub(super) struct Collected<K>(FxHashMap<K, Vec<Posting>>);

impl<K: Eq + Hash + Ord> Collected<K> {
    pub(super) fn new() -> Self {
        Self(FxHashMap::default())
    }

    /// Notes that a product has `key` in `places`. Products come in order.
    pub(super) fn add<Q>(&mut self, key: &Q, doc: Doc, places: Places)
    where
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        let posting = Posting::new(doc, places);
        let Some(list) = self.0.get_mut(key) else {
            self.0.insert(key.to_owned(), vec![posting]);
            return;
        };
        match list.last_mut() {
            Some(last) if last.doc() == doc => *last = Posting::new(doc, last.places().and(places)),
            _ => list.push(posting),
        }
    }

    /// The keys in order, and their lists by position.
    pub(super) fn into_sorted(self) -> (Vec<K>, Postings) {
        let mut lists: Vec<(K, Vec<Posting>)> = self.0.into_iter().collect();
        lists.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut postings = Postings {
            all: Vec::with_capacity(lists.iter().map(|(_, list)| list.len()).sum()),
            ends: Vec::with_capacity(lists.len()),
        };
        let mut keys = Vec::with_capacity(lists.len());
        for (key, list) in lists {
            postings.all.extend(list);
            postings.ends.push(postings.all.len() as u32);
            keys.push(key);
        }
        (keys, postings)
    }
}

/// All lists, one behind the other.
pub(super) struct Postings {
    all: Vec<Posting>,
    ends: Vec<u32>,
}

impl Postings {
    /// The products of the list at `position`, in order.
    pub(super) fn of(&self, position: usize) -> &[Posting] {
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[start as usize..self.ends[position] as usize]
    }

    /// All places where any product has it.
    pub(super) fn places(&self, position: usize) -> Places {
        self.of(position).iter().fold(Places::NONE, |places, posting| places.and(posting.places()))
    }

    /// The bytes that they take.
    pub(super) fn weight(&self) -> usize {
        self.all.capacity() * size_of::<Posting>() + self.ends.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_by_key_and_a_product_stands_once_in_each() {
        let mut collected = Collected::<String>::new();
        collected.add("silk", 0, Places::NAME);
        collected.add("silk", 0, Places::TAG);
        collected.add("cotton", 1, Places::DESCRIPTION);
        collected.add("silk", 7, Places::WHOLE);
        let (keys, postings) = collected.into_sorted();
        assert_eq!(keys, ["cotton", "silk"]);
        let silk: Vec<_> = postings.of(1).iter().map(|posting| (posting.doc(), posting.places())).collect();
        assert_eq!(silk, [(0, Places::NAME.and(Places::TAG)), (7, Places::WHOLE)]);
        assert_eq!(postings.of(0).len(), 1);
        assert!(postings.places(1).are_telling() && !postings.places(0).are_telling());
    }
}
