//! How good the alerts have been, measured on what became of the accounts: sums over a partition since its beginning.
//!
//! Part of the partition's state, so that they outlive a restart. Everything adds up over partitions and instances;
//! ratios are for whoever reads them: precision is churned / matured, recall the sum of foretold / left.

use compact_str::CompactString;

use super::alert::types_len;
use crate::units::Span;

/// Distinct pairs of alert type and resolution reason that are counted; further reasons count as `other`.
pub const RESOLUTIONS_MAX: usize = 512;
/// Lower bounds, in days, of the classes of lead time: how long before leaving an account was first alerted.
pub const LEAD_DAYS_MIN: [u16; 4] = [0, 7, 14, 28];

/// How good the alerts of one partition have been.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Quality {
    /// By alert type index; types beyond its end have nothing to show.
    pub types: Vec<TypeQuality>,
    /// Accounts that left, of those ever judged before.
    pub left: u64,
    /// Those of them for which an alert stood within the horizon before, by lead time: see [`LEAD_DAYS_MIN`].
    pub foretold: [u64; LEAD_DAYS_MIN.len()],
    /// Sum of their lead times, in whole days.
    pub lead_days: u64,
    /// How many alerts were resolved for which reason and what became of their accounts, by alert type and reason.
    pub resolutions: Vec<Resolutions>,
}

/// How good the alerts of one type have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TypeQuality {
    /// Episodes whose outcome is known.
    pub matured: u64,
    /// Those of them whose account left within the horizon after they were raised.
    pub churned: u64,
    /// Episodes that somebody acknowledged, snoozed or resolved.
    pub acknowledged: u64,
    /// Sum of the times from their raise to that, in seconds.
    pub acknowledge_seconds: u64,
}

/// How many alerts of a type were resolved for one reason, and what became of their accounts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Resolutions {
    /// Index of the alert type.
    pub kind: u8,
    /// The reason.
    pub reason: CompactString,
    /// How many.
    pub count: u64,
    /// The number of the reason among those of its type, from 1 in the order in which they were first given; 0 beyond
    /// [`REASON_NUMBERS_MAX`], where outcomes are not joined. An episode remembers it until its outcome is known.
    pub number: u8,
    /// Those of them whose account left within the horizon after they were raised.
    pub churned: u64,
    /// Those of them whose account was still there when the horizon had passed.
    pub retained: u64,
}

/// Reasons of a type whose resolutions are joined with outcomes: as many as fit beside the flags of an episode.
pub const REASON_NUMBERS_MAX: u8 = 31;

/// What became of the account that an alert spoke of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It left within the horizon after the alert was raised.
    Churned,
    /// It was still there when the horizon had passed.
    Retained,
}

impl Quality {
    /// The outcome of an episode became known, which was resolved before for the reason of this number, if for any.
    pub(super) fn matured(&mut self, kind: u8, outcome: Outcome, reason_number: u8) {
        let has_churned = outcome == Outcome::Churned;
        if let Some(quality) = self.of(kind) {
            quality.matured += 1;
            quality.churned += u64::from(has_churned);
        }
        let is_it = |known: &&mut Resolutions| known.kind == kind && known.number == reason_number;
        if let Some(known) = self.resolutions.iter_mut().find(is_it).filter(|_| reason_number > 0) {
            *(if has_churned { &mut known.churned } else { &mut known.retained }) += 1;
        }
    }

    /// Somebody acknowledged an episode, `after` it was raised.
    pub(super) fn acknowledged(&mut self, kind: u8, after: Span) {
        if let Some(quality) = self.of(kind) {
            quality.acknowledged += 1;
            quality.acknowledge_seconds += u64::try_from(after.ms() / 1000).unwrap_or(0);
        }
    }

    /// An account left, `lead` after the first of the alerts that stood within the horizon before; `None`: none did.
    pub(super) fn left(&mut self, lead: Option<Span>) {
        self.left += 1;
        let Some(days) = lead.map(|lead| u64::try_from(lead.ms() / crate::units::DAY_MS).unwrap_or(0)) else { return };
        self.lead_days += days;
        let class = LEAD_DAYS_MIN.iter().rposition(|min| days >= u64::from(*min)).unwrap_or(0);
        if let Some(count) = self.foretold.get_mut(class) {
            *count += 1;
        }
    }

