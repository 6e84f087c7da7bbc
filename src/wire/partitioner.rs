//! Which partition of the canonical log an account belongs to: the Java client's default, so that producers agree.
//!
//! librdkafka's own default differs for null keys only when told `murmur2_random`; writers here set the partition
//! themselves and never depend on it.

use crate::units::PartitionIndex;

/// The partition of `account_id` among `partitions`: `toPositive(murmur2(key)) % partitions`. Partition 0 when there
/// are none.
///
/// ```
/// use churnwatch::units::PartitionIndex;
/// use churnwatch::wire::partition_of;
/// assert_eq!(partition_of("foobar", 100), PartitionIndex(66));
/// ```
#[must_use]
pub fn partition_of(account_id: &str, partitions: i32) -> PartitionIndex {
    let positive = murmur2(account_id.as_bytes()) & 0x7fff_ffff;
    let partitions = u32::try_from(partitions).unwrap_or(0).max(1);
    PartitionIndex(i32::try_from(positive % partitions).unwrap_or(0))
}

/// `MurmurHash2` in 32 bits with the seed that Kafka's Java client uses.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // The Java client works with 32-bit lengths; keys are far shorter.
    let mut hash = SEED ^ u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0_u32, |k, byte| (k << 8) | u32::from(*byte)).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0_u32, |k, byte| (k << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the Java client's own test (`UtilsTest.testMurmur2`).
    #[test]
    fn hashes_as_the_java_client_does() {
        let check = |key: &str, hash: i32| assert_eq!(murmur2(key.as_bytes()), hash.cast_unsigned(), "{key}");
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check("abc", 479_470_107);
    }

    #[test]
    fn every_count_of_partitions_gives_one_of_them() {
        for partitions in [-1, 0, 1, 2, 7, i32::MAX] {
            for key in ["", "a", "acct-1", "päckchen"] {
                let PartitionIndex(index) = partition_of(key, partitions);
                assert!((0..partitions.max(1)).contains(&index));
            }
        }
    }
}
