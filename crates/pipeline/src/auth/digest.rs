use alloc::string::String;
use alloc::vec::Vec;

use base64::{Engine, engine::general_purpose::STANDARD};
use jute::data::Id;
use sha1::{Digest, Sha1};

use super::{DIGEST, SUPER};
use crate::settings::{AuthSettings, DigestAlgorithm};

/// `user:base64(digest(user:password))` for `user:password`.
// zk: DigestAuthenticationProvider.generateDigest
pub fn generate(algorithm: DigestAlgorithm, id_password: &str) -> String {
    let user = id_password.split(':').next().unwrap_or_default();
    let mut id = String::from(user);
    id.push(':');
    STANDARD.encode_string(hash(algorithm, id_password.as_bytes()), &mut id);
    id
}

/// The id that a client with this user and password has, as a list names it.
pub fn digest_id(settings: &AuthSettings, id_password: &str) -> Id {
    Id { scheme: String::from(DIGEST), id: generate(settings.digest_algorithm, id_password) }
}

/// Who shows these credentials: the user, and the super user before it if it is the one.
// zk: DigestAuthenticationProvider.handleAuthentication
pub(super) fn identities(settings: &AuthSettings, credentials: &[u8]) -> Vec<Id> {
    let id = digest_id(settings, &jute::decode_java_string(credentials));
    let is_super = settings
        .super_digest
        .as_ref()
        .is_some_and(|digest| crate::sessions::same_bytes(digest.as_bytes(), id.id.as_bytes()));
    let superuser = is_super.then(|| Id { scheme: String::from(SUPER), id: String::new() });
    superuser.into_iter().chain([id]).collect()
}

fn hash(algorithm: DigestAlgorithm, input: &[u8]) -> Vec<u8> {
    match algorithm {
        DigestAlgorithm::Md5 => md5::Md5::digest(input).to_vec(),
        DigestAlgorithm::Sha1 => Sha1::digest(input).to_vec(),
        DigestAlgorithm::Sha224 => sha2::Sha224::digest(input).to_vec(),
        DigestAlgorithm::Sha256 => sha2::Sha256::digest(input).to_vec(),
        DigestAlgorithm::Sha384 => sha2::Sha384::digest(input).to_vec(),
        DigestAlgorithm::Sha512 => sha2::Sha512::digest(input).to_vec(),
        DigestAlgorithm::Sha512Of224 => sha2::Sha512_224::digest(input).to_vec(),
        DigestAlgorithm::Sha512Of256 => sha2::Sha512_256::digest(input).to_vec(),
        DigestAlgorithm::Sha3Of224 => sha3::Sha3_224::digest(input).to_vec(),
        DigestAlgorithm::Sha3Of256 => sha3::Sha3_256::digest(input).to_vec(),
        DigestAlgorithm::Sha3Of384 => sha3::Sha3_384::digest(input).to_vec(),
        DigestAlgorithm::Sha3Of512 => sha3::Sha3_512::digest(input).to_vec(),
    }
}
