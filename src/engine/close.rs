//! Brings memory into the processor's cache before it is needed.
//!
//! A million accounts do not fit any cache, and waiting for one miss after the other is what costs an event most. A
//! prefetch waits for nothing, so that those of many accounts overlap. It changes no result: what is not brought close is
//! read all the same, only later. Not here: what is worth it, which is [`super::store`]'s and [`super::account`]'s to say.

use prefetch_index::prefetch_index;

/// Items of the lists that lie in one line of the cache are brought close together.
const LINE_BYTES: usize = 64;

/// Brings the line of the cache in which `item` begins close.
pub fn item<T>(item: &T) {
    prefetch_index(std::slice::from_ref(item), 0);
}

/// Brings the line in which the item of `list` at `index` begins close, if there is one.
pub fn at<T>(list: &[T], index: usize) {
    prefetch_index(list, index);
}

/// Brings `list` close, from its first to its last line.
pub fn list<T>(list: &[T]) {
    let step = (LINE_BYTES / size_of::<T>().max(1)).max(1);
    (0..list.len()).step_by(step).for_each(|index| prefetch_index(list, index));
    // A list need not begin where a line does.
    prefetch_index(list, list.len().saturating_sub(1));
}
