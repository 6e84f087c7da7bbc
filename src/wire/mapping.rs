//! Events of anybody's own shape, by a declared mapping.
//!
//! A [`Spec`] is what the configuration says; [`Spec::compile`] reports every problem in it at once and gives a
//! [`Mapping`], which reads records into the same slots as the canonical decoder, so that the same checks judge them.
//! JSON is walked along the declared paths only; everything else is passed over without recursion.

mod compile;
mod convert;
mod read;
mod spec;

pub use read::Mapping;
pub use spec::{Constant, FieldSpec, Layout, Paths, Problem, Spec, TimeFormat, TypeSpec};

#[cfg(test)]
mod tests;
