//! A pair that only the masters hold. Pure.

use super::Identity;
use crate::artifact::view;
use crate::cluster::layout::Role;
use crate::desired::meaning::Held;
use crate::observed::ObservedMaster;
use crate::transport::PathState;

/// A pair as one master holds it, with which the files of all are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldPair<'a> {
    /// The certificate, as PEM.
    pub(crate) certificate: &'a str,
    /// The master; none where files are rendered and compared with none.
    pub(crate) master: Option<&'a ObservedMaster>,
}

impl Identity<'_> {
    /// What the file of this role must be where only the masters hold the pair.
    pub(super) fn held(&self, role: Role) -> Option<Held> {
        match self {
            Self::OnMasters(held) => held.held(role),
            Self::Pair(_) | Self::ToBeIssued(_) => None,
        }
    }
}

impl HeldPair<'_> {
    /// What the file of this role must be.
    fn held(&self, role: Role) -> Option<Held> {
        let file = self.master?.files.of(role);
        let certificate = view::leaf(self.certificate.as_bytes());
        // Certificate and key in one file: of a file with another certificate, the bytes are not the ones to have.
        let is_of_another = role == Role::Combined && file.leaf() != certificate;
        match file.state {
            PathState::File { digest, .. } if role != Role::Certificate && !is_of_another => {
                Some(Held::Bytes(digest))
            }
            _ => certificate.map(Held::Certificate),
        }
    }
}
