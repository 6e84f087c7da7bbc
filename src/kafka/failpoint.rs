//! Named points of the commit cycle and of a restore at which a test lets the process die, or an answer get lost.
//!
//! The environment variable `CHURNWATCH_FAIL_AT` names a role, a point and how many times the point is passed before, such
//! as `engine:offsets_sent:3`. It is looked at in debug builds only, which is what the tests run; a release build has
//! none of this. Death is `SIGKILL`: nothing is flushed, closed or told. `tests/real/steps.rs` passes every point.

use crate::telemetry::Role;

/// A point in the work of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A transaction has begun and holds nothing.
    Begun,
    /// The transaction is full, and the client may still hold records of it.
    Unflushed,
    /// Every record of it has been delivered.
    Produced,
    /// The offsets have been sent into it; the next call commits.
    OffsetsSent,
    /// It is committed, and nobody here knows yet.
    Committed,
    /// A part of the state has been read back.
    Restoring,
    /// The request to commit gets lost: the client is told of a time-out, the broker has heard nothing.
    LostRequest,
    /// The answer to the commit gets lost: the client is told of a time-out, the broker has committed.
    LostAnswer,
}

impl Point {
    /// All points.
    pub const ALL: [Point; 8] = [
        Point::Begun,
        Point::Unflushed,
        Point::Produced,
        Point::OffsetsSent,
        Point::Committed,
        Point::Restoring,
        Point::LostRequest,
        Point::LostAnswer,
    ];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Point::Begun => "begun",
            Point::Unflushed => "unflushed",
            Point::Produced => "produced",
            Point::OffsetsSent => "offsets_sent",
            Point::Committed => "committed",
            Point::Restoring => "restoring",
            Point::LostRequest => "lost_request",
            Point::LostAnswer => "lost_answer",
        }
    }
}

/// A worker of `role` passes `point`. Does not come back where the process is to die here; says whether something is to
/// get lost here.
#[cfg(debug_assertions)]
#[must_use]
pub fn is_hit(role: Role, point: Point) -> bool {
    planned::is_hit(role, point)
}

/// A worker passes a point; nothing happens in a release build.
#[cfg(not(debug_assertions))]
#[must_use]
#[inline]
pub fn is_hit(_role: Role, _point: Point) -> bool {
    false
}

#[cfg(debug_assertions)]
mod planned {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Point, Role};

    /// What is to happen.
    struct Plan {
        role: &'static str,
        point: Point,
        passes: u64,
        passed: AtomicU64,
    }

    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();

    pub fn is_hit(role: Role, point: Point) -> bool {
        let plan = PLAN.get_or_init(|| std::env::var("CHURNWATCH_FAIL_AT").ok().as_deref().and_then(parse));
        let Some(plan) = plan.as_ref().filter(|plan| plan.point == point && plan.role == role.name()) else {
            return false;
        };
        if plan.passed.fetch_add(1, Ordering::Relaxed) != plan.passes {
            return false;
        }
        if !matches!(point, Point::LostRequest | Point::LostAnswer) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        true
    }

    /// `ROLE:POINT:PASSES`; anything else is no plan.
    fn parse(text: &str) -> Option<Plan> {
        let mut parts = text.split(':');
        let (role, point, passes) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Plan {
            role: Role::ALL.into_iter().map(Role::name).find(|known| *known == role)?,
            point: Point::ALL.into_iter().find(|known| known.name() == point)?,
            passes: passes.parse().ok()?,
            passed: AtomicU64::new(0),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn plans_name_a_role_a_point_and_a_count() {
            let plan = parse("engine:offsets_sent:3").unwrap();
            assert_eq!((plan.role, plan.point, plan.passes), ("engine", Point::OffsetsSent, 3));
            for bad in ["", "engine", "engine:begun", "engine:nowhere:1", "nobody:begun:1", "engine:begun:x"] {
                assert!(parse(bad).is_none(), "{bad}");
            }
        }
    }
}
