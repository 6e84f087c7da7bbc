//! The state of one account.

/// Everything known about one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: Box<str>,
}
