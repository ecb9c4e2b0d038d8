//! Proofs are used once.

use super::*;

fn proof(id: &str) -> DpopProof {
    DpopProof { thumbprint: [7; 32], id: id.into(), nonce: None }
}

#[test]
fn a_proof_is_used_once_while_it_could_be_used() {
    let proofs = Proofs::new(&[1; 32]);
    let now = UnixSeconds(1000);
    let mark = proofs.remember(&proof("a"), now).unwrap();
    assert!(proofs.remember(&proof("b"), now).is_ok_and(|other| other != mark));
    assert_eq!(proofs.remember(&proof("a"), UnixSeconds(1100)), Err(BindingFault::Replayed));
    let other = DpopProof { thumbprint: [8; 32], ..proof("a") };
    assert!(proofs.remember(&other, now).is_ok(), "the id is unlike any other of its key only");
    assert_eq!(
        proofs.remember(&proof("a"), UnixSeconds(1121)),
        Ok(mark),
        "too old to pass the check of its time"
    );
}