    /// An alert was resolved for `reason`, whose number among those of its type comes back.
    pub(super) fn resolved(&mut self, kind: u8, reason: &str) -> u8 {
        let place = |list: &[Resolutions], reason: &str| {
            list.binary_search_by(|known| (known.kind, known.reason.as_str()).cmp(&(kind, reason)))
        };
        let other = super::playbook::REASON_OTHER;
        let is_full = self.resolutions.len() >= RESOLUTIONS_MAX;
        let (reason, found) = match place(&self.resolutions, reason) {
            Err(_) if is_full => (other, place(&self.resolutions, other)),
            found => (reason, found),
        };
        match found {
            Ok(index) => {
                let Some(known) = self.resolutions.get_mut(index) else { return 0 };
                known.count += 1;
                known.number
            }
            // Room for one `other` of each type beyond the limit.
            Err(index) => {
                let earlier = self.resolutions.iter().filter(|known| known.kind == kind).count();
                let number = u8::try_from(earlier + 1).ok().filter(|number| *number <= REASON_NUMBERS_MAX).unwrap_or(0);
                let new = Resolutions { kind, reason: reason.into(), count: 1, number, ..Resolutions::default() };
                self.resolutions.insert(index, new);
                number
            }
        }
    }

    fn of(&mut self, kind: u8) -> Option<&mut TypeQuality> {
        if self.types.len() < types_len() {
            self.types.resize(types_len(), TypeQuality::default());
        }
        self.types.get_mut(usize::from(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lead_times_fall_into_their_class() {
        let mut quality = Quality::default();
        for days in [0, 6, 7, 13, 14, 27, 28, 90] {
            quality.left(Some(Span::from_days(days)));
        }
        quality.left(None);
        assert_eq!((quality.left, quality.foretold, quality.lead_days), (9, [2; 4], 185));
    }

    #[test]
    fn a_reason_is_joined_with_what_became_of_the_account() {
        let mut quality = Quality::default();
        let saved = quality.resolved(1, "saved");
        let false_alarm = quality.resolved(1, "false_alarm");
        assert_eq!((saved, false_alarm, quality.resolved(1, "saved"), quality.resolved(2, "saved")), (1, 2, 1, 1));
        quality.matured(1, Outcome::Retained, saved);
        quality.matured(1, Outcome::Churned, saved);
        quality.matured(1, Outcome::Churned, false_alarm);
        quality.matured(2, Outcome::Retained, 1);
        // Never resolved: counts by its type alone.
        quality.matured(1, Outcome::Churned, 0);
        let told: Vec<_> = quality
            .resolutions
            .iter()
            .map(|known| (known.kind, known.reason.as_str(), known.count, known.churned, known.retained))
            .collect();
        assert_eq!(told, [(1, "false_alarm", 1, 1, 0), (1, "saved", 2, 1, 1), (2, "saved", 1, 0, 1)]);
        assert_eq!((quality.types[1].matured, quality.types[1].churned), (4, 3));
    }

    #[test]
    fn reasons_are_bounded_and_nothing_is_lost() {
        let mut quality = Quality::default();
        for n in 0..2 * RESOLUTIONS_MAX {
            quality.resolved(u8::from(n % 2 == 0), &format!("reason_{n}"));
        }
        assert!(quality.resolutions.len() <= RESOLUTIONS_MAX + types_len());
        let counted: u64 = quality.resolutions.iter().map(|known| known.count).sum();
        assert_eq!(counted, 2 * RESOLUTIONS_MAX as u64);
        assert!(quality.resolutions.is_sorted_by_key(|known| (known.kind, known.reason.clone())));
        for kind in [0, 1] {
            let of_kind = quality.resolutions.iter().filter(|known| known.kind == kind);
            let mut numbers: Vec<u8> = of_kind.map(|known| known.number).filter(|number| *number > 0).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=REASON_NUMBERS_MAX).collect::<Vec<_>>());
        }
    }
}
