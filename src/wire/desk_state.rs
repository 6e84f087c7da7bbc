//! The changelog of the desk, version 1: one JSON record for each open alert, for each owner, and one for what the
//! transaction stood for. Compacted by key; a key without a value is no more.
//!
//! Decoding takes what version 1 wrote, whatever fields later versions add; a higher version is refused.

use serde::{Deserialize, Serialize};

use super::desk::money;
use crate::desk::state::{Memory, OwnerMemory};
use crate::desk::{Item, Shown};
use crate::engine::effect::Severity;
use crate::units::{Day, NextOffset, Timestamp};

/// Key of the record of what a transaction stood for.
pub const COMMIT_KEY: &[u8] = b"\0D";
/// Key prefix of open alerts; the id follows.
pub const ALERT_KEY_PREFIX: u8 = b'a';
/// Key prefix of owners; the name follows.
pub const OWNER_KEY_PREFIX: u8 = b'o';
/// Version of the forms here.
const VERSION: u32 = 1;

/// What a transaction stood for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskCommit {
    /// Where each partition of the alerts is read next, by partition; `None` where nothing has been read yet.
    pub next: Vec<Option<NextOffset>>,
    /// What the desk remembers beside owners and alerts.
    pub memory: Memory,
}

/// One record of the changelog.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskRecord {
    /// An open alert and under whose name it is kept; `None`: it is open no more.
    Alert(String, Option<(String, Item)>),
    /// What is remembered of an owner; `None`: nothing any more.
    Owner(String, Option<OwnerMemory>),
    /// What the transaction stood for.
    Commit(DeskCommit),
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskStateError {
    /// Written by a newer program.
    #[error("written in version {0}; run the program version that wrote it, or a newer one")]
    Version(u32),
    /// Neither of this version nor of another.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A key of no known type.
    #[error("key begins with byte {0:?}, which this program does not know; run the program version that wrote it")]
    Key(Option<u8>),
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

#[derive(Serialize, Deserialize)]
struct AlertForm {
    v: u32,
    owner: String,
    id: String,
    #[serde(rename = "type")]
    alert_type: String,
    title: String,
    account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    severity: String,
    raised_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revenue_at_risk: Option<money::Form>,
    acknowledged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snoozed_until_ms: Option<i64>,
    shown: ShownForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShownForm {
    Waiting,
    Delivered,
    Displaced,
}

#[derive(Serialize, Deserialize)]
struct OwnerForm {
    v: u32,
    news: bool,
    left_out: u64,
    week: u16,
    places: Vec<(i64, String)>,
    sent: u32,
}

#[derive(Serialize, Deserialize)]
struct CommitForm {
    v: u32,
    next: Vec<Option<i64>>,
    day: Option<u16>,
    old_until_ms: Option<i64>,
}

/// Appends the value of an open alert that is kept under `owner`.
pub fn encode_alert(owner: &str, item: &Item, out: &mut Vec<u8>) {
    let form = AlertForm {
        v: VERSION,
        owner: owner.to_owned(),
        id: item.alert_id.clone(),
        alert_type: item.alert_type.clone(),
        title: item.title.clone(),
        account: item.account_id.clone(),
        name: item.name.clone(),
        severity: item.severity.name().to_owned(),
        raised_ms: item.raised_at.ms(),
        revenue_at_risk: item.revenue_at_risk.map(money::Form::of),
        acknowledged: item.is_acknowledged,
        snoozed_until_ms: item.snoozed_until.map(Timestamp::ms),
        shown: match item.shown {
            Shown::Waiting => ShownForm::Waiting,
            Shown::Delivered => ShownForm::Delivered,
            Shown::Displaced => ShownForm::Displaced,
        },
        link: item.link.clone(),
    };
    write(&form, out);
}

/// Appends the value of what is remembered of an owner.
pub fn encode_owner(memory: &OwnerMemory, out: &mut Vec<u8>) {
    let OwnerMemory { has_news, left_out, week, places, sent } = memory.clone();
    write(&OwnerForm { v: VERSION, news: has_news, left_out, week, places, sent }, out);
}

/// Appends the value of what a transaction stood for.
pub fn encode_commit(commit: &DeskCommit, out: &mut Vec<u8>) {
    let form = CommitForm {
        v: VERSION,
        next: commit.next.iter().map(|next| next.map(|NextOffset(next)| next)).collect(),
        day: commit.memory.day.map(Day::number),
        old_until_ms: commit.memory.old_until.map(Timestamp::ms),
    };
    write(&form, out);
}

/// Reads one record of the changelog.
pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<DeskRecord, DeskStateError> {
    if key == COMMIT_KEY {
        let form: CommitForm = read(value.unwrap_or_default())?;
        return Ok(DeskRecord::Commit(DeskCommit {
            next: form.next.into_iter().map(|next| next.map(NextOffset)).collect(),
            memory: Memory { day: form.day.map(Day::new), old_until: form.old_until_ms.map(time).transpose()? },
        }));
    }
    let (Some(prefix), rest) = (key.first(), key.get(1..).unwrap_or_default()) else {
        return Err(DeskStateError::Key(None));
    };
    let name = String::from_utf8_lossy(rest).into_owned();
    match *prefix {
        ALERT_KEY_PREFIX => Ok(DeskRecord::Alert(name, value.map(|value| item(read(value)?)).transpose()?)),
        OWNER_KEY_PREFIX => Ok(DeskRecord::Owner(name, value.map(|value| Ok(memory(read(value)?))).transpose()?)),
        other => Err(DeskStateError::Key(Some(other))),
    }
}

fn item(form: AlertForm) -> Result<(String, Item), DeskStateError> {
    let damaged = |what: &str| DeskStateError::Damaged(what.to_owned());
    let item = Item {
        alert_id: form.id,
        alert_type: form.alert_type,
        title: form.title,
        account_id: form.account,
        name: form.name,
        severity: Severity::of_name(&form.severity).ok_or_else(|| damaged("severity"))?,
        raised_at: time(form.raised_ms)?,
        revenue_at_risk: form
            .revenue_at_risk
            .map(|money| money.read().ok_or_else(|| damaged("currency")))
            .transpose()?,
        is_acknowledged: form.acknowledged,
        snoozed_until: form.snoozed_until_ms.map(time).transpose()?,
        shown: match form.shown {
            ShownForm::Waiting => Shown::Waiting,
            ShownForm::Delivered => Shown::Delivered,
            ShownForm::Displaced => Shown::Displaced,
        },
        link: form.link,
    };
    Ok((form.owner, item))
}

fn memory(form: OwnerForm) -> OwnerMemory {
    let OwnerForm { news, left_out, week, places, sent, .. } = form;
    OwnerMemory { has_news: news, left_out, week, places, sent }
}

fn time(ms: i64) -> Result<Timestamp, DeskStateError> {
    Timestamp::from_ms(ms).ok_or_else(|| DeskStateError::Damaged(format!("time {ms}")))
}

fn write(form: &impl Serialize, out: &mut Vec<u8>) {
    // Writing plain structs to memory cannot fail.
    let _ = serde_json::to_writer(out, form);
}

fn read<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, DeskStateError> {
    let damaged = |error: serde_json::Error| DeskStateError::Damaged(error.to_string());
    let Versioned { v } = serde_json::from_slice(value).map_err(damaged)?;
    if v > VERSION {
        return Err(DeskStateError::Version(v));
    }
    serde_json::from_slice(value).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::units::{Currency, Money};

    /// What is written now and what version 1 wrote; both must read back as the same.
    fn check(key: &[u8], record: &DeskRecord, golden: &Expect) {
        let mut value = Vec::new();
        match record {
            DeskRecord::Alert(_, Some((owner, item))) => encode_alert(owner, item, &mut value),
            DeskRecord::Owner(_, Some(memory)) => encode_owner(memory, &mut value),
            DeskRecord::Commit(commit) => encode_commit(commit, &mut value),
            _ => panic!("nothing to write"),
        }
        golden.assert_eq(std::str::from_utf8(&value).unwrap());
        assert_eq!(decode(key, Some(&value)).as_ref(), Ok(record));
    }

    #[test]
    fn version_1_stays_readable() {
        let at = Timestamp::from_ms(1_772_409_600_000).unwrap();
        let item = Item {
            alert_id: "00ff".to_owned(),
            alert_type: "nps".to_owned(),
            title: "Unhappy answers".to_owned(),
            account_id: "acct-7".to_owned(),
            name: Some("Acme".to_owned()),
            severity: Severity::Critical,
            raised_at: at,
            revenue_at_risk: Some(Money { minor: 12_000, currency: Currency::USD }),
            is_acknowledged: true,
            snoozed_until: Some(at),
            shown: Shown::Displaced,
            link: Some("https://crm.example/7".to_owned()),
        };
        check(
            b"a00ff",
            &DeskRecord::Alert("00ff".to_owned(), Some(("kim".to_owned(), item.clone()))),
            &expect![[
                r#"{"v":1,"owner":"kim","id":"00ff","type":"nps","title":"Unhappy answers","account":"acct-7","name":"Acme","severity":"critical","raised_ms":1772409600000,"revenue_at_risk":{"minor":12000,"currency":"USD"},"acknowledged":true,"snoozed_until_ms":1772409600000,"shown":"displaced","link":"https://crm.example/7"}"#
            ]],
        );
        let bare = Item { name: None, revenue_at_risk: None, snoozed_until: None, link: None, ..item };
        check(
            b"a00ff",
            &DeskRecord::Alert("00ff".to_owned(), Some(("kim".to_owned(), bare))),
            &expect![[
                r#"{"v":1,"owner":"kim","id":"00ff","type":"nps","title":"Unhappy answers","account":"acct-7","severity":"critical","raised_ms":1772409600000,"acknowledged":true,"shown":"displaced"}"#
            ]],
        );
        let places = vec![(5, "00ff".to_owned())];
        check(
            b"okim",
            &DeskRecord::Owner(
                "kim".to_owned(),
                Some(OwnerMemory { has_news: true, left_out: 2, week: 9, places, sent: 3 }),
            ),
            &expect![[r#"{"v":1,"news":true,"left_out":2,"week":9,"places":[[5,"00ff"]],"sent":3}"#]],
        );
        let memory = Memory { day: Some(Day::new(20_000)), old_until: Some(at) };
        check(
            COMMIT_KEY,
            &DeskRecord::Commit(DeskCommit { next: vec![Some(NextOffset(7)), None], memory }),
            &expect![[r#"{"v":1,"next":[7,null],"day":20000,"old_until_ms":1772409600000}"#]],
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let said = |key: &[u8], value: Option<&[u8]>| decode(key, value).unwrap_err().to_string();
        assert_eq!(
            said(b"zoo", None),
            "key begins with byte Some(122), which this program does not know; run the program version that wrote it"
        );
        assert!(said(b"okim", Some(br#"{"v":2}"#)).contains("written in version 2"));
        assert!(said(b"okim", Some(b"{")).starts_with("damaged"));
        assert_eq!(decode(b"okim", None), Ok(DeskRecord::Owner("kim".to_owned(), None)));
        assert_eq!(decode(b"a1", None), Ok(DeskRecord::Alert("1".to_owned(), None)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(key in "[ao\0]D?.{0,3}", value in proptest::collection::vec(0..=u8::MAX, 0..100)) {
            let _ = decode(key.as_bytes(), Some(&value));
        }
    }
}
