//! Hits of plan limits: when, which one, how far.

use compact_str::CompactString;

use super::Stamp;
use crate::engine::event::LimitUse;
use crate::units::{Offset, Timestamp};

/// Most recent hits kept.
pub const HITS_MAX: usize = 16;

/// Hits of plan limits.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Limits {
    /// The latest hits, oldest first, at most [`HITS_MAX`].
    pub hits: Vec<Stamp>,
    /// The latest hit in detail.
    pub latest: Option<Hit>,
}

/// One hit in detail.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// When.
    pub stamp: Stamp,
    /// Name of the limit.
    pub limit: CompactString,
    /// Used, where told.
    pub used: Option<f64>,
    /// Allowed, where told.
    pub allowed: Option<f64>,
    /// The record that told it.
    pub offset: Offset,
}

impl Limits {
    /// Takes in a hit; one that is known already, told again after days, is none.
    pub fn hit(&mut self, stamp: Stamp, limit: &LimitUse<'_>, offset: Offset) {
        if !super::insert_new(&mut self.hits, stamp, |known| *known) {
            return;
        }
        if self.hits.len() > HITS_MAX {
            self.hits.remove(0);
        }
        if self.latest.as_ref().is_none_or(|latest| latest.stamp < stamp) {
            self.latest = Some(Hit {
                stamp,
                limit: super::profile::clip(&limit.limit),
                used: limit.used,
                allowed: limit.allowed,
                offset,
            });
        }
    }

    /// Whether hits after `from` may have been forgotten, since as many as are kept came after it.
    #[must_use]
    pub fn may_have_forgotten_after(&self, from: Timestamp) -> bool {
        self.hits.len() >= HITS_MAX && self.hits.first().is_some_and(|oldest| oldest.time > from)
    }

    /// Hits later than `from`; exact up to [`HITS_MAX`].
    #[must_use]
    pub fn hits_after(&self, from: Timestamp) -> usize {
        self.hits.len() - self.hits.partition_point(|hit| hit.time <= from)
    }
}
