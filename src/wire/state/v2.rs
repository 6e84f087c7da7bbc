//! Version 2 of the account: that of version 1, followed by what KPIs are reckoned from.
//!
//! Amounts in the currency they were told in, where that is not the reporting one; the months and terms of what the
//! timeline has folded; trials and surveys. Frozen once released: what differs from it becomes version 3.

use serde::{Deserialize, Serialize};

use super::StateError;
use super::v1::{self, StampForm, damaged, maybe_time, pick, stamp, stamp_form, time};
use crate::engine::account::Account;
use crate::engine::event::Survey;
use crate::engine::facts::billing::Billing;
use crate::engine::facts::book::{Book, Doubt, Flow, Line, Term};
use crate::engine::facts::onboarding::Trial;
use crate::engine::facts::subscription::Foreign;
use crate::engine::facts::voice::Counted;
use crate::units::calendar::Month;
use crate::units::{Currency, Day, Money, Timestamp};

/// An account.
#[derive(Serialize, Deserialize)]
pub struct AccountForm<'a> {
    #[serde(borrow)]
    account: v1::AccountForm<'a>,
    /// By the index of the change in the timeline: minor units, currency.
    told: Vec<(u8, i64, [u8; 3])>,
    folded: Option<FoldedForm>,
    trial: Option<TrialForm>,
    sent: Vec<CountedForm>,
    answered: Vec<CountedForm>,
}

/// Days since the one before, from 1970-01-01 on; counts by survey.
type CountedForm = (u16, [u16; Survey::ALL.len()]);

#[derive(Serialize, Deserialize)]
struct FoldedForm {
    /// By the index of the subscription: full amount, present amount, currency.
    foreign: Vec<(u8, i64, i64, [u8; 3])>,
    /// By the index of the subscription: when its renewal is due, where that is not the end of its term.
    renewals_due_ms: Vec<(u8, Option<i64>)>,
    /// Month, flow, currency, minor units, count.
    lines: Vec<(u16, u8, [u8; 3], i64, u32)>,
    /// Day, subscription, renewed, minor units, currency.
    terms: Vec<(u16, u32, bool, i64, [u8; 3])>,
    doubts: [u32; Doubt::ALL.len()],
    left_out: u32,
    activated_ms: Option<i64>,
    ended_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct TrialForm {
    starts: u8,
    card: Option<(StampForm, bool)>,
    ends: Option<(StampForm, i64)>,
    converted_ms: Option<i64>,
    expired_ms: Option<i64>,
}

impl<'a> AccountForm<'a> {
    pub fn of(account: &'a Account) -> AccountForm<'a> {
        let changes = account.billing.as_ref().map(|billing| billing.changes.as_slice()).unwrap_or_default();
        let told = (0_u8..).zip(changes).filter_map(|(index, change)| {
            change.told.as_ref().map(|told| (index, told.minor, told.currency.letters()))
        });
        let voice = account.voice.as_deref();
        AccountForm {
            account: v1::AccountForm::of(account),
            told: told.collect(),
            folded: account.billing.as_deref().and_then(FoldedForm::of),
            trial: account.onboarding.as_ref().and_then(|known| known.trial.as_deref()).map(TrialForm::of),
            sent: voice.map(|voice| counted_form(&voice.sent)).unwrap_or_default(),
            answered: voice.map(|voice| counted_form(&voice.answered)).unwrap_or_default(),
        }
    }

    pub fn into_account(self) -> Result<Account, StateError> {
        let mut account = self.account.into_account()?;
        if let Some(billing) = &mut account.billing {
            for (index, minor, letters) in self.told {
                let change = billing
                    .changes
                    .get_mut(usize::from(index))
                    .ok_or_else(|| damaged("an amount without its change"))?;
                change.told = Some(Box::new(Money { minor, currency: currency(letters)? }));
            }
            if let Some(form) = self.folded {
                form.fill(billing)?;
            }
            // Where nothing of it was in another currency, it has been derived already.
            billing.derive();
        }
        if let Some(form) = self.trial {
            let onboarding = account.onboarding.as_mut().ok_or_else(|| damaged("a trial without an onboarding"))?;
            onboarding.trial = Some(Box::new(form.into_trial()?));
        }
        if let Some(voice) = &mut account.voice {
            voice.sent = counted(self.sent)?;
            voice.answered = counted(self.answered)?;
        }
        Ok(account)
    }
}

fn counted_form(list: &[Counted]) -> Vec<CountedForm> {
    let before = [Day::new(0)].into_iter().chain(list.iter().map(|known| known.day));
    list.iter().zip(before).map(|(known, before)| (known.day.since(before), known.counts)).collect()
}

fn counted(list: Vec<CountedForm>) -> Result<Vec<Counted>, StateError> {
    let mut number = 0_u16;
    let day = |(days, counts)| {
        number = number.checked_add(days).ok_or_else(|| damaged("a day of surveys after the last there is"))?;
        Ok(Counted { day: Day::new(number), counts })
    };
    list.into_iter().map(day).collect()
}

/// What version 1 did not keep, as far as it follows from what it did. The months of a folded timeline are begun by
/// [`Billing::open_book`], which needs the rules.
pub fn complete(mut account: Account) -> Account {
    if let Some(onboarding) = account.onboarding.as_mut().filter(|known| known.trial_at.is_some()) {
        onboarding.trial = Some(Box::new(Trial { starts: 1, ..Trial::default() }));
    }
    account
}

impl FoldedForm {
    fn of(billing: &Billing) -> Option<FoldedForm> {
        let folded = billing.folded.as_ref()?;
        let foreign = (0_u8..).zip(&folded.ledger.subscriptions).filter_map(|(index, known)| {
            let known = known.foreign.as_ref()?;
            Some((index, known.full_minor, known.mrr_minor, known.currency.letters()))
        });
        let subscriptions = (0_u8..).zip(&folded.ledger.subscriptions);
        let renewals_due_ms = subscriptions
            .filter(|(_, known)| known.renewal_due_at != known.term_ends_at)
            .map(|(index, known)| (index, known.renewal_due_at.map(Timestamp::ms)));
        let Book { lines, terms, doubts, left_out } = &folded.book;
        let line =
            |line: &Line| (line.month.number(), line.flow as u8, line.currency.letters(), line.minor, line.count);
        let term = |term: &Term| {
            (term.day.number(), term.subscription, term.renewed, term.money.minor, term.money.currency.letters())
        };
        Some(FoldedForm {
            foreign: foreign.collect(),
            renewals_due_ms: renewals_due_ms.collect(),
            lines: lines.iter().map(line).collect(),
            terms: terms.iter().map(term).collect(),
            doubts: *doubts,
            left_out: *left_out,
            activated_ms: folded.activated_at.map(Timestamp::ms),
            ended_ms: folded.ledger.ended_at.map(Timestamp::ms),
        })
    }

