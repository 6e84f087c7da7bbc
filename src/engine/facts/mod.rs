//! What is known about one account, by subject.
//!
//! Every structure here is a function of the SET of events it has taken in, not of their order, as long as they arrive
//! within [`activity::HORIZON_DAYS`]: maxima, minima, counts by day, latest-by-event-time with ties broken by the hash
//! of the event id. Every structure is bounded. Nothing here judges; that is for `signals` and `risk`.

pub mod activity;
pub mod billing;
pub mod book;
pub mod comeback;
pub mod crowd;
pub mod limits;
pub mod onboarding;
pub mod people;
pub mod profile;
pub mod subscription;
pub mod tickets;
pub mod voice;

use crate::units::Timestamp;

/// Orders events of the same subject: by event time, then by the hash of the event id.
///
/// Of two contradicting facts the one with the greater stamp holds, whichever arrived first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp {
    /// Event time.
    pub time: Timestamp,
    /// Hash of the event id.
    pub tie: u64,
}

/// The least by which a list grows, in bytes: less would only mean to move it more often.
const GROWTH_MIN: usize = 16;

/// Inserts `item` at `index`, growing by a quarter: these lists begin with one and stay short, and there is one of each for
/// every account.
pub(in crate::engine) fn insert<T>(list: &mut Vec<T>, index: usize, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(GROWTH_MIN / size_of::<T>().max(1)).max(1));
    }
    list.insert(index, item);
}

/// Inserts `item` at its place in a list sorted by `key`, unless one with its key is there: the same, told again. Whether it
/// was news.
pub(in crate::engine) fn insert_new<T, K: Ord>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) -> bool {
    let own = key(&item);
    let index = list.partition_point(|known| key(known) < own);
    let is_new = list.get(index).is_none_or(|known| key(known) != own);
    if is_new {
        insert(list, index, item);
    }
    is_new
}
