//! The census of this process: asked for over HTTP, taken by whoever runs the engines, between two pieces of their work.
//!
//! A question has a number; an answer is good for every question asked before it was begun. Nothing is kept when nobody
//! waits. Bounded by the partitions of the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::engine::census::Census;
use crate::engine::rules::Rules;
use crate::units::{PartitionIndex, Timestamp};

/// Partitions may come and go while one waits: looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is asked: the census as of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Questions asked so far.
    number: u64,
    /// As of when accounts are to be counted.
    pub now: Timestamp,
}

/// What one partition comes to.
#[derive(Debug)]
pub struct Counted {
    /// Partitions of the log that it is one of.
    pub partitions_len: i32,
    /// The rules by which it was counted.
    pub rules: Arc<Rules>,
    /// Its census.
    pub census: Census,
}

/// What is asked of the engines of this process, and what they have answered.
#[derive(Debug, Default)]
pub struct Inquiry {
    numbers: AtomicU64,
    waiting: AtomicUsize,
    shared: Mutex<Shared>,
    answered: Notify,
}

#[derive(Debug, Default)]
struct Shared {
    /// The latest question.
    asked: Option<Question>,
    answers: BTreeMap<PartitionIndex, (Question, Arc<Counted>)>,
}

/// Somebody who waits; when the last one goes, the answers do.
struct Waiting<'i>(&'i Inquiry);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Under the lock, so that nobody who begins to wait meanwhile loses the question.
        let mut shared = self.0.shared();
        if self.0.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            *shared = Shared::default();
        }
    }
}

impl Inquiry {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked, while somebody waits for an answer. Costs nothing worth mentioning while nobody does.
    #[must_use]
    pub fn asked(&self) -> Option<Question> {
        if self.waiting.load(Ordering::Acquire) == 0 { None } else { self.shared().asked }
    }

    /// Whether `partition` has yet to answer `question`.
    #[must_use]
    pub fn lacks(&self, partition: PartitionIndex, question: Question) -> bool {
        self.shared().answers.get(&partition).is_none_or(|(answered, _)| answered.number < question.number)
    }

    /// Answers `question` for `partition`; `counted` was begun after it was asked.
    pub fn answer(&self, partition: PartitionIndex, question: Question, counted: Counted) {
        let mut shared = self.shared();
        // Nobody waits any more: there is nothing to keep it for.
        if shared.asked.is_some() {
            shared.answers.insert(partition, (question, Arc::new(counted)));
        }
        drop(shared);
        self.answered.notify_waiters();
    }

    /// Asks the partitions that `held` names, at any time, as of `now`. `None` when not all answer within `patience`.
    pub async fn ask(
        &self,
        now: Timestamp,
        patience: Duration,
        held: impl Fn() -> Vec<PartitionIndex>,
    ) -> Option<BTreeMap<PartitionIndex, Arc<Counted>>> {
        let (question, _waiting) = {
            let mut shared = self.shared();
            let question = Question { number: self.numbers.fetch_add(1, Ordering::Relaxed) + 1, now };
            shared.asked = Some(question);
            self.waiting.fetch_add(1, Ordering::AcqRel);
            (question, Waiting(self))
        };
        let answer = async {
            loop {
                let answered = self.answered.notified();
                if let Some(all) = self.answers(question, &held()) {
                    return all;
                }
                tokio::select! {
                    () = answered => {}
                    () = sleep(LOOK_AGAIN) => {}
                }
            }
        };
        timeout(patience, answer).await.ok()
    }

    /// The answers of all `held` to `question`, once there are all.
    fn answers(&self, question: Question, held: &[PartitionIndex]) -> Option<BTreeMap<PartitionIndex, Arc<Counted>>> {
        let shared = self.shared();
        let answer = |partition: &PartitionIndex| {
            let (answered, counted) = shared.answers.get(partition)?;
            (answered.number >= question.number).then(|| (*partition, Arc::clone(counted)))
        };
        if held.is_empty() { None } else { held.iter().map(answer).collect() }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    const P0: PartitionIndex = PartitionIndex(0);
    const P1: PartitionIndex = PartitionIndex(1);

    fn counted(accounts: u64) -> Counted {
        Counted { partitions_len: 2, rules: Arc::default(), census: Census { accounts, ..Census::default() } }
    }

    #[tokio::test]
    async fn an_answer_comes_when_all_partitions_have_given_theirs() {
        let inquiry = Inquiry::default();
        assert_eq!(inquiry.asked(), None);
        let ask = inquiry.ask(Timestamp::default(), Duration::MAX, || vec![P0, P1]);
        let answer = async {
            let question = inquiry.asked().unwrap();
            assert!(inquiry.lacks(P0, question) && inquiry.lacks(P1, question));
            inquiry.answer(P0, question, counted(3));
            assert!(!inquiry.lacks(P0, question) && inquiry.lacks(P1, question));
            yield_now().await;
            inquiry.answer(P1, question, counted(4));
        };
        let (all, ()) = tokio::join!(ask, answer);
        let accounts: Vec<u64> = all.unwrap().values().map(|counted| counted.census.accounts).collect();
        assert_eq!(accounts, [3, 4]);
        assert_eq!(inquiry.asked(), None);
        assert!(inquiry.shared().answers.is_empty(), "nothing is kept when nobody waits");
    }

    #[tokio::test]
    async fn an_answer_begun_before_the_question_is_none_to_it() {
        let inquiry = Inquiry::default();
        let first = inquiry.ask(Timestamp::default(), Duration::MAX, || vec![P0]);
        let second = async {
            let early = inquiry.asked().unwrap();
            let second = inquiry.ask(Timestamp::default(), Duration::MAX, || vec![P0]);
            let answer = async {
                let late = inquiry.asked().unwrap();
                inquiry.answer(P0, early, counted(1));
                yield_now().await;
                assert!(inquiry.lacks(P0, late));
                inquiry.answer(P0, late, counted(2));
            };
            tokio::join!(second, answer).0
        };
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_some(), "either answer is good for who asked before both");
        assert_eq!(second.unwrap()[&P0].census.accounts, 2);
    }

    #[tokio::test]
    async fn who_does_not_answer_in_time_is_not_waited_for() {
        let inquiry = Inquiry::default();
        assert!(inquiry.ask(Timestamp::default(), Duration::ZERO, || vec![P0]).await.is_none());
        assert!(inquiry.ask(Timestamp::default(), Duration::ZERO, Vec::new).await.is_none());
        inquiry.answer(P0, Question { number: 9, now: Timestamp::default() }, counted(1));
        assert!(inquiry.shared().answers.is_empty());
    }
}