    fn fill(self, billing: &mut Billing) -> Result<(), StateError> {
        let folded = billing.folded.as_mut().ok_or_else(|| damaged("a book without its ledger"))?;
        for (index, full_minor, mrr_minor, letters) in self.foreign {
            let known = folded.ledger.subscriptions.get_mut(usize::from(index));
            let known = known.ok_or_else(|| damaged("an amount without its subscription"))?;
            known.foreign = Some(Box::new(Foreign { currency: currency(letters)?, full_minor, mrr_minor }));
        }
        for (index, due_ms) in self.renewals_due_ms {
            let known = folded.ledger.subscriptions.get_mut(usize::from(index));
            let known = known.ok_or_else(|| damaged("a renewal without its subscription"))?;
            known.renewal_due_at = maybe_time(due_ms)?;
        }
        let line = |(month, flow, letters, minor, count)| {
            let flow = pick(flow, &Flow::ALL, "flow")?;
            Ok(Line { month: Month::from_number(month), flow, currency: currency(letters)?, minor, count })
        };
        let term = |(day, subscription, renewed, minor, letters)| {
            let money = Money { minor, currency: currency(letters)? };
            Ok(Term { day: Day::new(day), subscription, renewed, money })
        };
        folded.activated_at = maybe_time(self.activated_ms)?;
        folded.ledger.ended_at = maybe_time(self.ended_ms)?;
        folded.book = Book {
            lines: self.lines.into_iter().map(line).collect::<Result<_, StateError>>()?,
            terms: self.terms.into_iter().map(term).collect::<Result<_, StateError>>()?,
            doubts: self.doubts,
            left_out: self.left_out,
        };
        Ok(())
    }
}

impl TrialForm {
    fn of(trial: &Trial) -> TrialForm {
        TrialForm {
            starts: trial.starts,
            card: trial.card.map(|(at, card)| (stamp_form(at), card)),
            ends: trial.ends_at.map(|(at, ends)| (stamp_form(at), ends.ms())),
            converted_ms: trial.converted_at.map(Timestamp::ms),
            expired_ms: trial.expired_at.map(Timestamp::ms),
        }
    }

    fn into_trial(self) -> Result<Trial, StateError> {
        let card = |(at, card)| Ok::<_, StateError>((stamp(at)?, card));
        let ends = |(at, ends)| Ok::<_, StateError>((stamp(at)?, time(ends)?));
        Ok(Trial {
            starts: self.starts,
            card: self.card.map(card).transpose()?,
            ends_at: self.ends.map(ends).transpose()?,
            converted_at: maybe_time(self.converted_ms)?,
            expired_at: maybe_time(self.expired_ms)?,
        })
    }
}

fn currency(letters: [u8; 3]) -> Result<Currency, StateError> {
    std::str::from_utf8(&letters).ok().and_then(Currency::parse).ok_or_else(|| damaged("a currency that is none"))
}
