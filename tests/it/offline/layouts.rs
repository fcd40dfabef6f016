//! Tests of manual layouts: after an adoption `kcm plan` has nothing to do, or the difference is
//! reported.

mod hand;
mod own_forms;
mod ranges;
mod servers;
mod subjects;
mod trust;
