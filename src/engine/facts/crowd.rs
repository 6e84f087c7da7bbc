//! Distinct things an account has shown (users, features) with when each was last seen.
//!
//! Exact up to [`CROWD_MAX`] members; beyond, the members with the smallest hashes stay. Such a bottom-k sketch is a
//! uniform sample of the distinct members whatever the order of arrival, and the largest kept hash tells how many there
//! are: `(k - 1) / largest`, standard error `1 / sqrt(k - 2)`, 9 % (Bar-Yossef et al. 2002; Beyer et al. 2007).

use crate::units::Day;

/// Members kept.
pub const CROWD_MAX: usize = 128;

/// Crowds of at most so many members are searched by counting.
const COUNTED_MAX: usize = 32;

/// Weeks of use kept for each member, the present one included.
pub const WEEKS: u16 = 14;

/// Of the weeks of a member: the present one so far and the four before it.
pub const FOUR_WEEKS: u16 = 0b1_1111;

/// Distinct members with when each was seen, sorted by hash.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Crowd {
    /// The members, by ascending hash.
    pub members: Vec<Member>,
    /// Whether members were left out: then `members` is a sample.
    pub sampled: bool,
}

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Hash of its name.
    pub hash: u32,
    /// Last day seen.
    pub last_day: Day,
    /// Bit `i`: seen `i` weeks before the week of `last_day`; [`WEEKS`] bits.
    pub weeks: u16,
}

impl Member {
    /// Weeks in which it was seen, bit `i` being `i` weeks before the week of `today`.
    #[must_use]
    pub fn weeks_before(&self, today: Day) -> u16 {
        let shift = today.week().saturating_sub(self.last_day.week());
        if shift >= WEEKS { 0 } else { self.weeks << shift & ((1 << WEEKS) - 1) }
    }

    /// Notes that it was seen on `day`.
    pub(super) fn see(&mut self, day: Day) {
        if day > self.last_day {
            let shift = day.week() - self.last_day.week();
            self.weeks = if shift >= WEEKS { 1 } else { (self.weeks << shift | 1) & ((1 << WEEKS) - 1) };
            self.last_day = day;
        } else {
            let age = self.last_day.week() - day.week();
            if age < WEEKS {
                self.weeks |= 1 << age;
            }
        }
    }
}

/// What seeing a member changed about who was last seen when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Seen {
    /// Nothing: that day or a later one was known.
    #[default]
    Known,
    /// A kept member's last day moved on from this one.
    Moved(Day),
    /// A new member.
    Joined,
    /// A new member took the place of one last seen on this day.
    Displaced(Day),
    /// Not kept: its hash is too large for the sample.
    LeftOut,
}

impl Crowd {
    /// The hash by which a name is kept.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // the low half of a good hash is a good hash
    pub fn hash(name: &str) -> u32 {
        crate::units::stable_hash(name.as_bytes()) as u32
    }

    /// Where the member of `hash` is, or would be.
    fn place(&self, hash: u32) -> Result<usize, usize> {
        // Most crowds are small: counting takes no branches that could be foretold wrongly.
        let index = if self.members.len() <= COUNTED_MAX {
            self.members.iter().filter(|member| member.hash < hash).count()
        } else {
            self.members.partition_point(|member| member.hash < hash)
        };
        if self.members.get(index).is_some_and(|member| member.hash == hash) { Ok(index) } else { Err(index) }
    }

    /// Notes that the member of `hash` was seen on `day`.
    pub fn see(&mut self, hash: u32, day: Day) -> Seen {
        match self.place(hash) {
            Ok(index) => {
                let Some(member) = self.members.get_mut(index) else { return Seen::Known };
                let before = member.last_day;
                member.see(day);
                if day > before { Seen::Moved(before) } else { Seen::Known }
            }
            Err(index) if self.members.len() < CROWD_MAX => {
                super::insert(&mut self.members, index, Member { hash, last_day: day, weeks: 1 });
                Seen::Joined
            }
            Err(index) => {
                self.sampled = true;
                if index >= CROWD_MAX {
                    return Seen::LeftOut;
                }
                let displaced = self.members.pop();
                self.members.insert(index, Member { hash, last_day: day, weeks: 1 });
                displaced.map_or(Seen::Joined, |member| Seen::Displaced(member.last_day))
            }
        }
    }

