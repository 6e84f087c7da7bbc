//! What things and people are called in the simulated company.
//!
//! Word lists only; a name is a function of numbers, so nothing here is stored per account.

use super::random::mix;

const FIRST: [&str; 32] = [
    "ada", "amir", "bea", "carlos", "chen", "dora", "elif", "emil", "farah", "finn", "greta", "hana", "hugo", "ines",
    "ivan", "jana", "kofi", "lars", "leila", "marta", "mei", "nils", "noor", "olga", "paul", "priya", "ravi", "rosa",
    "sven", "tara", "umar", "vera",
];
const LAST: [&str; 32] = [
    "abbas", "adler", "bauer", "berg", "costa", "dietz", "duarte", "ekman", "farkas", "fischer", "gupta", "haas",
    "ito", "jansen", "kaya", "keller", "kim", "kovacs", "larsen", "lopez", "moreau", "nagy", "okafor", "patel",
    "rossi", "santos", "sato", "silva", "tanaka", "varga", "weber", "yilmaz",
];
const COMPANY_FIRST: [&str; 48] = [
    "Alder", "Amber", "Anchor", "Aspen", "Basalt", "Beacon", "Birch", "Bramble", "Bright", "Brook", "Cedar", "Cinder",
    "Clear", "Cobalt", "Copper", "Coral", "Crest", "Dune", "Ember", "Fern", "Flint", "Frost", "Garnet", "Granite",
    "Harbor", "Hazel", "Heron", "Indigo", "Iron", "Juniper", "Kestrel", "Lark", "Linden", "Maple", "Marble", "Meadow",
    "Moss", "North", "Oak", "Onyx", "Pine", "Quartz", "Raven", "River", "Sable", "Silver", "Summit", "Willow",
];
const COMPANY_SECOND: [&str; 44] = [
    "bank", "bay", "bell", "bend", "bird", "bridge", "cliff", "cove", "craft", "dale", "drift", "fall", "field",
    "ford", "forge", "gate", "glen", "grove", "haven", "hill", "hollow", "keep", "land", "light", "line", "loom",
    "mark", "mill", "moor", "path", "peak", "point", "port", "reach", "ridge", "shore", "song", "spring", "stone",
    "vale", "ware", "wick", "wood", "works",
];
const COMPANY_KIND: [&str; 6] = ["Labs", "Group", "Systems", "Health", "Retail", "Logistics"];

/// Industries; the first six match the kinds of company names.
pub const INDUSTRIES: [&str; 6] = ["software", "services", "manufacturing", "healthcare", "retail", "logistics"];
/// Regions, in the order of their working hours' offsets.
pub const REGIONS: [&str; 3] = ["emea", "amer", "apac"];
/// How accounts were won.
pub const CHANNELS: [&str; 4] = ["self_serve", "sales", "partner", "referral"];
/// The customer-success managers.
pub const OWNERS: [&str; 8] = [
    "jordan.ellis",
    "sam.whitfield",
    "nadia.roth",
    "theo.brandt",
    "mina.okoye",
    "luca.ferri",
    "ana.petrov",
    "kai.lindholm",
];
/// Features in the order in which plans open them: 6 in starter, 10 in pro, all in enterprise.
pub const FEATURES: [&str; 14] = [
    "dashboard.view",
    "report.create",
    "search.run",
    "file.upload",
    "comment.add",
    "task.assign",
    "workflow.run",
    "export.csv",
    "integration.sync",
    "api.call",
    "audit.review",
    "sso.login",
    "forecast.build",
    "sandbox.deploy",
];
/// Limits that plans set.
pub const LIMITS: [&str; 3] = ["api_calls", "storage_gb", "seats"];
/// What tickets are about.
pub const TOPICS: [&str; 5] = ["billing", "bug", "how_to", "integration", "performance"];
/// How bad tickets are.
pub const SEVERITIES: [&str; 4] = ["low", "normal", "high", "urgent"];
/// The steps of onboarding, in order.
pub const STEPS: [&str; 5] = ["profile_completed", "team_invited", "data_connected", "first_report", "went_live"];

/// The entry of `list` at `index`, which wraps around.
#[must_use]
pub fn entry<const N: usize>(list: &[&'static str; N], index: usize) -> &'static str {
    list.get(index % N.max(1)).copied().unwrap_or_default()
}

/// Id of an account.
#[must_use]
pub fn account_id(account: u32) -> String {
    format!("acct-{account:06}")
}

/// Name of the company behind an account; unique among all.
#[must_use]
pub fn company(account: u32, industry: u8) -> String {
    let (word, tail, round) = company_parts(account);
    let kind = entry(&COMPANY_KIND, usize::from(industry));
    if round == 0 { format!("{word}{tail} {kind}") } else { format!("{word}{tail} {kind} {}", round + 1) }
}

/// E-mail address of a user of an account; unique within the account.
#[must_use]
pub fn user(account: u32, user: u16) -> String {
    let (word, tail, round) = company_parts(account);
    let shift = low_bits(mix(u64::from(account)));
    let (index, lap) = (usize::from(user) % FIRST.len(), usize::from(user) / FIRST.len());
    let first = entry(&FIRST, shift + index);
    let last = entry(&LAST, shift / 64 + index * 7 + lap);
    let word = word.to_ascii_lowercase();
    let lap = if lap == 0 { String::new() } else { (lap + 1).to_string() };
    let round = if round == 0 { String::new() } else { (round + 1).to_string() };
    format!("{first}.{last}{lap}@{word}{tail}{round}.example")
}

/// The service user that automation runs as.
#[must_use]
pub fn service_user(account: u32) -> String {
    let (word, tail, _) = company_parts(account);
    format!("svc-sync@{}{tail}.example", word.to_ascii_lowercase())
}

fn company_parts(account: u32) -> (&'static str, &'static str, u32) {
    const NAMES: u32 = 48 * 44;
    // 359 shares no factor with 2112, so neighbouring accounts get far-away names and none repeats within a round.
    let place = usize::try_from((account % NAMES) * 359 % NAMES).unwrap_or(0);
    (entry(&COMPANY_FIRST, place / 44), entry(&COMPANY_SECOND, place % 44), account / NAMES)
}

fn low_bits(value: u64) -> usize {
    usize::try_from(value & 0xfff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_repeat() {
        let companies: std::collections::BTreeSet<String> = (0..3000).map(|account| company(account, 1)).collect();
        assert_eq!(companies.len(), 3000);
        let users: std::collections::BTreeSet<String> = (0..500).map(|index| user(17, index)).collect();
        assert_eq!(users.len(), 500);
    }
}
