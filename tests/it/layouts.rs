//! Layouts that people make by hand: adopted, they leave nothing for `kcm plan` to do, or the difference is named.

mod hand;
mod own_forms;
mod ranges;
mod servers;
mod subjects;
mod trust;