    /// Forgets what was seen in the weeks before that of `day`.
    pub(in crate::engine) fn forget_before(&mut self, day: Day) {
        self.members.retain_mut(|member| {
            let weeks = member.last_day.week() + 1;
            let kept = weeks.saturating_sub(day.week()).min(WEEKS);
            member.weeks &= (1 << kept) - 1;
            member.weeks != 0
        });
    }

    /// Distinct members ever seen: exact up to [`CROWD_MAX`], estimated beyond.
    ///
    /// ```
    /// use churnwatch::{engine::facts::crowd::Crowd, units::Day};
    /// let mut crowd = Crowd::default();
    /// (0..100_000).for_each(|user| drop(crowd.see(Crowd::hash(&format!("user-{user}")), Day::new(20_000))));
    /// assert!((80_000.0..120_000.0).contains(&crowd.distinct()));
    /// ```
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
    pub fn distinct(&self) -> f64 {
        match self.members.last() {
            Some(largest) if self.sampled => {
                (self.members.len() as f64 - 1.0) * (f64::from(u32::MAX) + 1.0) / (f64::from(largest.hash) + 1.0)
            }
            _ => self.members.len() as f64,
        }
    }

    /// How many real members each kept one stands for, as a whole number: 1 while exact.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // 1 to 2^32
    pub fn weight(&self) -> u64 {
        if self.sampled { (self.distinct() / self.members.len().max(1) as f64).round().max(1.0) as u64 } else { 1 }
    }

    /// The member of `hash`, where it is kept.
    #[must_use]
    pub fn get(&self, hash: u32) -> Option<&Member> {
        self.place(hash).ok().and_then(|index| self.members.get(index))
    }

    /// For each of `masks`: kept members seen in any of its weeks (bit `i`: `i` weeks before the week of `today`).
    #[must_use]
    pub fn seen_in<const N: usize>(&self, today: Day, masks: [u16; N]) -> [usize; N] {
        let mut counts = [0; N];
        for member in &self.members {
            let weeks = member.weeks_before(today);
            for (count, mask) in counts.iter_mut().zip(masks) {
                *count += usize::from(weeks & mask != 0);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see_all(sightings: &[(u32, u16)]) -> Crowd {
        let mut crowd = Crowd::default();
        for (hash, day) in sightings {
            crowd.see(*hash, Day::new(*day));
        }
        crowd
    }

    #[test]
    fn any_order_gives_the_same_sample() {
        let mut sightings: Vec<(u32, u16)> =
            (0..2_000_u32).map(|n| (n.wrapping_mul(2_654_435_761), 20_000 + (n % 50) as u16)).collect();
        let forwards = see_all(&sightings);
        sightings.reverse();
        assert_eq!(forwards, see_all(&sightings));
        assert_eq!(forwards.members.len(), CROWD_MAX);
    }

    #[test]
    fn weeks_of_use_are_counted_back_from_today() {
        let crowd = see_all(&[(1, 20_000), (1, 20_014), (1, 20_007)]);
        let member = crowd.get(1).unwrap();
        assert_eq!(member.weeks_before(Day::new(20_014)), 0b111);
        assert_eq!(member.weeks_before(Day::new(20_028)), 0b11100);
        assert_eq!(crowd.seen_in(Day::new(20_028), [0b11, 0b100]), [0, 1]);
        assert_eq!(member.weeks_before(Day::new(20_400)), 0);
    }

    #[test]
    fn seeing_tells_what_moved() {
        let mut crowd = Crowd::default();
        assert_eq!(crowd.see(9, Day::new(10)), Seen::Joined);
        assert_eq!(crowd.see(9, Day::new(10)), Seen::Known);
        assert_eq!(crowd.see(9, Day::new(12)), Seen::Moved(Day::new(10)));
        assert_eq!(crowd.see(9, Day::new(11)), Seen::Known);
    }
}
