//! Proofs are used once, and nonces are good for a time.

use super::*;

fn proof(id: &str) -> Proof {
    Proof { thumbprint: [7; 32], id: id.into(), nonce: None }
}

#[test]
fn a_proof_is_used_once_while_it_could_be_used() {
    let proofs = Proofs::new(&[1; 32]);
    let now = UnixSeconds(1000);
    assert_eq!(proofs.remember(&proof("a"), now), Ok(()));
    assert_eq!(proofs.remember(&proof("b"), now), Ok(()));
    assert_eq!(proofs.remember(&proof("a"), UnixSeconds(1100)), Err(BindingFault::Replayed));
    let other = Proof { thumbprint: [8; 32], ..proof("a") };
    assert_eq!(proofs.remember(&other, now), Ok(()), "the id is unlike any other of its key only");
    assert_eq!(
        proofs.remember(&proof("a"), UnixSeconds(1121)),
        Ok(()),
        "too old to pass the check of its time"
    );
}

#[test]
fn a_nonce_is_good_for_two_periods_and_of_this_process() {
    let proofs = Proofs::new(&[1; 32]);
    let nonce = proofs.nonce(UnixSeconds(600));
    assert!(
        proofs.is_nonce(&nonce, UnixSeconds(600)) && proofs.is_nonce(&nonce, UnixSeconds(1199))
    );
    assert!(!proofs.is_nonce(&nonce, UnixSeconds(1200)));
    assert!(!Proofs::new(&[2; 32]).is_nonce(&nonce, UnixSeconds(600)));
}
