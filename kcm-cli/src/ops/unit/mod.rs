//! `unit`: renders, checks and compares units of kube-controller-manager without a master. Changes
//! nothing.

mod check;
mod diff;
mod load;
mod render;

pub use check::{CheckedCommand, CheckedUnit, UnitCheck, UnitFinding, check_units};
pub use diff::{UnitDiff, UnitDifference, compare_units};
pub use render::{UnitRequest, render_unit, render_unit_of};
