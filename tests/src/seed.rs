//! The tutorial's files, as its sections 2.1 and 4.1 to 4.3 print them.

/// Returns the CSR file of section 2.1.
#[must_use]
pub fn csr_json() -> &'static str {
    include_str!("../testdata/tutorial/kube-controller-manager-csr.json")
}

/// Returns the unit of master 1, 2 or 3 from sections 4.1 to 4.3.
#[must_use]
pub fn unit_of(master: usize) -> &'static str {
    match master {
        1 => include_str!("../testdata/tutorial/kube-controller-manager-1.service"),
        2 => include_str!("../testdata/tutorial/kube-controller-manager-2.service"),
        3 => include_str!("../testdata/tutorial/kube-controller-manager-3.service"),
        _ => panic!("the tutorial has three masters"),
    }
}
