//! Comparison with a pair that only the masters hold. Pure.

use super::Identity;
use crate::artifact::view;
use crate::cluster::layout::Role;
use crate::desired::meaning::Held;
use crate::observed::ObservedMaster;
use crate::transport::PathState;

/// A pair held by one master, with which the files of all masters are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldPair<'a> {
    /// The certificate, as PEM.
    pub(crate) certificate: &'a str,
    /// The master. `None` if files are rendered without a comparison.
    pub(crate) master: Option<&'a ObservedMaster>,
}

impl Identity<'_> {
    /// Returns the requirement on the file of this role if only the masters hold the pair.
    pub(super) fn held(&self, role: Role) -> Option<Held> {
        match self {
            Self::OnMasters(held) => held.held(role),
            Self::Pair(_) | Self::ToBeIssued(_) => None,
        }
    }
}

impl HeldPair<'_> {
    /// Returns the requirement on the file of this role.
    fn held(&self, role: Role) -> Option<Held> {
        let file = self.master?.files.of(role);
        let certificate = view::leaf(self.certificate.as_bytes());
        // The bytes of a combined file with another certificate must not become the reference.
        let is_of_another = role == Role::Combined && file.leaf() != certificate;
        match file.state {
            PathState::File { digest, .. } if role != Role::Certificate && !is_of_another => {
                Some(Held::Bytes(digest))
            }
            _ => certificate.map(Held::Certificate),
        }
    }
}
