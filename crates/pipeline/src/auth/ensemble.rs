use super::AuthOutcome;
use crate::settings::AuthSettings;

/// Lets a client go on when it names no ensemble, or ours, or when nobody said what ours is called.
// zk: EnsembleAuthenticationProvider.handleAuthentication: else the connection closes before the reply could go out
pub(super) fn handle(settings: &AuthSettings, credentials: Option<&[u8]>) -> AuthOutcome {
    let (Some(named), Some(ours)) = (credentials.filter(|named| !named.is_empty()), &settings.ensemble_names)
    else {
        return AuthOutcome::Ok;
    };
    match ours.contains(&jute::decode_java_string(named)) {
        true => AuthOutcome::Ok,
        false => AuthOutcome::Closed,
    }
}
