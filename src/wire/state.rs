//! The changelog's binary forms: one record per account, one commit record per partition, both versioned.
//!
//! Keys are a type byte and, for accounts, the account id; values are a version byte and that version's structure in
//! postcard (variable-length integers, no field names). Every version ever written stays readable: a new version adds a
//! structure here and a golden file under `tests/golden/`, and never changes an old one.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

mod v1;
mod v2;

use super::fleet::FleetForm;
use crate::engine::PartitionState;
use crate::engine::account::Account;
use crate::engine::fleet::Fleet;
use crate::engine::vocabulary::Vocabulary;
use crate::units::NextOffset;

/// Key of the commit record.
pub const COMMIT_KEY: &[u8] = b"\0P";
/// Key of the fleet record in force, written when it has changed.
pub const FLEET_KEY: &[u8] = b"\0F";
/// Key of the names of features, written when one has come.
pub const FEATURES_KEY: &[u8] = b"\0N";
/// First byte of the key of an account's record.
pub const ACCOUNT_KEY_PREFIX: u8 = b'a';
/// Largest encoded account, in bytes: the bounds of its parts see to it.
pub const ACCOUNT_BYTES_MAX: usize = 8 * 1024;

/// The version written of accounts.
const ACCOUNT_VERSION: u8 = 2;
/// The version written of everything else.
const VERSION: u8 = 1;

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
    append_as(ACCOUNT_VERSION, &v2::AccountForm::of(account), out);
}

/// The account of a changelog value.
pub fn decode_account(value: &[u8]) -> Result<Account, StateError> {
    let (version, body) = split(value)?;
    match version {
        1 => decode::<v1::AccountForm<'_>>(body)?.into_account().map(v2::complete),
        2 => decode::<v2::AccountForm<'_>>(body)?.into_account(),
        newer => Err(StateError::Version(newer)),
    }
}

/// Appends the value of a commit record to `out`.
pub fn encode_commit(commit: &CommitRecord, out: &mut Vec<u8>) {
    append(&v1::CommitForm::of(commit), out);
}

/// The commit record of a changelog value.
pub fn decode_commit(value: &[u8]) -> Result<CommitRecord, StateError> {
    let (version, body) = split(value)?;
    match version {
        1 => decode::<v1::CommitForm>(body)?.into_commit(),
        newer => Err(StateError::Version(newer)),
    }
}

/// Appends the changelog value of the fleet record to `out`.
pub fn encode_fleet(fleet: &Fleet, out: &mut Vec<u8>) {
    append(&FleetForm::of(fleet), out);
}

/// The fleet record of a changelog value.
pub fn decode_fleet(value: &[u8]) -> Result<Fleet, StateError> {
    decode_versioned::<FleetForm>(value)?.into_fleet().map_err(StateError::Damaged)
}

/// Appends the changelog value of the names of features to `out`.
pub fn encode_features(features: &Vocabulary, out: &mut Vec<u8>) {
    append(&features.iter().collect::<Vec<_>>(), out);
}

/// The names of features of a changelog value.
pub fn decode_features(value: &[u8]) -> Result<Vocabulary, StateError> {
    let mut features = Vocabulary::default();
    for (hash, name) in decode_versioned::<Vec<(u32, Text)>>(value)? {
        features.put(hash, name);
    }
    Ok(features)
}

/// Appends a version byte and the form to `out`.
pub(super) fn append<T: Serialize>(form: &T, out: &mut Vec<u8>) {
    append_as(VERSION, form, out);
}

fn append_as<T: Serialize>(version: u8, form: &T, out: &mut Vec<u8>) {
    out.push(version);
    let start = out.len();
    // Writing to a vector fails only for sequences of unknown length, of which the forms have none.
    match postcard::to_extend(form, std::mem::take(out)) {
        Ok(written) => *out = written,
        Err(error) => debug_assert!(false, "state form cannot be written at {start}: {error}"),
    }
}

/// The form in `value`, of the only version there is.
pub(super) fn decode_versioned<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, StateError> {
    match split(value)? {
        (VERSION, body) => decode(body),
        (newer, _) => Err(StateError::Version(newer)),
    }
}

fn split(value: &[u8]) -> Result<(u8, &[u8]), StateError> {
    match value.split_first() {
        Some((0, _)) => Err(StateError::Damaged("version 0".to_owned())),
        Some((version, body)) => Ok((*version, body)),
        None => Err(StateError::Damaged("no bytes".to_owned())),
    }
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, StateError> {
    match postcard::take_from_bytes(body) {
        Ok((form, [])) => Ok(form),
        Ok((_, rest)) => Err(StateError::Damaged(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(StateError::Damaged(error.to_string())),
    }
}

/// A text field of a form.
type Text = CompactString;
