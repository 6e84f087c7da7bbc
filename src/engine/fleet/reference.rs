//! `docs/terms.md`, written from the features and the signals: what each term of a risk means and in which direction it speaks.

use std::fmt::Write;

use super::features::{FACTS, FACTS_TOLD, SCARCITY_TERMS};
use crate::engine::signals::SIGNALS;

const HEAD: &str = "\
# Terms of the risk

Generated from `src/engine/fleet/features.rs` and the signals; after a change there, run
`UPDATE_EXPECT=1 cargo test --lib fleet::reference` to write this file anew.

`contributions` on alerts and health records, and `churnwatch explain`, take a risk apart into these terms. The `logit` of
each is added up; above 0 it speaks for leaving, below 0 against it. Terms too small to be seen are counted with `base`. What
the whole means stands in [risk.md](risk.md).

By the default weights, before enough outcomes are known, only `base`, the first three and the signals speak, and a signal
that has found nothing adds 0. Once the weights have been learned, every term is weighed by how far the account is from the
mean of all: then it may be a little below 0 for a signal that has found nothing, and the outcomes teach in which direction
a term speaks.

| term | what it means | speaks for leaving |
|---|---|---|
| `base` | Where every account begins. | the same for all |
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    for (index, (name, told)) in FACTS.iter().zip(FACTS_TOLD).enumerate() {
        let direction =
            if index < SCARCITY_TERMS { "the more, the less activity is likely" } else { "as the outcomes teach" };
        let _ = writeln!(text, "| `{name}` | {told} | {direction} |");
    }
    for declared in SIGNALS.iter().map(|signal| &signal.declaration) {
        let _ =
            writeln!(text, "| `{}` | Signal: {}. | the more, the stronger it is |", declared.name, declared.summary);
    }
    text
}

#[test]
fn the_documentation_follows_the_terms() {
    expect_test::expect_file!["../../../docs/terms.md"].assert_eq(&document());
}
