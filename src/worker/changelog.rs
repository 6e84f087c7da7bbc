//! The changelog of a partition while it is read back, and why its state cannot be restored from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::fleet::Fleet;
use crate::engine::vocabulary::Vocabulary;
use crate::units::{NextOffset, PartitionIndex};
use crate::wire::state::{self, ACCOUNT_KEY_PREFIX, COMMIT_KEY, CommitRecord, FEATURES_KEY, FLEET_KEY, StateError};

/// The changelog as far as it has been read: the latest value of each key, ordered, so that a restore is always the same.
#[derive(Debug, Default)]
pub(super) struct Changelog {
    pub accounts: BTreeMap<Box<[u8]>, Box<[u8]>>,
    pub commit: Option<CommitRecord>,
    pub fleet: Arc<Fleet>,
    /// Empty where the changelog was written before names were kept: they come as accounts use features anew.
    pub features: Arc<Vocabulary>,
}

impl Changelog {
    /// Takes in one record of the changelog of `partition`, in offset order.
    pub fn take(&mut self, partition: PartitionIndex, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        let damaged = |source| RestoreError::State { partition, source };
        match (key, value) {
            (COMMIT_KEY, value) => self.commit = value.map(state::decode_commit).transpose().map_err(damaged)?,
            (FLEET_KEY, value) => {
                self.fleet = Arc::new(value.map(state::decode_fleet).transpose().map_err(damaged)?.unwrap_or_default());
            }
            (FEATURES_KEY, value) => {
                let features = value.map(state::decode_features).transpose().map_err(damaged)?;
                self.features = Arc::new(features.unwrap_or_default());
            }
            ([ACCOUNT_KEY_PREFIX, ..], Some(value)) => drop(self.accounts.insert(key.into(), value.into())),
            ([ACCOUNT_KEY_PREFIX, ..], None) => drop(self.accounts.remove(key)),
            (key, _) => return Err(RestoreError::Key { partition, first: key.first().copied() }),
        }
        Ok(())
    }
}

/// What is left to do where no changelog fits.
const REBUILD: &str = "rebuild the state from the canonical log: stop every process of the group, wait until it is empty \
    (`session.timeout.ms`, 30 s by default), delete the group and the changelog topic, create the topic and start again; \
    every alert and account health of the whole log is then published once more";

/// Why a partition cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A changelog record cannot be read.
    #[error("partition {}: cannot read the changelog: {source}", partition.0)]
    State {
        /// The partition.
        partition: PartitionIndex,
        /// What is wrong with the record.
        source: StateError,
    },
    /// A changelog key of no known type.
    #[error(
        "partition {}: changelog key begins with byte {first:?}, which this program does not know; run the program \
         version that wrote it", partition.0
    )]
    Key {
        /// The partition.
        partition: PartitionIndex,
        /// The key's first byte.
        first: Option<u8>,
    },
    /// The group has an offset, but the changelog has no commit record.
    #[error(
        "partition {}: the group has committed offset {} but the changelog has no commit record, so state is lost; \
         restore the changelog topic from a backup, or {REBUILD}", partition.0, committed.0
    )]
    RecordMissing {
        /// The partition.
        partition: PartitionIndex,
        /// What the group says.
        committed: NextOffset,
    },
    /// The group's offset is not the one that the state stands for.
    #[error(
        "partition {}: the group's committed offset {} differs from offset {} of the changelog's commit record; \
         somebody reset the offsets or the changelog was truncated: set the group's offset back to {}, or {REBUILD}",
        partition.0, committed.0, recorded.0, recorded.0
    )]
    Differs {
        /// The partition.
        partition: PartitionIndex,
        /// What the group says.
        committed: NextOffset,
        /// What the changelog says.
        recorded: NextOffset,
    },
    /// The changelog has accounts, but no commit record.
    #[error(
        "partition {}: the changelog has {accounts} accounts but no commit record; it is not a complete changelog: \
         restore the topic from a backup, or {REBUILD}", partition.0
    )]
    Incomplete {
        /// The partition.
        partition: PartitionIndex,
        /// How many accounts were found.
        accounts: usize,
    },
    /// The partition was never assigned or is running already.
    #[error("partition {} is not being restored", .0.0)]
    NotRestoring(PartitionIndex),
}
