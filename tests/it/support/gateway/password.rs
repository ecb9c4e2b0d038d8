//! The password of all users of the tests: "secret".

/// The hash of "secret", with little work.
pub(crate) fn hash() -> String {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let salt = SaltString::encode_b64(b"somesaltsomesalt").unwrap();
    hasher.hash_password(b"secret", &salt).unwrap().to_string()
}
